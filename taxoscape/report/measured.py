"""Sections about what was measured: reads, lineages, tree, functions, hosts."""

import json
from pathlib import Path

import biom
import pandas as pd

from taxoscape import metadata, tables
from taxoscape.filter import STEPS
from taxoscape.palette import Clades, clades_at, study_clades
from taxoscape.report import figures
from taxoscape.report.parts import Section, Table, drawn, stored

MOST_TAXA = 10  # of a rank in the table
QUALITY = (
    "Quality along the reads, with the length they are cut to. Cutting before the median falls keeps errors out; the "
    "two cut reads must still overlap."
)
FUNCTIONS = [
    "Gene copies by channel in the genera with most reads, against the mean genus.",
    "How far the reads are from the reference genomes that their profiles come from.",
]
DEPTHS = "What a rarefaction depth costs: samples and reads kept at each depth, and the depth that was used."
TREE = {
    "height": "height, root to deepest tip (substitutions per site)",
    "diameter": "diameter, largest distance between tips (substitutions per site)",
    "levels": "levels",
    "zero_branches": "branches of length zero",
    "negative_lengths": "negative lengths set to zero",
    "polytomies": "nodes with more than two children",
    "long_branches_total": "very long branches to a tip",
}


def reads(files: dict, config: dict) -> Section:
    """Reads that came in, their quality, and what was lost at each step."""
    track = tables.read_tsv(files["track"], "track").set_index("sample").apply(pd.to_numeric)
    dropped = tables.read_tsv(files["dropped"], "dropped samples")
    if "truncation" in files:
        kept = track["nonchimeric"].sum() / max(track["input"].sum(), 1)
        section = Section(
            "reads",
            "Reads",
            f"{int(track['input'].sum()):,} reads (pairs count once) of {len(track)} samples came in; {kept:.1%} of "
            "them ended in an amplicon sequence variant (ASV) after filtering, denoising (DADA2), merging and chimera "
            "removal.",
        )
        section.figures = [
            stored(files["quality_plot"], QUALITY),
            drawn(
                figures.read_tracking(track.reset_index()),
                "What is left after each step, one line a sample. A steep fall at the filter means a poor run or too "
                "long a cut; at merging, too short an overlap; at chimeras, primers left on.",
            ),
        ]
        section.folded = [stored(path, error_caption(Path(path))) for path in files["error_plots"]]
        section.links = [("../reads/reads.html", "Quality of the reads, sample by sample")]
        section.tables = [Table("Truncation, run by run", truncation_table(files["truncation"]))]
        if "primers" in files:
            section.tables.append(Table("Primers found and cut", numbers(tables.read_tsv(files["primers"], "primers"))))
        lost = list(track.index[(track["input"] > 0) & (track["nonchimeric"] == 0)])
        if lost:
            section.warnings.append(f"{len(lost)} samples lost all their reads: {', '.join(lost)}.")
        section.tables.append(Table("Reads left per sample after each step", track.reset_index()))
    else:
        section = Section(
            "reads", "Table", f"The study came as a table of {len(track)} samples; no reads were processed."
        )
        left = track[["nonchimeric", *STEPS]].rename(columns={"nonchimeric": "reads"})
        section.tables = [Table("Reads per sample, and what each filter leaves of them", left.reset_index())]
    depth = json.loads(Path(files["depth"]).read_text())
    why = f" The depth was chosen to keep {depth['keep']:.0%} of the samples." if depth["chosen"] else ""
    section.notes.append(
        f"{depth['depth']:,} reads were drawn of every sample (rarefaction); {len(dropped)} had fewer.{why}"
    )
    section.figures.append(stored(files["depths_plot"], DEPTHS))
    section.tables.append(Table("What each filter removed", numbers(tables.read_tsv(files["filtered"], "filter"))))
    if len(dropped):
        section.tables.append(Table("Samples left out by rarefaction", dropped))
    return section


def error_caption(path: Path) -> str:
    """Caption of the plot errors/<run>/<direction>.png."""
    return (
        f"Error model of run {path.parent.name}, {path.stem} reads: dots are the rates seen at each quality, the line "
        "is the rate used. Dots should follow the line, and rates fall as the quality rises."
    )


