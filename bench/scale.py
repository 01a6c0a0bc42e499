"""How time, memory and disk of every stage grow with samples and taxa, on simulated studies from their table on.

`python -m bench.scale FOLDER SAMPLESxTAXA ...` makes the studies in FOLDER, runs the chain on each, with training cut
short, writes FOLDER/scale.tsv, a row per study and stage, and prints it as tables with the powers of growth. What a
killed call has finished is not run again. Hours: `python -m bench` leaves it out.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from bench._cohort import write_study
from taxoscape.digest import ROOT
from taxoscape.files import write_tsv

CONFIG = {
    "input": {"kind": "table", "table": "table.biom", "sequences": "asvs.fasta"},
    "taxonomy": {"training_set": "training_set.fa.gz"},
    "rarefy": {"depth": 5000},
    "functions": {
        "method": "nearest",
        "reference": {"sequences": "reference.fna", "ko": "reference_ko.tsv.gz", "map": "kegg_map.tsv"},
    },
    "metadata": {
        "file": "metadata.tsv",
        "group": ["subject"],
        "time": {"column": "day", "unit": "days"},
        "fields": {"age": {"type": "continuous", "unit": "years"}, "diet": {"type": "categorical"}},
        "targets": {"age": "regression", "diet": "classification"},
        "folds": 2,
    },
    # Everything is read, drawn and predicted in full; only the learning is cut short.
    "aam": {
        "batch_size": 64,
        "pretrain_epochs": 1,
        "pretrain_steps": 0,
        "epochs": 1,
        "members": 1,
        "trees": 20,
        "bootstraps": 50,
    },
    "phenotype": {"steps": 50, "members": 1, "trees": 20, "bootstraps": 50},
    "diffusion": {"steps": 100},
    "forecast": {"steps": 50},
    "evaluation": {"trees": 20, "bootstraps": 50, "repeats": 1},
}
FLOOR = 10.0  # CPU seconds (or MB); below it a stage mostly starts and stops
MEASURES = {"s": "sum", "cpu_time": "sum", "max_rss": "max", "jobs": "sum"}


def run(study: Path, cores: int = 2) -> None:
    """Run the chain on a study, to the report."""
    (study / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", study]
    command += ["--configfile", study / "config.yaml", "--cores", cores, "--keep-going"]
    subprocess.run(list(map(str, command)), check=True)


def measured(study: Path) -> pd.DataFrame:
    """Of every stage: jobs, wall and CPU seconds of all, MB of the largest, MB on disk."""
    rows = []
    for path in sorted((study / "benchmarks").rglob("*.tsv")):
        row = pd.read_csv(path, sep="\t").iloc[0]
        rows.append({"stage": path.relative_to(study / "benchmarks").parts[0], "jobs": 1} | row.to_dict())
    # Snakemake writes - for jobs that ended before it looked at them.
    frame = pd.DataFrame(rows).replace("-", 0).astype(dict.fromkeys(MEASURES, float))
    # A job that does nothing has read its modules all the same.
    start = frame["cpu_time"].min()
    frame["cpu_time"] -= start
    stages = frame.groupby("stage").agg(MEASURES)
    stages["disk"] = [size(study / "results" / stage) for stage in stages.index]
    return stages.reset_index().assign(start=start)


def size(folder: Path) -> float:
    """MB of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def growth(frame: pd.DataFrame, by: str, measure: str) -> pd.Series:
    """Power of `by` (samples or taxa) with which a measure of every stage grows, the other size the largest it has.

    Slope of a line through the logarithms; stages that never take more than FLOOR have none (NaN).
    """
    other = {"samples": "taxa", "taxa": "samples"}[by]
    sizes = frame.groupby(other)[by].nunique()
    chosen = frame[frame[other] == sizes[sizes == sizes.max()].index.max()]

    def slope(part: pd.DataFrame) -> float:
        if len(part) < 2 or part[measure].max() < FLOOR:
            return np.nan
        return float(np.polyfit(np.log(part[by]), np.log(part[measure].clip(lower=0.1)), 1)[0])

    return chosen.groupby("stage")[[by, measure]].apply(slope).rename(f"power of {by}")


def summary(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """A measure of every stage in every study, and the powers of samples and of taxa with which it grows."""
    size = frame["samples"].astype(str) + " x " + frame["taxa"].astype(str)
    table = frame.assign(size=size).pivot(index="stage", columns="size", values=measure)[size.unique()]
    return table.join([growth(frame, by, measure) for by in ("samples", "taxa")])


def main(folder: Path, names: list[str]) -> None:
    """Make and run the studies of these names, SAMPLESxTAXA, in a folder; write scale.tsv and print tables."""
    frames = []
    for name in names:
        samples, taxa = map(int, name.split("x"))
        study = folder / name
        if not (study / "table.biom").exists():
            write_study(study, samples, taxa)
        run(study)
        frames.append(measured(study).assign(samples=samples, taxa=taxa))
        write_tsv(pd.concat(frames), folder / "scale.tsv", float_format="%.4g")
    for measure in ("cpu_time", "max_rss", "disk"):
        print(summary(pd.concat(frames), measure).to_markdown(floatfmt=".3g"), end="\n\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
