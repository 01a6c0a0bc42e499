"""Pseudo pooling over shards: what one call of dada(pool = "pseudo") keeps in memory between its passes, in files.

Between its two passes over independent samples dada does two things in each direction. Sequences found in at least
PSEUDO_PREVALENCE samples (or with PSEUDO_ABUNDANCE reads) become priors, and the error rates are estimated anew from
the transitions of all samples. Both are sums over samples, so shards can be added up.
"""

import numpy as np
import pandas as pd

from taxoscape.denoise import dada, shards
from taxoscape.errors import InputError


def first_pass(
    counts: pd.DataFrame, folder: str, given: list[dada.Given], config: dict, threads: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Denoise a shard's samples independently; return what they hold and what errors they show.

    Found: direction, sequence, samples, reads. Observed: direction, transition, quality, observed.
    """
    directions = shards.DIRECTIONS[: len(given)]
    files = shards.samples_files([counts], [folder], directions)
    found, observed = [], []
    for direction, of_direction in zip(directions, given, strict=True):
        for sample, paths in files.items():
            what = f"sample {sample} ({direction})"
            ((reads, transitions),) = dada.find_shared(what, [paths[direction]], of_direction, config, threads, seed)
            found += [(direction, sequence, 1, count) for sequence, count in reads.items()]
            frame = shards.model_frame(np.zeros(transitions.shape), transitions, [])
            observed.append(frame.assign(direction=direction)[["direction", "transition", "quality", "observed"]])
    return add_up_found([pd.DataFrame(found, columns=["direction", "sequence", "samples", "reads"])]), add_up_observed(
        observed
    )


def share(
    run: str,
    samples: int,
    found: list[pd.DataFrame],
    observed: list[pd.DataFrame],
    models: list[pd.DataFrame],
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Priors (direction, sequence) and error models of the second pass from the first pass over all shards of a run.

    A single sample with reads has none to share with: dada leaves it at its first pass, so the models stay.
    """
    if samples < 2:
        return pd.DataFrame(columns=["direction", "sequence"]), models
    prevalence, abundance = dada.pseudo_thresholds()
    together = add_up_found(found)
    taken = together[(together["samples"] >= prevalence) | (together["reads"] >= abundance)]
    print(f"{len(taken):,} of {len(together):,} sequences are in {prevalence:g} samples or more: they become priors")
    transitions = add_up_observed(observed)
    directions = shards.DIRECTIONS[: len(models)]
    return taken[["direction", "sequence"]], [
        _estimated(run, transitions[transitions["direction"] == direction], shards.bins_in(model))
        for direction, model in zip(directions, models, strict=True)
    ]


def add_up_found(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Samples and reads of every sequence over shards, in the order in which they come."""
    frame = pd.concat(frames).astype({"samples": int, "reads": int})
    return frame.groupby(["direction", "sequence"], sort=False, as_index=False).sum()


def add_up_observed(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Transitions over samples; those with lower qualities only count as zero at the higher ones."""
    if not frames:
        return pd.DataFrame(columns=["direction", "transition", "quality", "observed"])
    frame = pd.concat(frames).astype({"quality": int, "observed": int})
    return frame.groupby(["direction", "transition", "quality"], as_index=False)["observed"].sum()


def _estimated(run: str, transitions: pd.DataFrame, bins: list[int]) -> pd.DataFrame:
    wide = transitions.pivot(index="transition", columns="quality", values="observed").fillna(0)
    observed = wide.loc[shards.TRANSITIONS].to_numpy().astype(int)
    try:
        rates = dada.estimate_errors(run, observed, bins)
    except InputError as error:
        raise InputError(
            f"{error}: the run has too few reads for denoise.pool: pseudo, set it to independent"
        ) from error
    return shards.model_frame(rates, observed, bins)
