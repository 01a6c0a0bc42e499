"""One BIOM file with everything inside: counts, lineages of the features, metadata of the samples."""

from pathlib import Path

from taxoscape import tables
from taxoscape.export.study import Study


def write(study: Study, path: str | Path) -> None:
    """Write BIOM 2.1 (HDF5): `taxonomy` (list of ranks) per feature, every metadata column as text per sample."""
    ranks = [{"taxonomy": taxon.split("; ")} for taxon in study.taxonomy["Taxon"]]
    tables.write_table(
        study.table.matrix_data.T,
        study.table.ids("observation"),
        study.table.ids(),
        path,
        ranks,
        study.samples.to_dict("records"),
    )
