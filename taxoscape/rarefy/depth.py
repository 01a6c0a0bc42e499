"""The depth: given, or the highest that keeps the share of samples asked for; and what every depth would keep.

A depth d keeps the samples with d reads or more, and d reads of each: high depths lose samples, low ones reads.
"""

import numpy as np
import pandas as pd

from taxoscape.errors import InputError
from taxoscape.rarefy import enough

AUTO = "auto"
# A depth chosen by itself goes this far down, as a share of it, where that keeps further samples.
GIVEN_UP = 0.01
# Depths listed at most; every sample's own where there are fewer samples.
MOST_DEPTHS = 200


def choose(reads: np.ndarray, config: dict) -> int:
    """Depth (reads) for samples with these reads: rarefy.depth, or for `auto` the highest that keeps rarefy.keep.

    That is lowered by up to GIVEN_UP of it where samples fall short of it by no more. Samples without a read do not
    count. Raises InputError when no sample has that many reads.
    """
    reads = np.asarray(reads)
    if config["depth"] != AUTO:
        enough(reads, config["depth"])
        return config["depth"]
    reads = np.sort(reads[reads > 0])[::-1]
    if not len(reads):
        raise InputError("rarefy.depth=auto finds no sample with reads: see results/filter/track.tsv for where they go")
    highest = reads[max(int(np.ceil(config["keep"] * len(reads))), 1) - 1]
    return int(reads[reads >= (1 - GIVEN_UP) * highest].min())


def tradeoff(reads: np.ndarray) -> pd.DataFrame:
    """What each depth keeps: depth, samples, share_of_samples, share_of_reads; at the sizes of the samples."""
    reads = np.asarray(reads).astype(np.int64)
    reads = np.sort(reads[reads > 0])
    depths = np.unique(reads)
    if len(depths) > MOST_DEPTHS:
        depths = depths[np.linspace(0, len(depths) - 1, MOST_DEPTHS).round().astype(int)]
    samples = len(reads) - np.searchsorted(reads, depths)
    shares = {"share_of_samples": samples / len(reads), "share_of_reads": depths * samples / reads.sum()}
    return pd.DataFrame({"depth": depths, "samples": samples} | shares)


def describe(reads: np.ndarray, depth: int, config: dict) -> dict:
    """The depth in use, whether it was chosen or given, and what it keeps of the samples that have reads."""
    reads = np.asarray(reads).astype(np.int64)
    reads = reads[reads > 0]
    kept = int((reads >= depth).sum())
    return {
        "depth": depth,
        "chosen": config["depth"] == AUTO,
        "keep": config["keep"] if config["depth"] == AUTO else None,
        "samples": len(reads),
        "kept": kept,
        "share_of_reads": depth * kept / reads.sum(),
        "reads": {"smallest": reads.min(), "median": np.median(reads), "largest": reads.max()},
    }
