"""A few reads of a file, evenly spread over it and always the same: every 1st, 2nd, 4th, ... whatever fits.

The first reads of a file come from the edge of the flow cell and are not like the others.
"""

from itertools import chain
from pathlib import Path

import numpy as np

from taxoscape.files import read_npz
from taxoscape.reads import fastq, quality

MOST = 1000  # records kept of a sample: half of these at least, where it has as many
MOST_OF_RUN = 20_000  # records kept of a run, of every sample as many
PARTS = ("bases", "scores")


def thinned(kept: list, step: int, records: list, before: int) -> tuple[list, int]:
    """Take every `step`-th of the records, `before` of which came earlier, and double the step while there are many.

    Returns the kept records (those whose number is a multiple of the step) and the step.
    """
    kept = kept + records[-before % step :: step]
    while len(kept) > MOST:
        kept, step = kept[::2], 2 * step
    return kept, step


def sample(files: list[str | Path]) -> list[tuple[bytes, ...]]:
    """Records of one file, or of two in step: sequence and qualities of each read."""
    kept, step, done = [], 1, 0
    for blocks in zip(*map(fastq.blocks, files), strict=True):
        records = list(zip(*chain(*((block.sequences, block.qualities) for block in blocks)), strict=True))
        kept, step = thinned(kept, step, records, done)
        done += len(records)
    return kept


def packed(samples: list[list[tuple[bytes, ...]]], directions: list[str]) -> dict[str, np.ndarray]:
    """Sampled records of several samples as arrays: `sample` [n] (place), bases_ and scores_ of each direction [n, L].

    Letters as they are, Phred scores from 0; both 0 past the end of a read.
    """
    arrays = {"sample": np.repeat(np.arange(len(samples)), list(map(len, samples)))}
    for column, name in enumerate(f"{part}_{direction}" for direction in directions for part in PARTS):
        lines = [record[column] for records in samples for record in records]
        pad = 0 if name.startswith("bases") else quality.OFFSET
        arrays[name] = quality.padded(lines, bytes([pad])) - np.uint8(pad)
    return arrays


def gathered(files: list[str | Path], most: int) -> dict[str, np.ndarray]:
    """Packed records of several files together, thinned to `most` in all, of every sample as many (20 at least)."""
    places = [read_npz(file, ["sample"])["sample"] for file in files]
    share = max(20, most // max(1, sum(len(np.unique(place)) for place in places)))
    parts = []
    for file, place in zip(files, places, strict=True):
        counts = np.bincount(place, minlength=1)
        rank = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)  # place of a record in its sample
        step = -(-counts // share)
        taken = rank % np.repeat(np.maximum(step, 1), counts) == 0
        parts.append({name: array[taken] for name, array in read_npz(file).items()})
    return stacked(parts)


def read_runs(runs: list[str], files: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """Packed records of each run."""
    return {run: read_npz(file) for run, file in zip(runs, files, strict=True)}


def stacked(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Packed records one after the other."""
    return {name: _stacked([part[name] for part in parts]) for name in parts[0]}


def _stacked(arrays: list[np.ndarray]) -> np.ndarray:
    if arrays[0].ndim == 1:
        return np.concatenate(arrays)
    longest = max(array.shape[1] for array in arrays)
    return np.concatenate([np.pad(array, ((0, 0), (0, longest - array.shape[1]))) for array in arrays])