def truncation_table(path: str) -> pd.DataFrame:
    """One row a run: lengths used and suggested, with the shares of the sampled reads that pass and can overlap."""
    found = json.loads(Path(path).read_text())
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


def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Frame of texts with the columns of numbers as numbers (empty cells as NaN)."""
    return frame.apply(_as_numbers)


def _as_numbers(column: pd.Series) -> pd.Series:
    found = pd.to_numeric(column.replace("", None), errors="coerce")
    return found if found.notna().any() and found.notna().sum() == (column != "").sum() else column


def taxonomy(files: dict, config: dict) -> Section:
    """Lineages: how far down ASVs and reads were named, and which phyla there are."""
    summary = tables.read_tsv(files["taxonomy_summary"], "taxonomy summary")
    section = Section("taxonomy", "Lineages", "Who is there, and down to which rank it could be named.")
    table = tables.read_table(files["rarefied"])
    lineages = tables.read_taxonomy(files["taxonomy"])
    clades = study_clades(tables.read_table(files["table"]), lineages)
    shares = phylum_shares(table, lineages, clades)
    section.figures = [
        drawn(
            figures.phylum_bars(shares, clades),
            "Phyla in every sample, as shares of the rarefied reads; one bar a sample.",
        )
    ]
    named = summary.set_index("rank")[["assigned_asvs", "assigned_reads"]]
    named = named.astype(float).mul(100).round(1).join(summary.set_index("rank")["taxa"].astype(int)).reset_index()
    named.columns = ["rank", "% of ASVs named", "% of reads named", "different names"]
    top = numbers(tables.read_tsv(files["top_taxa"], "top taxa"))
    top = top[top["rank"].isin(["phylum", "family", "genus"])].groupby("rank", sort=False).head(MOST_TAXA)
    section.tables = [Table("Named at each rank", named), Table("Taxa with most reads", top, limit=3 * MOST_TAXA)]
    return section


def phylum_shares(table: biom.Table, lineages: pd.Series, clades: Clades) -> pd.DataFrame:
    """Shares of reads of the phyla that have a colour [samples, phyla], `other` and `unassigned` last."""
    phyla, colours = clades_at(lineages.reindex(table.ids("observation")).fillna("Unassigned"), clades, "phylum")
    counts = pd.DataFrame(tables.counts(table), index=table.ids()).T.groupby(phyla).sum().T
    return counts.div(counts.sum(axis=1), axis=0)[list(colours)]


def phylogeny(files: dict, config: dict) -> Section:
    """Tree: its size and its checks."""
    quality = json.loads(Path(files["tree_quality"]).read_text())
    made = {
        "built": "was built from the ASVs",
        "inserted": "holds the ASVs where they fall in a reference tree",
        "given": "is the study's own",
    }[quality["source"]]
    section = Section(
        "phylogeny",
        "Tree",
        f"The phylogeny that distances and the landscape rest on {made}: {quality['tips']:,} tips, "
        f"{quality['root']} root.",
    )
    if quality["features_without_tip"]:
        section.warnings.append(
            f"{quality['features_without_tip']:,} features are not in the tree: distances, embedding and landscape "
            "leave them out."
        )
    rows = [[label, quality[key]] for key, label in TREE.items()]
    if quality.get("columns"):
        rows.append(["alignment columns kept, of all", "{kept:,} of {total:,}".format(**quality["columns"])])
    clades = pd.DataFrame(quality["clades"]).T.rename_axis("rank").reset_index()
    clades.columns = ["rank", "named groups of 2 or more ASVs", "that form a clade", "share"]
    section.tables = [
        Table("Shape of the tree", pd.DataFrame(rows, columns=["what", "value"])),
        Table("Lineages against the tree: how many named groups stand together as one clade", clades),
    ]
    section.figures = [
        stored(
            files["tree_plot"],
            "The rooted tree, every branch as long as it is (bar: substitutions per site). Branches and the ring have "
            "the colour of their clade, as in the landscapes; branches above several clades are dark grey.",
        )
    ]
    return section


def functions(files: dict, config: dict) -> Section:
    """Functional channels: method, how far the references are, how many profiles were filled in."""
    quality = json.loads(Path(files["functions_quality"]).read_text())
    nsti = tables.read_tsv(files["nsti"], "functions")
    if quality["method"] == "none":
        return Section(
            "functions",
            "Functions",
            "No functional profiles were made (functions.method: none): the 16 channels of the images are alike.",
        )
    method = {
        "nearest": "the nearest reference genomes by 16S identity (not PICRUSt2)",
        "parsimony": "weighted parsimony on the reference tree at the nearest reference (not PICRUSt2)",
        "picrust2": "PICRUSt2",
        "table": "the study's own KO table",
    }[quality["method"]]
    section = Section(
        "functions",
        "Functions",
        f"Each ASV's gene content comes from {method}, grouped into 16 channels. It is a prediction from "
        "the 16S sequence, not a measurement of genes.",
    )
    imputed = (nsti["status"] == "imputed").sum()
    if imputed:
        section.warnings.append(
            f"{imputed:,} of {len(nsti):,} ASVs have no reference close enough (or no sequence): they carry the mean "
            "profile of the others and are flagged in functions/nsti.tsv."
        )
    section.figures = [stored(path, caption) for path, caption in zip(files["functions_plots"], FUNCTIONS, strict=True)]
    channels = tables.read_tsv(files["channels"], "channels").set_index("taxon").astype(float)
    spread = pd.DataFrame({"channel": channels.columns, "mean %": channels.mean().to_numpy() * 100})
    spread["lowest %"], spread["highest %"] = channels.min().to_numpy() * 100, channels.max().to_numpy() * 100
    rows = [["ASVs with a profile of their own", quality["asvs"] - quality["asvs_imputed"]]]
    rows.append(["reads of ASVs with the mean profile", f"{quality['reads_imputed']:.1%}"])
    rows.append(["gene copies that belong to no channel", f"{quality['unmapped_share']:.1%}"])
    for key, label in {"identity_quantiles": "identity to the reference", "nsti_quantiles": "NSTI"}.items():
        low, _, median, _, high = quality[key]
        if median is not None:
            rows.append([f"{label}: lowest, median, highest", f"{low:.3g}, {median:.3g}, {high:.3g}"])
    section.tables = [
        Table("Channels over the ASVs, in % of the gene copies that belong to one", spread.round(2)),
        Table("Profiles", pd.DataFrame(rows, columns=["what", "value"])),
    ]
    section.tables.append(
        Table(
            "Samples: share of reads without a profile of their own, and distance of the others to the references",
            numbers(tables.read_tsv(files["functions_samples"], "functions of samples")),
        )
    )
    return section


def hosts(files: dict, config: dict) -> Section:
    """Host variables, what is missing, and how the samples are split."""
    design = metadata.read_design(files["design"])
    splits = tables.read_tsv(files["splits"], "splits")
    excluded = tables.read_tsv(files["excluded"], "excluded samples")
    group = config["metadata"]["group"]
    section = Section(
        "metadata",
        "Hosts and splits",
        f"{len(design)} samples of {design['group'].nunique()} groups enter everything that is learned. "
        + (
            f"Samples that share {' and '.join(group)} are never split between training and test."
            if group
            else "Every sample is its own group (metadata.group is empty)."
        ),
    )
    if not group:
        section.warnings.append(
            "No column groups the samples of one host. If several samples come from the same host, every figure below "
            "speaks of these hosts only and says nothing about others."
        )
    known = [column for column in design.columns if column not in ("group", "time")]
    filled = pd.DataFrame({"field": known, "known": [int(design[name].notna().sum()) for name in known]})
    filled["missing"] = len(design) - filled["known"]
    filled["values"] = [describe(design[name]) for name in known]
    sizes = splits.assign(group=design["group"].reindex(splits["sample"]).to_numpy())
    sizes = (
        sizes.groupby("split", sort=False).agg(samples=("sample", "size"), groups=("group", "nunique")).reset_index()
    )
    section.tables = [Table("Fields (missing is a state of its own, never zero)", filled), Table("Splits", sizes)]
    if len(excluded):
        section.tables.append(Table("Samples left out, and why", excluded))
    return section


def describe(values: pd.Series) -> str:
    """Range and median of a number, commonest categories of a text."""
    known = values.dropna()
    if known.empty:
        return "none known"
    if pd.api.types.is_numeric_dtype(known):
        return f"{known.min():g} to {known.max():g}, median {known.median():g}"
    return ", ".join(f"{name} ({count})" for name, count in known.value_counts().head(6).items())
