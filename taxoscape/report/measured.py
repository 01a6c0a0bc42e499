"""Sections about what was measured of the ASVs and their hosts: lineages, tree, functions, metadata."""

import biom
import pandas as pd

from taxoscape import metadata, tables
from taxoscape.files import read_json
from taxoscape.palette import Clades, clades_at, study_clades
from taxoscape.report import figures
from taxoscape.report.cells import count, listed, percent, plain_lineage
from taxoscape.report.parts import Check, Section, Table, drawn, stored
from taxoscape.report.sequences import numbers

MOST_TAXA = 10  # of a rank in the table
# Rules of thumb: they mark what deserves a look, and stop nothing.
NAMED = 0.9  # of the reads, at the phylum
PROFILED = 0.9  # of the reads, with genes of their own
TREE = {
    "height": "height, root to deepest tip (substitutions per site)",
    "diameter": "diameter, largest distance between tips (substitutions per site)",
    "levels": "levels",
    "zero_branches": "branches of length zero",
    "negative_lengths": "negative lengths set to zero",
    "polytomies": "nodes with more than two children",
    "long_branches_total": "very long branches to a tip",
}
SAMPLES = {
    "sample": "sample",
    "reads": "reads",
    "share_without_profile": "share without profile",
    "weighted_nsti": "NSTI, mean over reads",
    "weighted_identity": "identity, mean over reads",
}


def taxonomy(files: dict, config: dict) -> Section:
    """Lineages: how far down ASVs and reads were named, and which phyla there are."""
    summary = tables.read_tsv(files["taxonomy_summary"], "taxonomy summary").set_index("rank")
    shares = summary[["assigned_asvs", "assigned_reads"]].astype(float)
    asvs, table = tables.read_table(files["table"]), tables.read_table(files["rarefied"])
    lineages = tables.read_taxonomy(files["taxonomy"])
    clades = study_clades(asvs, lineages)
    section = Section("taxonomy", "Lineages", "Who is there, and down to which rank it could be named.")
    why = "the study's own lineages name none"
    if not config["input"]["taxonomy"]:
        why = (
            f"their bootstrap support is below {config['taxonomy']['min_bootstrap']:g} %, or the training set has none"
        )
    genus = shares.loc["genus"] if "genus" in shares.index else shares.iloc[-1]
    section.facts = [
        ("Came in", f"{count(asvs.shape[0], 'ASV')}."),
        (
            "Without a genus",
            f"{percent(1 - genus['assigned_asvs'])} of the ASVs with {percent(1 - genus['assigned_reads'])} of the "
            f"reads: {why}.",
        ),
    ]
    if "phylum" in shares.index:
        named = shares.loc["phylum", "assigned_reads"]
        section.checks = [Check("Reads named at the phylum", percent(named), f"at least {NAMED:.0%}", named >= NAMED)]
    section.figures = [drawn(figures.phylum_bars(phylum_shares(table, lineages, clades), clades), "phyla")]
    named = shares.map(percent).join(summary["taxa"].astype(int)).reset_index()
    named.columns = ["rank", "ASVs named", "reads named", "different names"]
    section.tables = [
        Table("Named at each rank", named),
        Table("Taxa with most reads", top_taxa(files["top_taxa"]), folded=True),
    ]
    return section


def top_taxa(path: str) -> pd.DataFrame:
    """The commonest phyla, families and genera, with the clades that they are in."""
    top = numbers(tables.read_tsv(path, "top taxa"))
    top = top[top["rank"].isin(["phylum", "family", "genus"])].groupby("rank", sort=False).head(MOST_TAXA)
    paths = [plain_lineage(taxon).split(" › ") for taxon in top["taxon"]]
    return pd.DataFrame(
        {
            "rank": top["rank"],
            "taxon": [path[-1] for path in paths],
            "of": [" › ".join(path[:-1]) for path in paths],
            "ASVs": top["asvs"],
            "reads": top["reads"],
            "share of reads": [percent(share) for share in top["share"]],
        }
    )


def phylum_shares(table: biom.Table, lineages: pd.Series, clades: Clades) -> pd.DataFrame:
    """Shares of reads of the phyla that have a colour [samples, phyla], `other` and `unassigned` last."""
    phyla, colours = clades_at(lineages.reindex(table.ids("observation")).fillna("Unassigned"), clades, "phylum")
    counts = pd.DataFrame(tables.counts(table), index=table.ids()).T.groupby(phyla).sum().T
    return counts.div(counts.sum(axis=1), axis=0)[list(colours)]


