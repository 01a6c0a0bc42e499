from taxoscape.digest import ROOT

# Figures that stages have drawn, with the captions of the report.
PREVIEWS = ["taxa", "channels", "samples", "difference", "noise"]
GENERATION_PLOTS = {
    "generation": "Each generator against the held-out samples: dots with 95 % intervals.",
    "generation_taxa": "Taxa in generated and in held-out samples: how often each occurs and how abundant it is.",
    "landscapes": "Held-out samples, each beside a community generated at its conditions: the same taxa in the same "
    "places. Look for what all generated ones lack, or share.",
}
FORECAST_PLOTS = {
    "errors": "Forecasts (red) and baselines by how far ahead: dots with 95 % intervals over subjects.",
    "coverage": "Share of what was observed inside the intervals, against what they promise.",
}
if config["forecast"]["what_if"]:
    FORECAST_PLOTS["what_if"] = (
        "The same subjects forecast with and without a planned change, with the same noise. It shows what the model has "
        "learned; whether the change is the cause, it cannot know."
    )

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


rule write_report:
    input:
        **READS_FILES,
        **DIVERSITY_FILES,
        template=f"{workflow.basedir}/workflow/report/report.html.j2",
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
        forecast_course="results/forecast/course.html" if FORECASTS else [],
        forecast_plots=expand("results/forecast/{name}.png", name=FORECAST_PLOTS) if FORECASTS else [],
    output:
        html="results/report/report.html",
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
        captions={
            "generation_plots": list(GENERATION_PLOTS.values()),
            "forecast_plots": list(FORECAST_PLOTS.values()),
        },
        code=code("write_report.py"),
    message:
        "Writing the report"
    script:
        "../scripts/write_report.py"
