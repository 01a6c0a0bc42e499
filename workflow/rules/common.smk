# What the stages share: checks before any job, the sheet of samples, code digests, resources.
import re
from pathlib import Path

import yaml

from taxoscape import checks, demo, references, workplace
from taxoscape.programs import check_image, with_repository
from taxoscape.digest import ROOT, code
from taxoscape.errors import told
from taxoscape.forecast.check import why_not
from taxoscape.phenotype.options import regressions
from taxoscape.reads.settings import shard_size


def memory(mb, per_mb=0):
    """Memory of a job in MB, `per_mb` more for each MB of its inputs; doubled with every retry."""
    if not per_mb:
        return lambda wildcards, attempt: mb * 2 ** (attempt - 1)
    return lambda wildcards, input, attempt: round(mb + per_mb * input.size_mb) * 2 ** (attempt - 1)


def shared_threads(jobs, most=4):
    """Threads of each of `jobs` jobs that may run at once: few jobs take more of this machine's cores each."""
    # Where a cluster's scheduler hands out the cores, and in the jobs that it started, there is nothing to share.
    cores = workflow.resource_settings.cores if workflow.is_main_process else None
    return max(1, min(most, cores // jobs)) if cores else most


def without(section, *keys):
    """Section of the config but for keys that a rule does not use, so that these do not rerun it."""
    return {key: value for key, value in config[section].items() if key not in keys}


# Stages in `snakemake --report`, by the folder of their results.
CATEGORIES = {
    "report": "0 Report of the study",
    "reads": "1 Reads",
    "denoise": "1 Reads",
    "rarefy": "2 Filters and depth",
    "phylogeny": "3 Tree",
    "functions": "4 Functions",
    "images": "5 Landscapes",
    "diversity": "6 Diversity",
    "aam": "7 Predictions of host variables",
    "phenotype": "7 Predictions of host variables",
    "evaluation": "8 Generated communities",
    "forecast": "9 Forecasts",
}


def shown(path, caption, **labels):
    """Output that `snakemake --report` shows, under the title and with the text of workflow/report/captions."""
    text = (ROOT / "workflow" / "report" / "captions" / f"{caption}.rst").read_text()
    labels = {"what": " ".join(text.split("**")[1].split()).rstrip("."), **labels}
    return report(
        path, caption=f"../report/captions/{caption}.rst", category=CATEGORIES[path.split("/")[1]], labels=labels
    )


def reference(value):
    """Path of a reference that the config gives by its registered name or by a path; null stays null."""
    return references.resolve(value, config["references"]["folder"])


def checked(*values):
    """Locks of those values that are registered names: a rule that takes them reads no unchecked reference."""
    return [
        f"results/references/{references.known()[value].file}.json" for value in values if value in references.known()
    ]


with open(f"{workflow.basedir}/config/config.yaml") as handle:
    config = checks.ordered(config, yaml.safe_load(handle))
KIND = config["input"]["kind"]
DEMO = config["input"]["samples"] == demo.SAMPLES
DEPLOYMENT = workflow.deployment_settings
IN_IMAGE = any(method.name == "APPTAINER" for method in DEPLOYMENT.deployment_method)

# Jobs parse the workflow again; what the main process has accepted needs no second look.
if workflow.is_main_process:
    with told():
        checks.check_config(config, f"{workflow.basedir}/workflow/schemas/config.schema.yaml")
        # Where Snakemake brings the programs (--sdm), they are not on this path.
        if not DEPLOYMENT.deployment_method:
            checks.check_programs(config)
        if IN_IMAGE:
            check_image(config["container"])
        if not DEMO:
            checks.check_study(config)

if IN_IMAGE:
    DEPLOYMENT.apptainer_args = with_repository(DEPLOYMENT.apptainer_args, workflow.basedir)

if KIND == "reads":
    SHEET = demo.sheet(config["demo"]) if DEMO else checks.read_sheet(config["input"]["samples"])
    PAIRED = bool((SHEET["fq2"] != "").all())
    DIRECTIONS = ["forward", "reverse"] if PAIRED else ["forward"]
    # Shards of a run: as many samples as one job takes, in the order of the sheet. A model is one of errors: the
    # run's, or one of all runs where all are pooled. A batch is what is denoised in one job: a shard, or all the
    # samples of a model where they are pooled.
    place = SHEET.groupby("run").cumcount()
    POOL = config["denoise"]["pool"]
    SHEET["shard"] = (place // shard_size(config["reads"]["shard"], len(SHEET))).astype(str)
    SHEET["model"] = "all_runs" if POOL == "pooled" and SHEET["run"].nunique() > 1 else SHEET["run"]
    MODELS = SHEET["model"].unique().tolist()
    SHEET["batch"] = SHEET["shard"] if POOL in ("independent", "pseudo") else "0"


def parts(by, of="run"):
    """Run (or model) and shard (or batch) of every job, in the order of the sheet."""
    return list(SHEET[[of, by]].drop_duplicates().itertuples(index=False, name=None))


def of_part(column, by):
    """Input function: a column of the sample sheet for the samples of a shard, without empty cells."""

    def of(wildcards):
        cells = SHEET.loc[(SHEET["run"] == wildcards.run) & (SHEET[by] == wildcards[by]), column]
        return cells[cells != ""].tolist()

    return of


def trimmed(wildcards):
    """Folder of the trimmed reads of a shard; none where no primers are cut."""
    return [f"results/reads/trimmed/{wildcards.run}/{wildcards.shard}"] if config["reads"]["primers"] else []


def every_part(pattern, by, of="run"):
    """Files of all shards or batches of all runs or models, in the order of the sheet."""
    return [pattern.format(**{of: run, by: part}) for run, part in parts(by, of)]


def shards_of_run(pattern):
    """Input function: files of all shards of a run, in the order of the sheet."""
    return lambda wildcards: [
        pattern.format(run=run, shard=shard) for run, shard in parts("shard") if run == wildcards.run
    ]


def shards_of(pattern):
    """Input function: files of all shards of a model, or of its batch where the rule has batches."""

    def files(wildcards):
        chosen = SHEET["model"] == wildcards.model
        if "batch" in wildcards.keys():
            chosen &= SHEET["batch"] == wildcards.batch
        pairs = SHEET.loc[chosen, ["run", "shard"]].drop_duplicates()
        return [pattern.format(run=run, shard=shard) for run, shard in pairs.itertuples(index=False, name=None)]

    return files


TARGETS = list(config["metadata"]["targets"]) if config["aam"]["enabled"] else []
PHENOTYPES = regressions(config["metadata"]["targets"]) if config["phenotype"]["enabled"] else []
GENERATES = config["diffusion"]["enabled"]
FORECASTS = why_not(config) is None
FOLDS = range(config["metadata"]["folds"] * config["metadata"]["repeats"])


wildcard_constraints:
    run=r"[^/]+",
    model=r"[^/]+",
    direction="forward|reverse",
    shard=r"\d+",
    batch=r"\d+",
    fold=r"\d+",
    target=r"[^/]+",
    learned=r"[^/]+",
    metric=r"[a-z_]+?",
