# taxoscape: 16S reads or an ASV table to landscapes, predictions and generated communities.
# Stages in the order the data flow; config/config.yaml holds every default.
from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


if not (config["input"]["samples"] or config["input"]["table"]):

    configfile: f"{workflow.basedir}/config/demo.yaml"


include: "workflow/rules/common.smk"


# Used under --sdm apptainer, and only then.
container: config["container"]


include: "workflow/rules/references.smk"
include: "workflow/rules/demo.smk"
include: "workflow/rules/reads.smk"
include: "workflow/rules/denoise.smk"
include: "workflow/rules/taxonomy.smk"
include: "workflow/rules/filter.smk"
include: "workflow/rules/rarefy.smk"
include: "workflow/rules/phylogeny.smk"
include: "workflow/rules/functions.smk"
include: "workflow/rules/metadata.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/embedding.smk"
include: "workflow/rules/layout.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/unifrac.smk"
include: "workflow/rules/diversity.smk"
include: "workflow/rules/aam.smk"
include: "workflow/rules/phenotype.smk"
include: "workflow/rules/diffusion.smk"
include: "workflow/rules/forecast.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        "results/report/report.html",
        "results/unifrac/distances.npy",
        "results/images/gallery.html",
        "results/reads/reads.html" if KIND == "reads" else [],
        "results/images/images.zarr/complete.json" if config["images"]["store"] == "zarr" else [],
        "results/rarefy/depths.png",
        "results/export/table.biom",
        "results/rarefy/repeats.tsv" if REPEATS else [],
        DIVERSITY,
        expand("results/aam/{target}/card.md", target=TARGETS),
        expand("results/phenotype/{target}/card.md", target=PHENOTYPES),
        "results/diffusion/card.md" if GENERATES else [],
        "results/diffusion/asked.biom" if GENERATES and config["diffusion"]["conditions"] else [],
        "results/forecast/forecasts.biom" if FORECASTS else [],
        "results/forecast/card.md" if FORECASTS else [],


onstart:
    # A dry run changes nothing and may look at a folder where another run is at work.
    with told():
        for remains in workplace.claim(".") if workflow.is_main_process else []:
            print(f"Removed what a killed run left half-written: {remains}")


onsuccess:
    # A run of some rules alone may leave a study without them.
    for name, page in ("Report", "results/report/report.html"), ("Gallery", "results/images/gallery.html"):
        if Path(page).is_file():
            print(f"{name}: {page}")
