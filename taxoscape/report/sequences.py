"""Sections about reads: what came in, what denoising left of it, which ASVs and samples the filters let through."""

from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.files import read_json
from taxoscape.filter import STEPS
from taxoscape.report import figures
from taxoscape.report.cells import count, listed, percent
from taxoscape.report.parts import Check, Section, Table, drawn, stored

# "Outside of filtering, there should be no step in which a majority of reads are lost" (DADA2's tutorial).
MAJORITY = 0.5
# Steps of denoising: column of the track, what it is a share of, what is lost there.
LOSSES = {
    "filtered": ("input", "at the quality filter"),
    "denoised": ("filtered", "in denoising"),
    "merged": ("denoised", "at merging (mates that do not overlap, or disagree)"),
    "nonchimeric": ("merged", "as chimeras"),
}
COLUMNS = {
    "sample": "sample",
    "input": "reads in",
    "filtered": "filtered",
    "denoised_forward": "denoised, forward",
    "denoised_reverse": "denoised, reverse",
    "merged": "merged",
    "nonchimeric": "not chimeric",
    "length": "left by length",
    "abundance": "left by abundance",
    "lineage": "left by lineage",
}
FILTERED = {"asvs": "ASVs", "step": "step", "setting": "setting", "value": "value", "reads": "reads"}


def reads(files: dict, config: dict) -> Section:
    """Reads that came in, their quality, and what was lost at each step; or the table that the study came as."""
    track = tables.read_tsv(files["track"], "track").set_index("sample").apply(pd.to_numeric)
    left = Table("Reads left of every sample after each step", _renamed(track.reset_index()), file=str(files["track"]))
    if "truncation" not in files:
        lead = f"The study came as a table of {count(len(track), 'sample')}; no reads were processed."
        facts = [("Came in", f"{int(track['nonchimeric'].sum()):,} reads of {count(len(track), 'sample')}.")]
        section = Section("reads", "Table", lead, facts)
        section.tables = [
            Table(
                "Reads of every sample, and what each filter leaves of them", left.frame.dropna(axis=1), file=left.file
            )
        ]
        return section
    sums = _sums(track)
    section = Section(
        "reads",
        "Reads",
        f"{percent(sums['nonchimeric'] / max(sums['input'], 1))} of the reads ended in an amplicon sequence variant "
        "(ASV) after filtering, denoising (DADA2), merging and chimera removal.",
        _facts(track, sums),
        _checks(track, sums),
    )
    section.figures = [
        stored(files["quality_plot"], "quality"),
        drawn(figures.read_tracking(track.reset_index()), "tracking"),
    ]
    section.folded = [
        stored(path, "error_model", f"Run {Path(path).parent.name}, {Path(path).stem} reads")
        for path in files["error_plots"]
    ]
    section.links = [("../reads/reads.html", "Quality of the reads, sample by sample")]
    section.tables = [Table("Where reads are cut, run by run", truncation_table(files["truncation"]))]
    if "primers" in files:
        section.tables.append(Table("Primers found and cut", numbers(tables.read_tsv(files["primers"], "primers"))))
    lost = list(track.index[(track["input"] > 0) & (track["nonchimeric"] == 0)])
    if lost:
        section.warnings.append(f"{count(len(lost), 'sample')} lost all their reads: {listed(lost)}.")
    section.tables.append(left)
    return section


def selection(files: dict, config: dict) -> Section:
    """ASVs that the filters removed, the depth of rarefaction, and the samples that fall short of it."""
    depth = read_json(files["depth"])
    dropped = tables.read_tsv(files["dropped"], "dropped samples")
    filtered = numbers(tables.read_tsv(files["filtered"], "filter"))
    asvs, gone = int(filtered["asvs"].sum()), int(filtered["reads"].sum())
    why = f"chosen to keep {depth['keep']:.0%} of the samples" if depth["chosen"] else "given in the config"
    section = Section(
        "rarefy",
        "Filters and depth",
        f"{depth['depth']:,} reads were drawn of every sample without replacement (rarefaction; the depth was {why}), "
        "so that samples can be compared.",
        [
            ("Came in", f"{count(depth['samples'], 'sample')} with {_spread(depth['reads'])} reads."),
            (
                "Lost to filters",
                f"{count(asvs, 'ASV')} with {count(gone, 'read')} ({listed(_settings(filtered)) or 'none is set'}).",
            ),
            ("Lost to the depth", f"{count(len(dropped), 'sample')} with fewer than {depth['depth']:,} reads."),
            ("Left", f"{count(depth['kept'], 'sample')} of {depth['depth']:,} reads."),
        ],
    )
    kept = depth["kept"] / max(depth["samples"], 1)
    section.checks = [
        Check(
            "Samples kept",
            percent(kept),
            f"at least {config['rarefy']['keep']:.0%} (rarefy.keep)",
            kept >= config["rarefy"]["keep"],
        ),
        Check("Reads used, of those that the filters left", percent(depth["share_of_reads"]), "none", None),
    ]
    section.figures = [stored(files["depths_plot"], "depths")]
    if asvs:
        section.tables.append(Table("What each filter removed", filtered.rename(columns=FILTERED), folded=True))
    if len(dropped):
        section.tables.append(Table("Samples left out by rarefaction", numbers(dropped), file=str(files["dropped"])))
    return section


