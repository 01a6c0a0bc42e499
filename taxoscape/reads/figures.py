"""Quality along the reads, what truncation keeps, and whether mates still overlap: one row a run."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from taxoscape.figures import save
from taxoscape.reads.truncation import DIRECTIONS, Sampled, passing, unpacked

MOST_RUNS = 12  # rows drawn
COLOURS = {"used": "#c0392b", "suggested": "#2c6fa6"}
STYLES = {"used": "-", "suggested": "--"}


def draw_truncation(runs: dict[str, dict[str, np.ndarray]], decided: dict, config: dict, path: str | Path) -> None:
    """Draw quality by cycle with the lengths used and suggested, and for pairs the amplicons beside the room they have.

    runs: packed reads; decided: what truncation.decide made of them.
    """
    shown = list(runs)[:MOST_RUNS]
    paired = any("bases_reverse" in arrays for arrays in runs.values())
    figure = Figure(figsize=(13 if paired else 6, 0.8 + 3 * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), 3 if paired else 1, squeeze=False)
    for row, run in zip(axes, shown, strict=True):
        sampled, entry = unpacked(runs[run]), decided["runs"][run]
        for way, table in enumerate(passing(sampled, config)):
            _draw_quality(row[way], sampled, way, table, entry)
            row[way].set_title(f"run {run}, {DIRECTIONS[way]} reads", fontsize=10)
        if paired:
            _draw_amplicons(row[2], sampled, entry)
            row[2].set_title(f"run {run}, amplicons", fontsize=10)
    more = f" (first {len(shown)} of {len(runs)} runs)" if len(runs) > len(shown) else ""
    figure.suptitle(f"Where the reads are truncated{more}", fontsize=12)
    save(figure, path)


def _draw_quality(axis, sampled: Sampled, way: int, passes: np.ndarray, entry: dict) -> None:
    scores, lengths = sampled.scores[way].astype(float), sampled.lengths[way]
    cycle = np.arange(1, scores.shape[1] + 1)
    scores[cycle > lengths[:, None]] = np.nan
    held = ~np.isnan(scores).all(axis=0)
    low, first, middle, third = np.nanquantile(scores[:, held], [0.1, 0.25, 0.5, 0.75], axis=0)
    axis.fill_between(cycle[held], low, third, color="#dfe6ea", label="10-75 % of the reads", linewidth=0)
    axis.fill_between(cycle[held], first, third, color="#b4c4cd", label="25-75 %", linewidth=0)
    axis.plot(cycle[held], middle, color="#34495e", label="median")
    axis.set(xlabel="cycle", ylabel="quality (Phred)", ylim=(0, 42), xlim=(0, len(cycle) + 1))
    _draw_lengths(axis, entry, lambda one: one["truncate"][way])
    other = axis.twinx()
    other.plot(cycle, 100 * passes[:, 1:].mean(axis=0), color="#27ae60", linewidth=1)
    other.set(ylim=(0, 105))
    other.set_ylabel("% of reads passing the filter at this length", color="#27ae60", fontsize=8)
    axis.legend(fontsize=7, loc="lower left")


def _draw_amplicons(axis, sampled: Sampled, entry: dict) -> None:
    known = sampled.amplicons[sampled.amplicons > 0]
    low, high = np.quantile(known, [0.001, 0.999]) if len(known) else (0, 1)
    axis.hist(np.clip(known, low, high), bins=np.arange(int(low) - 2, int(high) + 3), color="#b4c4cd")
    axis.set(xlabel="length of the amplicon (nt)", ylabel="sampled pairs", yscale="log")
    _draw_lengths(axis, entry, lambda one: sum(one["truncate"]) if all(one["truncate"]) else 0, "longest that fits: ")


def _draw_lengths(axis, entry: dict, length, text: str = "") -> None:
    for name in ("used", "suggested"):
        if entry[name] and (at := length(entry[name])) and not (name == "suggested" and entry[name] == entry["used"]):
            axis.axvline(at, color=COLOURS[name], linestyle=STYLES[name], label=f"{name}: {text}{at} nt")
    axis.legend(fontsize=7)
