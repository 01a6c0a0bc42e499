"""Denoising on two cores: a shard on each beside one job of two threads; filtered reads and error models are given."""

import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import pandas as pd
import yaml

from taxoscape.denoise import dada, shards
from taxoscape.digest import ROOT

ERROR_BASES = 2_000_000  # enough for a model that both sides are given; learning is not what is measured
DATA = Path(os.environ.get("TAXOSCAPE_DATA", ROOT.parent / "shared" / "data")) / "fastq_miseqsop/raw"
SMOKE = {"DATA": Path("not available"), "ERROR_BASES": 10_000}


def rows() -> list[dict]:
    """Seconds of wall time from process start to merged reads, both sides in the same call."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())["denoise"] | {"error_bases": ERROR_BASES}
    sheet, what = reads()
    with tempfile.TemporaryDirectory() as scratch:
        halves = [sheet.iloc[: len(sheet) // 2], sheet.iloc[len(sheet) // 2 :]]
        folders = [f"{scratch}/{number}" for number in range(2)]
        counts = [
            shards.filter_shard(list(half["sample"]), list(half["fq1"]), list(half["fq2"]), folder, config)
            for half, folder in zip(halves, folders, strict=True)
        ]
        scores = pd.DataFrame(columns=["run", "direction", "quality"])
        learnt = config | {"error_model": "loess"}
        models = [shards.learn(["1"], way, folders, scores, learnt, 2, 0) for way in shards.DIRECTIONS]
        given = shards.given_to_dada(models, [[], []])
        parts = [([one], [folder], given, config, 1, 0) for one, folder in zip(counts, folders, strict=True)]
        ours, found = wall(parts)
        together = (counts, folders, given, config, 2, 0)
        other, expected = wall([together])
    same = pd.concat(found).reset_index(drop=True).equals(pd.concat(expected).reset_index(drop=True))
    note = f"{what}; one job of two threads; {'same' if same else 'OTHER'} merged reads"
    name = f"denoising {len(sheet)} samples in 2 shards, 2 cores"
    return [{"name": name, "ours": ours, "other": other, "ratio": other / ours, "unit": "s", "note": note}]


def reads() -> tuple[pd.DataFrame, str]:
    """Sheet of the MiSeq SOP's read pairs where the public data are available, else of those that come with dada2."""
    forward = sorted(DATA.glob("*_R1_001.fastq.gz"))
    if forward:
        rows = [(path.name.split("_")[0], str(path), str(path).replace("_R1_", "_R2_")) for path in forward]
        return pd.DataFrame(rows, columns=["sample", "fq1", "fq2"]), "MiSeq SOP"
    rows = [(name, *(dada.example_file(f"{name}{mate}.fastq.gz") for mate in "FR")) for name in ("sam1", "sam2")]
    return pd.DataFrame(rows, columns=["sample", "fq1", "fq2"]), "reads that come with dada2"


def wall(jobs: list[tuple]) -> tuple[float, list[pd.DataFrame]]:
    """Seconds that the jobs take beside each other in processes of their own, and their merged reads."""
    start = perf_counter()
    with ProcessPoolExecutor(len(jobs), mp_context=get_context("spawn")) as pool:
        found = list(pool.map(merged_reads, jobs))
    return perf_counter() - start, found


def merged_reads(job: tuple) -> pd.DataFrame:
    """Merged reads of one job: sample, sequence, count."""
    return shards.denoise_batch(*job)[0]