def truncation_table(path: str) -> pd.DataFrame:
    """One row a run: lengths used and suggested, with the shares of the sampled reads that pass and can overlap."""
    found = read_json(path)
    rows = []
    for run, entry in found["runs"].items():
        row = {"run": run, "amplicon, median nt": entry.get("amplicon_length", {}).get("median")}
        for name in ("used", "suggested"):
            about = entry[name] or {}
            row[f"{name}, nt"] = " and ".join(str(length) for length in about.get("truncate", []))
            row[f"{name}: passes the filter"] = percent(about.get("passes"))
            row[f"{name}: overlaps"] = percent(about.get("can_overlap"))
        rows.append(row)
    return pd.DataFrame(rows)


def numbers(frame: pd.DataFrame, *always: str) -> pd.DataFrame:
    """Frame of texts with columns of numbers as numbers, empty cells as NaN; `always`: even where all are empty."""
    empty = [name for name in always if name in frame and (frame[name] == "").all()]
    return frame.apply(_as_numbers).assign(**dict.fromkeys(empty, np.nan))


def _as_numbers(column: pd.Series) -> pd.Series:
    found = pd.to_numeric(column.replace("", None), errors="coerce")
    return found if found.notna().any() and found.notna().sum() == (column != "").sum() else column


def _renamed(track: pd.DataFrame) -> pd.DataFrame:
    """Track with words for headings, without filters that removed nothing anywhere."""
    before = ["nonchimeric", *STEPS]
    idle = [step for step, earlier in zip(STEPS, before, strict=False) if (track[step] == track[earlier]).all()]
    return track.drop(columns=idle).rename(columns=COLUMNS)


def _sums(track: pd.DataFrame) -> dict[str, float]:
    """Reads left by each step over all samples; denoised: in the direction that lost more."""
    sums = track.sum().to_dict()
    ways = [sums[name] for name in ("denoised_forward", "denoised_reverse") if track[name].notna().any()]
    return sums | {"denoised": min(ways)}


def _facts(track: pd.DataFrame, sums: dict) -> list[tuple[str, str]]:
    share = [
        f"{percent((sums[before] - sums[step]) / max(sums['input'], 1))} {where}"
        for step, (before, where) in LOSSES.items()
        if sums[before] > sums[step]
    ]
    lost = percent((sums["input"] - sums["nonchimeric"]) / max(sums["input"], 1))
    return [
        ("Came in", f"{int(sums['input']):,} reads (pairs count once) of {count(len(track), 'sample')}."),
        ("Lost", f"{lost} of them: {', '.join(share)}." if share else "None."),
        ("Left", f"{int(sums['nonchimeric']):,} reads."),
    ]


def _checks(track: pd.DataFrame, sums: dict) -> list[Check]:
    steps = {"filtered": "Reads that pass the quality filter", "merged": "Denoised reads that merge"}
    steps["nonchimeric"] = "Merged reads that are no chimeras"
    found = []
    for step, what in steps.items():
        kept = sums[step] / max(sums[LOSSES[step][0]], 1)
        found.append(Check(what, percent(kept), f"more than {MAJORITY:.0%}", kept > MAJORITY))
    lost = int(((track["input"] > 0) & (track["nonchimeric"] == 0)).sum())
    return [*found, Check("Samples that lost all their reads", f"{lost}", "0", lost == 0)]


def _settings(filtered: pd.DataFrame) -> list[str]:
    """Filters of the config with what they removed: `exclude Mitochondria: 3`."""
    return [f"{row.setting.replace('_', ' ')} {row.value}: {row.asvs:,}" for row in filtered.itertuples()]


def _spread(sizes: dict) -> str:
    return f"{sizes['smallest']:,} to {sizes['largest']:,} (median {sizes['median']:,.0f})"
