"""Lineages in the form `k__Bacteria; p__Firmicutes; ...`, which stop at the last assigned rank."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.errors import InputError, examples

RANKS = {
    "k": "kingdom",
    "p": "phylum",
    "c": "class",
    "o": "order",
    "f": "family",
    "g": "genus",
    "s": "species",
}
GENUS = list(RANKS.values()).index("genus")
UNASSIGNED = "Unassigned"
# What databases and tools write where they have no name; d__ (domain) stands where we write k__.
NO_NAME = {"", "na", "nan", "none", "unassigned", "unclassified"}
COLUMNS = ["Feature ID", "Taxon", "Confidence"]


def lineage(names: Sequence[str | None]) -> str:
    """Join the names of ranks from kingdom on, up to the first that is missing: `k__A; p__B`, or `Unassigned`.

    A name may bring its prefix along (`p__B`); one of another rank than its place says ends the lineage.
    """
    parts = []
    for letter, name in zip(RANKS, names, strict=False):
        prefix, mark, rest = (name or "").strip().partition("__")
        if not mark:
            prefix, rest = letter, prefix
        prefix, rest = "k" if prefix == "d" else prefix, rest.strip()
        if prefix != letter or rest.lower() in NO_NAME:
            break
        parts.append(f"{letter}__{rest}")
    return "; ".join(parts) or UNASSIGNED


def rank_names(taxon: str) -> list[str]:
    """Names of a lineage's assigned ranks, from kingdom on, without prefixes."""
    return [] if taxon == UNASSIGNED else [part.partition("__")[2] for part in taxon.split("; ")]


def named_ranks(taxon: str) -> dict[str, str]:
    """Letter of each rank of a lineage that has a name -> the name."""
    parts = (part.strip().partition("__") for part in taxon.split(";"))
    return {letter: name for letter, mark, name in parts if mark and name}


def assigned(features: Sequence[str], names: np.ndarray, bootstraps: np.ndarray) -> pd.DataFrame:
    """Names [n, ranks] (None = unassigned) and bootstraps [n, ranks] (percent) -> Taxon, Confidence (0-1) by feature.

    The confidence is that of the last assigned rank; of the first rank where none is assigned, and of the genus where
    a species was found by exact matching, which has no bootstraps.
    """
    taxa = [lineage(row) for row in names]
    last = [min(max(len(rank_names(taxon)), 1), bootstraps.shape[1]) - 1 for taxon in taxa]
    confidence = bootstraps[np.arange(len(taxa)), last] / 100
    return pd.DataFrame({"Taxon": taxa, "Confidence": confidence}, index=list(features))


def classifiable(features: Sequence[str], sequences: dict[str, str]) -> dict[str, str]:
    """Sequences of those features that have one, in the order of the features.

    Raises InputError when none has: a table of nothing but `Unassigned` would look like a result.
    """
    found = {feature: sequences[feature] for feature in features if feature in sequences}
    if not found:
        raise InputError(
            f"none of the {len(features):,} features ({examples(features)}) has a sequence to classify: "
            "name their FASTA in input.sequences or their lineages in input.taxonomy"
        )
    print(f"{len(features) - len(found):,} of {len(features):,} features have no sequence and stay Unassigned")
    return found


def complete(features: Sequence[str], known: pd.DataFrame) -> pd.DataFrame:
    """Taxonomy of all features, in their order: rows of `known` (index id; Taxon, Confidence), others Unassigned.

    Raises InputError when `known` speaks of none of the features.
    """
    features, named = list(features), set(features)
    known = known.set_axis([tables.known_as(name, named) for name in known.index])
    absent = [feature for feature in features if feature not in known.index]
    if len(absent) == len(features):
        raise InputError(
            f"none of the {len(features):,} features ({examples(features)}) is in the taxonomy "
            f"({examples(known.index)}): give the lineages of this table in input.taxonomy"
        )
    print(f"{len(absent):,} of {len(features):,} features have no row in the taxonomy and become Unassigned")
    print(f"{len(known.index.difference(features)):,} rows of the taxonomy belong to no feature and are dropped")
    frame = known.reindex(features)
    frame["Taxon"] = frame["Taxon"].fillna(UNASSIGNED)
    return frame.rename_axis("Feature ID").reset_index()[COLUMNS]


def read_given(path: str | Path) -> pd.DataFrame:
    """Read a study's own taxonomy -> Taxon in our form, Confidence (NaN where it has none); index feature id."""
    taxa = tables.read_taxonomy(path).map(lambda text: lineage(text.split(";")))
    frame = tables.read_tsv(path, "taxonomy")
    confidence = frame["Confidence"] if "Confidence" in frame else pd.Series(np.nan, frame.index)
    confidence = pd.to_numeric(confidence, errors="coerce").astype(float).to_numpy()
    return pd.DataFrame({"Taxon": taxa.to_numpy(), "Confidence": confidence}, index=taxa.index)


def bootstrap_table(features: Sequence[str], known: Sequence[str], bootstraps: np.ndarray) -> pd.DataFrame:
    """Bootstraps [known, ranks] (percent) of all features, in their order; empty for those without a sequence."""
    ranks = list(RANKS.values())[: bootstraps.shape[1]]
    frame = pd.DataFrame(bootstraps, index=list(known), columns=ranks)
    return frame.reindex(list(features)).rename_axis("Feature ID").reset_index()


def summarise(taxa: Sequence[str], reads: np.ndarray) -> pd.DataFrame:
    """ASVs that have a name at each rank, their reads, both as shares too, and the number of different names."""
    lists = [rank_names(taxon) for taxon in taxa]
    depth = np.array([len(names) for names in lists])
    rows = []
    for level, rank in enumerate(RANKS.values(), 1):
        named = depth >= level
        distinct = len({tuple(names[:level]) for names in lists if len(names) >= level})
        counts = (int(named.sum()), int(reads[named].sum()))
        rows.append((rank, named.mean(), reads[named].sum() / max(reads.sum(), 1), *counts, distinct))
    return pd.DataFrame(rows, columns=["rank", "assigned_asvs", "assigned_reads", "asvs", "reads", "taxa"])


def top_taxa(taxa: Sequence[str], reads: np.ndarray, most: int = 20) -> pd.DataFrame:
    """The `most` taxa with most reads at each rank: lineage down to it, ASVs, reads, share of all reads."""
    lists = [taxon.split("; ") for taxon in taxa]
    frames = []
    for level, rank in enumerate(RANKS.values(), 1):
        rows = [
            ("; ".join(parts[:level]), count)
            for parts, taxon, count in zip(lists, taxa, reads, strict=True)
            if len(parts) >= level and taxon != UNASSIGNED
        ]
        grouped = pd.DataFrame(rows, columns=["taxon", "reads"]).groupby("taxon")["reads"].agg(["size", "sum"])
        ordered = grouped.reset_index().sort_values(["sum", "taxon"], ascending=[False, True], ignore_index=True)
        frames.append(ordered.head(most).assign(rank=rank))
    frame = pd.concat(frames, ignore_index=True).rename(columns={"size": "asvs", "sum": "reads"})
    frame["reads"] = frame["reads"].astype(int)
    frame["share"] = frame["reads"] / max(reads.sum(), 1)
    return frame[["rank", "taxon", "asvs", "reads", "share"]]
