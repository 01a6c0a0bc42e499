"""Where to truncate the reads: as long as possible while few are lost and the mates still overlap.

Sampled pairs say, for every pair of lengths, what share of them DADA2's filter would keep (both reads that long, no
base of quality trunc_q or lower, at most max_n N, at most max_ee expected errors sum 10^(-Q/10)) and mergePairs could
merge (amplicon + min_overlap <= forward + reverse). Of the lengths at which 99 % of the amplicons overlap by
min_overlap + MARGIN, suggested are the longest that keep at least TOLERANCE of what the best ones keep: shorter reads
would pass the filter with more errors per base, and say less where mates check each other.
"""

from dataclasses import dataclass

import numpy as np

from taxoscape.errors import InputError
from taxoscape.reads import overlap, sampling

MARGIN = 10  # nt of overlap beyond denoise.min_overlap, for amplicons longer than 99 of 100
LONG = 0.99  # quantile of the amplicon lengths that must overlap
TOLERANCE = 0.95  # of the pairs that the best lengths keep
ENOUGH = 50  # sampled reads; fewer are no reason to refuse
SHORTEST = 50  # nt; no shorter reads are suggested
OVERLAPPING = 0.05  # share of pairs whose overlap is found below which mates are taken not to overlap
MERGING = 0.5  # share of pairs with room to overlap below which truncation is refused
DIRECTIONS = ("forward", "reverse")


@dataclass(frozen=True)
class Sampled:
    """Sampled reads of a run: bases and scores of each direction [n, L], and amplicon lengths [n] (0 = unknown)."""

    bases: tuple[np.ndarray, ...]
    scores: tuple[np.ndarray, ...]
    amplicons: np.ndarray

    @property
    def lengths(self) -> list[np.ndarray]:
        return [np.count_nonzero(bases, axis=1) for bases in self.bases]


def unpacked(arrays: dict[str, np.ndarray]) -> Sampled:
    """Packed reads (sampling.packed), with the amplicon of every pair."""
    ways = [direction for direction in DIRECTIONS if f"bases_{direction}" in arrays]
    bases, scores = (tuple(arrays[f"{part}_{way}"] for way in ways) for part in ("bases", "scores"))
    paired = len(ways) == 2
    return Sampled(bases, scores, overlap.amplicon_lengths(bases, scores) if paired else np.zeros(len(bases[0]), int))


def passing(sampled: Sampled, config: dict) -> list[np.ndarray]:
    """Whether each read passes the filter when truncated to a length [n, L + 1]; at 0, untruncated (DADA2 truncLen)."""
    found = []
    for way, (bases, scores) in enumerate(zip(sampled.bases, sampled.scores, strict=True)):
        lengths, start = sampled.lengths[way] - config["trim_right"][way], config["trim_left"][way]
        place = np.arange(1, bases.shape[1] + 1)
        counted = (place > start) & (place <= lengths[:, None])
        errors = np.cumsum(np.where(counted, 10.0 ** (scores / -10.0), 0), axis=1)
        poor = np.cumsum(counted & (scores <= config["trunc_q"]), axis=1) > 0
        unknown = np.cumsum(counted & ((bases | 32) == ord("n")), axis=1) > config["max_n"]
        fit = (errors <= config["max_ee"][way]) & ~poor & ~unknown
        truncated = fit & (place <= lengths[:, None]) & (place > start)
        # Untruncated, a read ends at its first base of quality trunc_q: only errors and N count.
        last = np.maximum(lengths - 1, 0)
        whole = ((errors <= config["max_ee"][way]) & ~unknown)[np.arange(len(bases)), last] & (lengths > 0)
        found.append(np.column_stack([whole, truncated]))
    return found


