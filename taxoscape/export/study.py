"""What is handed off: one table, with the lineage, sequence and tree of its features and all that is known of samples.

Samples and features keep the order of the table. Samples without a metadata row have empty cells.
"""

from dataclasses import dataclass
from pathlib import Path

import biom
import pandas as pd

from taxoscape import metadata, tables
from taxoscape.taxonomy.lineages import RANKS, rank_names

# Columns added to the study's own: how the workflow used the sample (empty: not at all).
OWN = {"split": "taxoscape_split", "fold": "taxoscape_fold"}


@dataclass(frozen=True)
class Study:
    """A table and what belongs to its features and samples."""

    table: biom.Table
    taxonomy: pd.DataFrame  # index feature; Taxon, Confidence as text
    samples: pd.DataFrame  # index sample; the study's own columns as text, and OWN
    kinds: dict[str, str]  # declared columns of samples -> numeric or categorical
    sequences: dict[str, str]  # of the features that have one
    tree: str  # Newick


def gather(files: dict, config: dict) -> Study:
    """Read the files table, taxonomy, sequences, tree and splits, and the metadata that the config section names."""
    table = tables.read_table(files["table"])
    features, samples = list(table.ids("observation")), list(table.ids())
    taxonomy = tables.read_tsv(files["taxonomy"], "taxonomy").set_index("Feature ID")
    known = tables.read_fasta(files["sequences"], may_be_empty=True)
    frame = sample_metadata(samples, config, tables.read_tsv(files["splits"], "splits"))
    return Study(
        table=table,
        taxonomy=taxonomy.loc[features, ["Taxon", "Confidence"]],
        samples=frame,
        kinds=kinds(frame, config),
        sequences={feature: known[feature] for feature in features if feature in known},
        tree=Path(files["tree"]).read_text(encoding="utf-8"),
    )


def write_biom(study: Study, path: str | Path) -> None:
    """Write BIOM 2.1 (HDF5): `taxonomy` (list of ranks) per feature, every metadata column as text per sample."""
    ids = study.table.ids("observation"), study.table.ids()
    ranks = [{"taxonomy": taxon.split("; ")} for taxon in study.taxonomy["Taxon"]]
    tables.write_table(study.table.matrix_data.T, *ids, path, ranks, study.samples.to_dict("records"))


def sample_metadata(samples: list[str], config: dict, splits: pd.DataFrame) -> pd.DataFrame:
    """All columns of the study's metadata for these samples, and how each was used; unnamed columns are left out.

    In columns of numbers every way of writing "not known" is empty; other columns are as the study wrote them.
    """
    frame = metadata.read_metadata(config)
    frame = frame.loc[:, [name for name in frame.columns if name.strip() and name != config["sample"]]]
    lacking = [sample for sample in samples if sample not in frame.index]
    print(f"{len(lacking):,} of {len(samples):,} samples have no metadata and empty cells")
    for name in declared_numbers(config).intersection(frame.columns):
        frame[name] = metadata.clean(frame[name]).fillna("")
    frame = frame.reindex(samples).fillna("").rename_axis("sample")
    used = splits.set_index("sample").reindex(samples).fillna("")
    return frame.assign(**{name: used[column] for column, name in OWN.items()})


def declared_numbers(config: dict) -> pd.Index:
    """Columns that the config declares as numbers: the time, continuous fields, targets of regression."""
    time = [config["time"]["column"]] if config["time"] else []
    return pd.Index(time + [name for name, number in metadata.columns(config).items() if number]).unique()


def kinds(samples: pd.DataFrame, config: dict) -> dict[str, str]:
    """Declared columns -> numeric or categorical.

    A column of numbers that holds anything else has no kind: samples that left early were never held to it.
    """
    found = {name: "categorical" for name, number in metadata.columns(config).items() if not number}
    for name in declared_numbers(config):
        if name in samples and pd.to_numeric(samples.loc[samples[name] != "", name], errors="coerce").notna().all():
            found[name] = "numeric"
    found |= dict.fromkeys(OWN.values(), "categorical")
    return {name: kind for name, kind in found.items() if name in samples}


def rank_table(taxonomy: pd.DataFrame) -> pd.DataFrame:
    """One column per rank (Kingdom, Phylum, ...), names without prefix, empty below the last named rank."""
    names = [rank_names(taxon) for taxon in taxonomy["Taxon"]]
    columns = [rank.capitalize() for rank in RANKS.values()]
    rows = [row + [""] * (len(columns) - len(row)) for row in names]
    return pd.DataFrame(rows, index=taxonomy.index, columns=columns)