def phylogeny(files: dict, config: dict) -> Section:
    """Tree: its size and its checks."""
    quality = read_json(files["tree_quality"])
    made = {
        "built": "was built from the ASVs",
        "inserted": "holds the ASVs where they fall in a reference tree",
        "given": "is the study's own",
    }[quality["source"]]
    absent, long = quality["features_without_tip"], quality["long_branches_total"]
    section = Section(
        "phylogeny",
        "Tree",
        f"The phylogeny that distances and the landscape rest on {made}: {count(quality['tips'], 'tip')}, "
        f"{quality['root']} root.",
        [
            ("Came in", f"{count(quality['tips'] + absent, 'ASV')}."),
            ("Lost", f"{count(absent, 'ASV')} that the tree lacks." if absent else "None."),
        ],
        [
            Check("ASVs that are not in the tree", f"{absent:,}", "0", absent == 0),
            Check("Very long branches to a tip (chimeras, not 16S)", f"{long:,}", "0", long == 0),
        ],
    )
    if absent:
        section.warnings.append(
            f"{count(absent, 'ASV')} are not in the tree: distances, embedding and landscape leave them out."
        )
    if quality.get("columns"):
        kept, total = quality["columns"]["kept"], quality["columns"]["total"]
        section.facts.append(("Masked", f"{total - kept:,} of {total:,} columns of the alignment."))
    clades = pd.DataFrame(quality["clades"]).T.rename_axis("rank").reset_index()
    clades["share"] = clades["share"].map(percent)
    clades.columns = ["rank", "named groups of 2 or more ASVs", "that form a clade", "share"]
    section.tables = [
        Table("Lineages against the tree: how many named groups stand together as one clade", clades),
        Table(
            "Shape of the tree",
            pd.DataFrame([[label, quality[key]] for key, label in TREE.items()], columns=["what", "value"]),
            folded=True,
        ),
    ]
    section.figures = [stored(files["tree_plot"], "tree")]
    return section


def functions(files: dict, config: dict) -> Section:
    """Functional channels: method, how far the references are, how many profiles were filled in."""
    quality = read_json(files["functions_quality"])
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
    imputed, own = quality["asvs_imputed"], 1 - quality["reads_imputed"]
    section = Section(
        "functions",
        "Functions",
        f"Each ASV's gene content comes from {method}, grouped into 16 channels. It is a prediction from "
        "the 16S sequence, not a measurement of genes.",
        [
            ("Came in", f"{count(quality['asvs'], 'ASV')}."),
            ("Without a profile", _imputed(config, quality)),
            ("In no channel", f"{percent(quality['unmapped_share'])} of the gene copies."),
        ],
        [Check("Reads whose ASV has a profile of its own", percent(own), f"at least {PROFILED:.0%}", own >= PROFILED)],
    )
    if imputed:
        section.warnings.append(
            f"{count(imputed, 'ASV')} of {quality['asvs']:,} ({percent(1 - own)} of the reads) have no reference close "
            "enough (or no sequence): they carry the mean profile of the others and are flagged in functions/nsti.tsv."
        )
    names = ["function_channels", "function_distance"]
    figures_made = [stored(path, name) for path, name in zip(files["functions_plots"], names, strict=True)]
    section.figures, section.folded = figures_made[:1], figures_made[1:]
    section.tables = _function_tables(files, quality)
    return section


def _imputed(config: dict, quality: dict) -> str:
    """How many ASVs have no profile of their own, and why."""
    if not quality["asvs_imputed"]:
        return "None."
    why = f"no reference is nearer than NSTI {config['functions']['max_nsti']:g}"
    if quality["method"] in ("nearest", "parsimony"):
        why = f"no reference is as close as {config['functions']['min_identity']:.0%} identity"
    return f"{count(quality['asvs_imputed'], 'ASV')} with {percent(quality['reads_imputed'])} of the reads: {why}."


def _function_tables(files: dict, quality: dict) -> list[Table]:
    channels = tables.read_channels(files["channels"])
    spread = pd.DataFrame({"channel": [name.replace("_", " ") for name in channels.columns]})
    for name, values in (("mean", channels.mean()), ("lowest", channels.min()), ("highest", channels.max())):
        spread[name] = [percent(value) for value in values]
    rows = []
    for key, label in {"identity_quantiles": "identity to the reference", "nsti_quantiles": "NSTI"}.items():
        low, _, median, _, high = quality[key]
        if median is not None:
            rows.append([label, low, median, high])
    samples = numbers(tables.read_tsv(files["functions_samples"], "functions of samples")).rename(columns=SAMPLES)
    distance = Table(
        "How far the references are", pd.DataFrame(rows, columns=["of ASVs", "lowest", "median", "highest"])
    )
    return [
        *([distance] if rows else []),
        Table("Channels over the ASVs, in % of the gene copies that belong to one", spread, folded=True),
        Table("Samples: how far their reads are from the references", samples, folded=True),
    ]


def hosts(files: dict, config: dict) -> Section:
    """Host variables, what is missing, and how the samples are split."""
    design = metadata.read_design(files["design"])
    splits = tables.read_tsv(files["splits"], "splits")
    excluded = tables.read_tsv(files["excluded"], "excluded samples")
    group = config["metadata"]["group"]
    together = f"Samples that share {' and '.join(group)} are never split between training and test."
    section = Section(
        "metadata",
        "Hosts and splits",
        f"{count(len(design), 'sample')} of {count(design['group'].nunique(), 'group')} enter all that is learned. "
        + (together if group else "Every sample is its own group (metadata.group is empty)."),
    )
    reasons = excluded["why"].value_counts()
    lost = "; ".join(f"{number:,}: {why}" for why, number in reasons.items())
    section.facts = [
        ("Came in", f"{count(len(design) + len(excluded), 'sample')}."),
        ("Lost", f"{count(len(excluded), 'sample')} ({lost})." if len(excluded) else "None."),
    ]
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
        section.tables.append(Table("Samples left out, and why", excluded, folded=True, file=str(files["excluded"])))
    return section


def describe(values: pd.Series) -> str:
    """Range and median of a number, commonest categories of a text."""
    known = values.dropna()
    if known.empty:
        return "none known"
    if pd.api.types.is_numeric_dtype(known):
        return f"{known.min():g} to {known.max():g}, median {known.median():g}"
    return listed([f"{name} ({number})" for name, number in known.value_counts().items()], most=6)
