"""The page on the reads: a table over all samples with flags in plain words, and some samples drawn in full."""

import base64
from collections.abc import Callable
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd

from taxoscape.reads import drawings

# Flag -> what it means and what to do.
MEANINGS = {
    "few reads": "fewer than a tenth of the reads of the median sample: it may drop out at rarefaction",
    "poor quality": "more than a tenth of the reads have a mean quality below 20, one error in 100 bases: expect the "
    "filter to drop them",
    "unread bases": "more than 1 base in 200 is N: DADA2 drops every read that keeps one after truncation",
    "adapter": "more than 1 read in 20 runs into a sequencing adapter: the amplicon is shorter than the reads, or "
    "there are primer dimers; truncate before it, or cut the primers (reads.primers), which ends reads at the amplicon",
    "uneven lengths": "more than 1 read in 20 is a tenth shorter than the median: truncation drops what is too short",
    "unusual GC": "the share of G and C is 10 points off the median sample: another community, host DNA or a "
    "contamination",
    "one sequence": "three quarters of the reads start alike: a pure culture, or one contaminant amplified",
    "binned quality": "at most 8 distinct qualities, as NovaSeq and NextSeq write them: errors are learnt by bins",
    "primers": "most reads start with a known primer (fine where reads.primers cuts it)",
}
BINNED = 8  # distinct qualities
SHARES = ["gc_mean", "n_share", "distinct_starts", "commonest_start", "adapter"]
COLUMNS = ["sample", "run", "direction", "reads", "mean_quality", "q30", "poor_reads", "length_median"]
COLUMNS += ["length_shortest", "length_longest", *SHARES]


def table(contents: list[dict], reads: pd.DataFrame) -> pd.DataFrame:
    """One row a sample and direction: COLUMNS (shares 0-1) and flags, in the order of `reads` (reads.tsv).

    contents: content.summary of each file with its sample and direction.
    """
    runs = dict(zip(reads["sample"], reads["run"], strict=True))
    order = {sample: place for place, sample in enumerate(reads["sample"])}
    contents = sorted(contents, key=lambda one: (order[one["sample"]], one["direction"]))
    frame = pd.DataFrame([_row(one, runs[one["sample"]]) for one in contents], columns=[*COLUMNS, "short"])
    by_sample = reads.set_index("sample")
    distinct = [int(by_sample.loc[name, f"distinct_qualities_{way}"]) for name, way in _files(frame)]
    primed = [_primed(by_sample.loc[name]) for name, _ in _files(frame)]
    gc = frame.groupby("direction")["gc_mean"].transform("median")
    hit = {
        "few reads": frame["reads"] < frame["reads"].median() / 10,
        "poor quality": frame["poor_reads"] > 0.1,
        "unread bases": frame["n_share"] > 0.005,
        "adapter": frame["adapter"] > 0.05,
        "uneven lengths": frame["short"] > 0.05,
        "unusual GC": (frame["gc_mean"] - gc).abs() > 0.1,
        "one sequence": frame["commonest_start"] > 0.75,
        "binned quality": pd.Series(distinct) <= BINNED,
        "primers": pd.Series(primed),
    }
    flags = [", ".join(name for name, rows in hit.items() if rows[place]) for place in range(len(frame))]
    return frame[COLUMNS].assign(flags=flags)


def chosen(frame: pd.DataFrame, most: int) -> list[str]:
    """Samples drawn in full: those with most flags first, then the first of the sheet, `most` in all."""
    counts = frame["flags"].map(lambda flags: len(flags.split(", ")) if flags else 0)
    flagged = counts.groupby(frame["sample"], sort=False).sum()
    return list(flagged.sort_values(ascending=False, kind="stable").index[:most])


def write(contents: list[dict], frame: pd.DataFrame, template: str | Path, most: int) -> str:
    """HTML of the page: one file with its figures inside, no link to anywhere."""
    drawn = chosen(frame, most)
    by_sample = {sample: {} for sample in drawn}
    for one in contents:
        if one["sample"] in by_sample:
            by_sample[one["sample"]][one["direction"]] = one
    details = [
        {
            "sample": sample,
            "figure": _embedded(drawings.draw_sample, by_sample[sample]),
            "flags": sorted({flag for flags in frame.loc[frame["sample"] == sample, "flags"] if flags
                             for flag in flags.split(", ")}),
            "commonest": [
                (way, entry["sequence"], f"{entry['share']:.1%}")
                for way, one in by_sample[sample].items()
                for entry in one["commonest"]
            ],
        }
        for sample in drawn
    ]  # fmt: skip
    met = [(flag, meaning, int(frame["flags"].str.split(", ").map(lambda flags, flag=flag: flag in flags).sum()))
           for flag, meaning in MEANINGS.items()]  # fmt: skip
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(Path(template).read_text()).render(
        samples=frame["sample"].nunique(),
        reads=int(frame.loc[frame["direction"] == "forward", "reads"].sum()),
        paired=bool((frame["direction"] == "reverse").any()),
        rows=frame.to_dict("records"),
        met=met,
        overview=_embedded(drawings.draw_overview, contents, frame),
        details=details,
    )


def _row(one: dict, run: str) -> dict:
    lengths = np.repeat([int(length) for length in one["lengths"]], list(one["lengths"].values()))
    median = float(np.median(lengths))
    return {
        "sample": one["sample"],
        "run": run,
        "direction": one["direction"],
        "length_median": int(median),
        "length_shortest": int(lengths.min()),
        "length_longest": int(lengths.max()),
        "commonest_start": one["commonest"][0]["share"],
        "adapter": max(one["adapters"].values()),
        "short": float((lengths < 0.9 * median).mean()),
        **{
            key: one[key]
            for key in ("reads", "mean_quality", "q30", "poor_reads", "gc_mean", "n_share", "distinct_starts")
        },
    }


def _files(frame: pd.DataFrame) -> zip:
    return zip(frame["sample"], frame["direction"], strict=True)


def _primed(row: pd.Series) -> bool:
    return float(row["primer_share_forward"]) + float(row["primer_share_reverse"]) > 0.5


def _embedded(draw: Callable[..., bytes], *arguments: object) -> str:
    return base64.b64encode(draw(*arguments)).decode()
