"""Files between the denoising jobs: filtered reads by place, error models, merged reads, reads at each step."""

from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.denoise import dada, options
from taxoscape.files import whole_folder

DIRECTIONS = ("forward", "reverse")
TRANSITIONS = [f"{a}2{b}" for a in "ACGT" for b in "ACGT"]


def filter_shard(
    samples: list[str], forward: list[str], reverse: list[str], folder: str | Path, config: dict
) -> pd.DataFrame:
    """Filter the reads of a shard into `folder`; return sample, input, filtered. Single-end: `reverse` is empty.

    Files are named by the place of the sample in the shard. The folder is whole or absent.
    """
    mates = zip(forward, reverse, strict=True) if reverse else zip(forward, strict=True)
    rows = []
    with whole_folder(folder) as partial:
        for place, (sample, reads) in enumerate(zip(samples, mates, strict=True)):
            filtered = [filtered_file(partial, place, direction) for direction in DIRECTIONS[: len(reads)]]
            before, after = dada.filter_sample(sample, list(reads), filtered, config)
            rows.append((sample, before, after))
            print(f"{sample}: {after:,} of {before:,} {'pairs' if reverse else 'reads'} pass the filter")
    return pd.DataFrame(rows, columns=["sample", "input", "filtered"])


def filtered_file(folder: str | Path, place: int, direction: str) -> Path:
    """File of the sample at a place (from 0) of a shard."""
    return Path(folder) / f"{place + 1:04d}_{direction[0].upper()}.fastq.gz"


def learn(
    runs: list[str], direction: str, folders: list[str], scores: pd.DataFrame, config: dict, threads: int, seed: int
) -> pd.DataFrame:
    """Error model of a direction of a run from its shards' folders: transition, quality, observed, rate, bin.

    `scores` is qualities.tsv of the reads. Several runs have one model where their samples are pooled. `bin` is 1
    for the qualities that the model goes through in straight lines. A run of which no read passed the filter has
    an empty model.
    """
    files = [str(file) for folder in folders for file in sorted(Path(folder).glob(f"*_{direction[0].upper()}.*"))]
    if not files:
        print(f"run {', '.join(runs)}: no read passed the filter, there are no errors to learn from")
        return pd.DataFrame(columns=["transition", "quality", "observed", "rate", "bin"])
    of_runs = scores[scores["run"].isin(runs) & (scores["direction"] == direction)]
    bins = dada.bins_of(sorted(set(of_runs["quality"].astype(int))), config)
    print(f"error model: {f'straight lines between the qualities {bins}' if bins else 'loess over the qualities'}")
    rates, observed = dada.learn_errors(", ".join(runs), files, bins, config, threads, seed)
    return model_frame(rates, observed, bins)


def model_frame(rates: np.ndarray, observed: np.ndarray, bins: list[int]) -> pd.DataFrame:
    """Error rates [16, Q] and observed transitions [16, Q] as transition, quality, observed, rate, bin."""
    qualities = np.arange(rates.shape[1])
    return pd.DataFrame(
        {
            "transition": np.repeat(TRANSITIONS, len(qualities)),
            "quality": np.tile(qualities, len(TRANSITIONS)),
            "observed": observed.ravel().astype(int),
            "rate": rates.ravel(),
            "bin": np.tile(np.isin(qualities, bins).astype(int), len(TRANSITIONS)),
        }
    )


def rates_of(model: pd.DataFrame) -> np.ndarray:
    """Error rates [16, Q] of a model."""
    return model["rate"].astype(float).to_numpy().reshape(len(TRANSITIONS), -1)


def bins_in(model: pd.DataFrame) -> list[int]:
    """Qualities that a model goes through in straight lines."""
    return sorted(set(model.loc[model["bin"].astype(int) == 1, "quality"].astype(int)))


def error_function(model: pd.DataFrame) -> str:
    """What a model was fitted with, in DADA2's words where it is DADA2's own."""
    if model.empty:
        return "none: no read passed the filter"
    bins = bins_in(model)
    return f"straight lines between the qualities {', '.join(map(str, bins))}" if bins else "loessErrfun"


def given_to_dada(
    models: list[pd.DataFrame], expected: list[list[str]], priors: pd.DataFrame | None = None
) -> list[dada.Given]:
    """What dada is given by direction: an error model, expected sequences, and the priors (direction, sequence)."""
    priors = pd.DataFrame(columns=["direction", "sequence"]) if priors is None else priors
    shared = [priors.loc[priors["direction"] == direction, "sequence"].tolist() for direction in DIRECTIONS]
    return [
        dada.Given(rates_of(model), bins_in(model), *sequences)
        for model, *sequences in zip(models, expected, shared[: len(models)], strict=True)
    ]


def denoise_batch(
    counts: list[pd.DataFrame], folders: list[str], given: list[dada.Given], config: dict, threads: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Denoise the samples of some shards that have reads; one dada call a sample, or one in all when pooled.

    `counts` (sample, input, filtered) and `folders` stand by shard, `given` by direction.
    Returns the merged reads (sample, sequence, count) and the reads at each step (sample, denoised_forward,
    denoised_reverse, merged), the latter for every sample.
    """
    directions = DIRECTIONS[: len(given)]
    files = samples_files(counts, folders, directions)
    groups = [[sample] for sample in files]
    if files and options.POOL[config["pool"]] is True:
        groups = [list(files)]
    columns = ["denoised_forward", "denoised_reverse", "merged"]
    steps, merged = pd.DataFrame(0, index=pd.concat(counts)["sample"], columns=columns), []
    for group in groups:
        what = f"sample {group[0]}" if len(group) == 1 else f"{len(group)} samples together"
        of_group = [[files[sample][direction] for sample in group] for direction in directions]
        found = dada.denoise(what, of_group, given, config, threads, seed)
        for sample, (forward, reverse, reads) in zip(group, found, strict=True):
            steps.loc[sample] = forward, reverse, sum(reads.values())
            merged += [(sample, sequence, count) for sequence, count in reads.items()]
    return pd.DataFrame(merged, columns=["sample", "sequence", "count"]), steps.reset_index()


def samples_files(
    counts: list[pd.DataFrame], folders: list[str], directions: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    """Filtered files of every sample with reads, by direction, in the order of the shards."""
    return {
        sample: {direction: str(filtered_file(folder, place, direction)) for direction in directions}
        for shard, folder in zip(counts, folders, strict=True)
        for place, (sample, reads) in enumerate(zip(shard["sample"], shard["filtered"], strict=True))
        if int(reads)
    }


def expected_sequences(path: str | list, directions: int, config: dict) -> list[list[str]]:
    """Expected amplicons (FASTA, or none) as reads of each direction have them, from their first base on."""
    forward = options.read_priors(path) if path else []
    both = [forward, [tables.reverse_complement(sequence) for sequence in forward]]
    return [
        [sequence[start:] for sequence in sequences]
        for sequences, start in zip(both[:directions], config["trim_left"], strict=False)
    ]


def read_shared(path: str | list) -> pd.DataFrame | None:
    """Priors (direction, sequence) that the samples of a run share; none without pseudo pooling (no path)."""
    return tables.read_tsv(path, "shared sequences") if path else None
