from pathlib import Path

from taxoscape.digest import ROOT

# Figures that stages have drawn; each has its caption in workflow/report/captions.
PREVIEWS = ["taxa", "channels", "samples", "difference", "noise"]
GENERATION_PLOTS = ["generation", "generation_taxa", "landscapes"]
FORECAST_PLOTS = ["errors", "coverage"] + (["what_if"] if config["forecast"]["what_if"] else [])

# Versions and arguments that the stages of this study have recorded.
VERSIONS = ["results/functions/versions.json"] if METHOD != "none" else []
VERSIONS += [] if config["input"]["tree"] else ["results/phylogeny/versions.json"]
VERSIONS += [] if config["input"]["taxonomy"] else ["results/taxonomy/versions.json"]
READS_FILES, DIVERSITY_FILES = {}, {}

if KIND == "reads":
    VERSIONS += ["results/denoise/versions.json"]
    READS_FILES = {"truncation": "results/reads/truncation.json", "quality_plot": "results/reads/quality.png"}
    READS_FILES["error_plots"] = expand(
        "results/denoise/errors/{model}/{direction}.png", model=MODELS, direction=DIRECTIONS
    )
    if config["reads"]["primers"]:
        READS_FILES["primers"] = "results/reads/primers.tsv"
        VERSIONS += ["results/reads/versions.json"]

if config["diversity"]["enabled"]:
    NAMES = ["permanova.tsv", "alpha_tests.tsv", "curves.png", "alpha.png", "ordination.png"]
    NAMES += [] if config["diversity"]["differential"] == "none" else ["differential.png"]
    DIVERSITY_FILES = {name.split(".")[0]: f"results/diversity/{name}" for name in NAMES}
    if config["diversity"]["differential"] != "none":
        DIVERSITY_FILES["differential_table"] = "results/diversity/differential.tsv"

# Files that the page links to: each one exists once the page does.
DOWNLOADS = [f"results/export/{name}" for name in ("README.txt", "table.biom", "phyloseq/load_phyloseq.R")]
DOWNLOADS += ["results/export/qiime2/feature-table.biom", "results/rarefy/table.biom", "results/filter/asvs.fasta"]
DOWNLOADS += ["results/taxonomy/taxonomy.tsv", "results/phylogeny/tree.nwk", "results/unifrac/faith_pd.tsv"]
DOWNLOADS += [f"results/images/{name}" for name in ("gallery.html", "composition.npz", "basis.npz")]
DOWNLOADS += ["results/reads/reads.html"] if KIND == "reads" else []
DOWNLOADS += ["results/functions/ko.tsv.gz"] if METHOD != "none" else []
DOWNLOADS += expand("results/aam/{target}/{name}", target=TARGETS, name=["predictions.tsv", "card.md"])
DOWNLOADS += expand("results/phenotype/{target}/{name}", target=PHENOTYPES, name=["predictions.tsv", "card.md"])
if GENERATES:
    DOWNLOADS += ["results/diffusion/generated.biom", "results/diffusion/card.md"]
    DOWNLOADS += ["results/diffusion/asked.biom"] if config["diffusion"]["conditions"] else []
if FORECASTS:
    DOWNLOADS += [f"results/forecast/{name}" for name in ("course.html", "forecasts.tsv", "forecasts.biom", "card.md")]


rule write_report:
    input:
        **READS_FILES,
        **DIVERSITY_FILES,
        templates=sorted(map(str, Path(f"{workflow.basedir}/workflow/report/report").iterdir())),
        captions=sorted(map(str, (ROOT / "workflow" / "report" / "captions").iterdir())),
        downloads=DOWNLOADS,
        citations=str(ROOT / "resources" / "citations.tsv"),
        versions=VERSIONS,
        track="results/filter/track.tsv",
        filtered="results/filter/summary.tsv",
        table="results/filter/table.biom",
        rarefied="results/rarefy/table.biom",
        dropped="results/rarefy/dropped.tsv",
        depth="results/rarefy/depth.json",
        depths_plot="results/rarefy/depths.png",
        taxonomy="results/taxonomy/taxonomy.tsv",
        taxonomy_summary="results/taxonomy/summary.tsv",
        top_taxa="results/taxonomy/top_taxa.tsv",
        tree_quality="results/phylogeny/quality.json",
        tree_plot="results/phylogeny/tree.png",
        channels="results/functions/channels.tsv",
        nsti="results/functions/nsti.tsv",
        functions_quality="results/functions/quality.json",
        functions_samples="results/functions/samples.tsv" if METHOD != "none" else [],
        functions_plots=expand("results/functions/{name}.png", name=["channels", "nsti"]) if METHOD != "none" else [],
        design="results/metadata/design.tsv",
        splits="results/metadata/splits.tsv",
        excluded="results/metadata/excluded.tsv",
        embedding_quality="results/embedding/quality.json",
        taxa="results/layout/taxa.tsv",
        images_quality="results/images/quality.json",
        previews=expand("results/images/previews/{name}.png", name=PREVIEWS),
        metrics=expand("results/aam/{target}/metrics.json", target=TARGETS),
        prediction_plots=expand("results/aam/{target}/predictions.png", target=TARGETS),
        attribution_plots=expand("results/aam/{target}/attribution.png", target=TARGETS),
        phenotype=expand("results/phenotype/{target}/metrics.json", target=PHENOTYPES),
        phenotype_plots=expand("results/phenotype/{target}/predictions.png", target=PHENOTYPES),
        calibration_plots=expand("results/phenotype/{target}/calibration.png", target=PHENOTYPES),
        generation="results/evaluation/generation.json" if GENERATES else [],
        generation_plots=expand("results/evaluation/{name}.png", name=GENERATION_PLOTS) if GENERATES else [],
        forecast="results/forecast/metrics.json" if FORECASTS else [],
        forecast_plots=expand("results/forecast/{name}.png", name=FORECAST_PLOTS) if FORECASTS else [],
    output:
        html=shown("results/report/report.html", "report"),
    log:
        "logs/report/write_report.log",
    benchmark:
        "benchmarks/report/write_report.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
    params:
        # The page prints every setting, so any change of the config writes it anew.
        config=config,
        simulated=DEMO,
        targeted={
            **dict.fromkeys(["metrics", "prediction_plots", "attribution_plots"], TARGETS),
            **dict.fromkeys(["phenotype", "phenotype_plots", "calibration_plots"], PHENOTYPES),
        },
        code=code("write_report.py"),
    message:
        "Writing the report"
    script:
        "../scripts/write_report.py"