def describe(sampled: Sampled, config: dict, lengths: list[int], passes: list[np.ndarray]) -> dict:
    """What a run would keep with these lengths: shares of the sampled reads, and the overlap that is left (nt)."""
    kept = [table[:, min(length, table.shape[1] - 1)] & (length < table.shape[1]) for table, length in
            zip(passes, lengths, strict=True)]  # fmt: skip
    own = [read - trimmed for read, trimmed in zip(sampled.lengths, config["trim_right"], strict=False)]
    ends = [np.where(length, length, read) for length, read in zip(lengths, own, strict=True)]
    shares = {f"passes_{way}": float(one.mean()) for way, one in zip(DIRECTIONS, kept, strict=False)}
    long_enough = [read >= length for read, length in zip(own, lengths, strict=True)]
    shares |= {f"long_enough_{way}": float(one.mean()) for way, one in zip(DIRECTIONS, long_enough, strict=False)}
    result = {"truncate": [int(length) for length in lengths], **shares, "passes": float(np.all(kept, axis=0).mean())}
    known = sampled.amplicons > 0
    if len(lengths) == 2 and known.any():
        room = (ends[0] + ends[1] - sampled.amplicons)[known]
        low, middle = np.quantile(room, [1 - LONG, 0.5], method="inverted_cdf")
        result |= {"overlap_median": int(middle), "overlap_of_long_amplicons": int(low)}
        result["can_overlap"] = float((room >= config["min_overlap"]).mean())
    return result


def decide(runs: dict[str, dict[str, np.ndarray]], config: dict) -> dict:
    """Lengths to truncate to in every run, with the numbers behind them; `runs` are packed reads, config is `denoise`.

    `used` are the lengths of the config, or with auto the suggested ones: of each run where mates are merged within
    it, of all runs together where reads of several runs must be alike (single-end, concatenated or pooled over runs).
    Raises InputError where truncation would leave no read or no overlap.
    """
    auto, found = config["truncate"] == "auto", {run: unpacked(arrays) for run, arrays in runs.items()}
    passes = {run: passing(sampled, config) for run, sampled in found.items()}
    suggested = {run: suggest(sampled, config, passes[run]) for run, sampled in found.items()}
    used = suggested if auto else {run: config["truncate"][: len(passes[run])] for run in runs}
    paired = all(len(tables) == 2 for tables in passes.values())
    if auto and len(runs) > 1 and (not paired or config["just_concatenate"] or config["pool"] == "pooled"):
        together = unpacked(sampling.stacked(list(runs.values())))
        used = dict.fromkeys(runs, suggest(together, config, passing(together, config)))
    entries = {}
    for run, sampled in found.items():
        entry = _facts(sampled)
        for name, lengths in (("suggested", suggested[run]), ("used", used[run])):
            entry[name] = describe(sampled, config, lengths, passes[run]) if lengths else None
        entries[run] = entry
        print(f"run {run}: {entry}")
        _check(run, sampled, entry, config)
    return {"asked": config["truncate"], "used": used, "runs": entries}


def resolved(config: dict, decided: dict, run: str) -> dict:
    """The denoise settings with the lengths that are used in a run in place of `auto`."""
    return config | {"truncate": decided["used"][run]}


def reported(config: dict, decided: dict) -> dict:
    """The denoise settings with the lengths used: of all runs, or by run where they differ."""
    used = list(decided["used"].values())
    return config | {"truncate": used[0] if all(lengths == used[0] for lengths in used) else decided["used"]}


def _facts(sampled: Sampled) -> dict:
    known = sampled.amplicons[sampled.amplicons > 0]
    facts = {"reads_sampled": len(sampled.amplicons)}
    for way, lengths in zip(DIRECTIONS, sampled.lengths, strict=False):
        facts[f"read_length_{way}"] = _quantiles(lengths)
    if len(sampled.bases) == 2:
        facts |= {"overlap_found": len(known) / max(1, len(sampled.amplicons)), "amplicon_length": _quantiles(known)}
    return facts


def _quantiles(lengths: np.ndarray) -> dict[str, int]:
    if not len(lengths):
        return {}
    places = {"shortest": 0, "q01": 0.01, "median": 0.5, "q99": LONG, "longest": 1}
    return {name: int(np.quantile(lengths, share, method="inverted_cdf")) for name, share in places.items()}


