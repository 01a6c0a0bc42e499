"""All shards of all runs into one table without chimeras, and the reads that each sample kept at each step."""

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.denoise import STEPS, dada, strand
from taxoscape.errors import InputError, examples


def merge(
    samples: list[str],
    steps: pd.DataFrame,
    merged: pd.DataFrame,
    known: np.ndarray,
    config: dict,
    threads: int,
    seed: int,
) -> tuple[np.ndarray, list[str], pd.DataFrame, pd.DataFrame]:
    """Table of all samples in the order of the sheet, one strand, chimeras removed, and the reads tracked.

    steps: sample, and the reads at every step up to merged. merged: run, sample, sequence, count. known: words of
    sequences of known direction. Returns counts [samples, sequences] (a row for every sample, sequences by falling
    abundance), sequences, track (sample, input, filtered, ..., nonchimeric), and the strands before chimeras were
    removed (strand, sequences, reads). Raises InputError when no sample is left with reads, or for reversed sequences.
    """
    track = steps.set_index("sample").astype(int).loc[samples]
    check_reads_left(track, config)
    place = {sample: row for row, sample in enumerate(samples)}
    merged = merged.assign(place=merged["sample"].map(place), count=merged["count"].astype(int))
    counts, sequences, rows = dada.tabulate(merged)
    print(f"{counts.shape[1]:,} sequences in {len(rows):,} samples before chimeras are removed")
    counts, sequences, strands = strand.settle(counts, sequences, known, config)
    kept, sequences = dada.remove_chimeras(counts, sequences, config, threads, seed)
    print(f"{len(sequences):,} sequences and {kept.sum() / counts.sum():.1%} of the reads are kept")
    table = np.zeros((len(samples), len(sequences)), dtype=np.int64)
    table[rows] = kept
    track["nonchimeric"] = table.sum(axis=1)
    lost = track.index[track["nonchimeric"] == 0]
    if len(lost):
        print(f"{len(lost)} samples have no reads left and are not in the table: {examples(lost)}")
    return table, sequences, track.reset_index()[["sample", *STEPS]], strands


def read_steps(counts: list[str], steps: list[str]) -> pd.DataFrame:
    """Read the shards' reads before and after the filter and after denoising -> one row a sample."""
    filtered = pd.concat([tables.read_tsv(file, "filtered reads") for file in counts])
    return filtered.merge(pd.concat([tables.read_tsv(file, "denoised reads") for file in steps]), on="sample")


def read_merged(runs: list[str], files: list[str]) -> pd.DataFrame:
    """Read the shards' merged sequences -> run, sample, sequence, count."""
    frames = [tables.read_tsv(file, "merged reads").assign(run=run) for run, file in zip(runs, files, strict=True)]
    return pd.concat(frames)


def check_reads_left(track: pd.DataFrame, config: dict) -> None:
    """Raise InputError when no read passed the filter or no pair was merged, in any sample."""
    asked = f"denoise.truncate={config['truncate']}"
    if not track["filtered"].any():
        raise InputError(
            f"no read of the {len(track)} samples passed the filter with {asked}, denoise.max_n={config['max_n']}, "
            f"denoise.max_ee={config['max_ee']}, denoise.trunc_q={config['trunc_q']}: reads shorter than truncate are "
            "dropped, see results/reads/reads.tsv for their length and results/reads/quality.tsv for their quality"
        )
    if not track["denoised_forward"].any():
        raise InputError(
            f"no read of the {len(track)} samples was denoised, though {track['filtered'].sum():,} passed the filter: "
            "nearly every read is unlike all others, see results/reads/quality.tsv; truncate more with denoise.truncate"
        )
    if not track["merged"].any():
        raise InputError(
            f"no pair of the {len(track)} samples could be merged with {asked} and "
            f"denoise.min_overlap={config['min_overlap']}: truncate less, so that mates overlap"
        )