def _check(run: str, sampled: Sampled, entry: dict, config: dict) -> None:
    """Raise InputError where no read of a run would be left, or its mates could not be merged."""
    if len(sampled.amplicons) < ENOUGH:
        return
    used, asked = entry["used"], f"denoise.truncate={config['truncate']}"
    hint = f"{entry['suggested']['truncate']} is suggested" if entry["suggested"] else "the reads suggest no length"
    paired = len(sampled.bases) == 2 and not config["just_concatenate"]
    if paired and entry["overlap_found"] < OVERLAPPING:
        raise InputError(
            f"mates do not overlap in run {run}: an overlap is found in {entry['overlap_found']:.1%} of "
            f"{entry['reads_sampled']:,} sampled pairs, so they cannot be merged; set denoise.just_concatenate: true, "
            "or leave the column fq2 out of the sample sheet to use the forward reads alone"
        )
    if used is None:
        raise InputError(
            f"denoise.truncate: auto finds no length at which reads of run {run} pass denoise.max_ee="
            f"{config['max_ee']}, denoise.max_n={config['max_n']} and "
            f"denoise.trunc_q={config['trunc_q']}: see results/reads/reads.html"
        )
    for way, length in zip(DIRECTIONS, used["truncate"], strict=False):
        if used[f"long_enough_{way}"] < 0.01:
            longest = entry[f"read_length_{way}"]["longest"]
            raise InputError(
                f"{asked} keeps {length} nt of the {way} reads, but those of run {run} have at most {longest} nt: "
                f"DADA2 drops all that are shorter, none would be left; {hint}"
            )
    if paired and used["can_overlap"] < MERGING:
        raise InputError(
            f"{asked} leaves {sum(used['truncate'])} nt for amplicons of {entry['amplicon_length']['median']} nt "
            f"(median of run {run}): {used['can_overlap']:.1%} of the pairs could overlap by denoise.min_overlap="
            f"{config['min_overlap']}; {hint}"
        )


def suggest(sampled: Sampled, config: dict, passes: list[np.ndarray]) -> list[int] | None:
    """Suggested lengths, forward and reverse (single-end: one); None where mates cannot overlap at any lengths."""
    if len(passes) == 1:
        share = passes[0].mean(axis=0)
        share[: min(SHORTEST, len(share) - 1)] = 0
        return [int(np.flatnonzero(share >= TOLERANCE * share.max())[-1])] if share.max() > 0 else None
    shares = _joint_shares(sampled, config, passes)
    total = np.add.outer(*(np.arange(table.shape[1]) for table in passes))
    if not config["just_concatenate"]:
        known = sampled.amplicons[sampled.amplicons > 0]
        if len(known) < OVERLAPPING * len(sampled.amplicons):
            return None
        wanted = np.quantile(known, LONG, method="inverted_cdf") + config["min_overlap"] + MARGIN
        roomy = np.where(total >= wanted, shares, 0)
        shares = roomy if roomy.max() >= MERGING * shares.max() else shares
    if shares.max() <= 0:
        return None
    good = shares >= TOLERANCE * shares.max()
    # The longest in sum; among equals the one that keeps most.
    forward, reverse = np.unravel_index(np.argmax(np.where(good, total + shares, -1)), total.shape)
    return [int(forward), int(reverse)]


def _joint_shares(sampled: Sampled, config: dict, passes: list[np.ndarray]) -> np.ndarray:
    """Share of the pairs that pass the filter and can merge, for every pair of lengths [F + 1, R + 1].

    Pairs whose amplicon is unknown tell nothing about merging: they count by the filter alone. Reads longer than
    their amplicon run into the other end's adapter and count as lost.
    """
    forward, reverse = (table.astype(np.float32) for table in passes)
    for table in (forward, reverse):
        table[:, : SHORTEST + 1] = 0
    if config["just_concatenate"]:
        return forward.T @ reverse / len(forward)
    total = np.add.outer(np.arange(forward.shape[1]), np.arange(reverse.shape[1]))
    shares = np.zeros(total.shape, dtype=np.float64)
    for amplicon in np.unique(sampled.amplicons):
        rows = sampled.amplicons == amplicon
        one, other = forward[rows], reverse[rows]
        if amplicon:
            one[:, amplicon + 1 :], other[:, amplicon + 1 :] = 0, 0
        shares += (one.T @ other) * (total >= amplicon + config["min_overlap"] if amplicon else 1)
    return shares / len(forward)
