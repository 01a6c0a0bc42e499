"""Reference genomes in PICRUSt2's layout: KO copies per genome or taxon, 16S copies and sequences, read and checked."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import inputs, tables, trees
from taxoscape.errors import InputError, examples
from taxoscape.files import write_text

KO = re.compile(r"(ko:)?K\d{5}")
DECIMALS = 3  # kept of copies that are means


def read_ko(path: str | Path, wanted: set[str]) -> pd.DataFrame:
    """Read KO copies [wanted ids, KO] from a table whose columns, or whose rows, are KOs; may be gzipped.

    Only the wanted rows are parsed, so that a table of 27,000 genomes needs no memory for them all.
    Raises InputError when neither side holds KOs, for duplicate ids, and for cells that are no copy number.
    """
    header = _header(path)
    if _all_ko(header):
        table = _read_rows(path, len(header), wanted)
        table.columns = header
    else:
        table = _read_rows(path, len(header), None)
        if not _all_ko(table.index):
            raise InputError(
                f"KO table {path}: neither its columns ({examples(header)}) nor its rows ({examples(table.index)}) are "
                "KO numbers like K00001"
            )
        table = table.set_axis([tables.known_as(name, wanted) for name in header], axis=1).T
        table = table.loc[table.index.isin(wanted)]
    table.columns = table.columns.str.removeprefix("ko:")
    for ids in (table.index, table.columns):
        if ids.has_duplicates:
            raise InputError(f"KO table {path} has duplicate ids: {examples(ids[ids.duplicated()])}")
    return table


def read_ids(path: str | Path) -> list[str]:
    """Ids of a KO table's genomes or taxa, whether they stand in its rows or its columns, without reading numbers."""
    header = _header(path)
    if not _all_ko(header):
        return header
    with inputs.opened(path, "KO table") as handle:
        handle.readline()
        return [line.partition("\t")[0].strip('"') for line in handle]


def read_copies(path: str | Path, references: list[str]) -> np.ndarray:
    """16S copies of each reference [R] from a table with the ids first and the copies second (or as 16S_rRNA_Count)."""
    frame = tables.read_tsv(path, "functions.reference.copies")
    if frame.shape[1] < 2:
        raise InputError(f"functions.reference.copies {path} has one column: ids and their 16S copies are needed")
    column = "16S_rRNA_Count" if "16S_rRNA_Count" in frame else frame.columns[1]
    copies = pd.to_numeric(frame.set_index(frame.columns[0])[column], errors="coerce")
    copies = copies[~copies.index.duplicated()].reindex(references)
    if copies.isna().any() or (copies <= 0).any():
        bad = copies.index[copies.isna() | (copies <= 0)]
        raise InputError(
            f"functions.reference.copies {path}: no positive number for {len(bad)} of them: {examples(bad)}"
        )
    return copies.to_numpy()


def read_sequences(files: dict[str, str]) -> dict[str, str]:
    """Read the 16S sequences without their gaps; `files` names sequences and ko, and perhaps copies and tree.

    Raises InputError when a sequence has no row of KO copies, no 16S copies or no tip.
    """
    sequences = tables.read_fasta(files["sequences"], tables.ALIGNED)
    _check_genomes("functions.reference.ko", files["ko"], "row", sequences, set(read_ids(files["ko"])))
    if "tree" in files:
        tips = {tip.name for tip in trees.read_tree(files["tree"]).tips()}
        _check_genomes("functions.reference.tree", files["tree"], "tip", sequences, tips)
    if "copies" in files:
        read_copies(files["copies"], list(sequences))
    bare = {name: sequence.replace("-", "").replace(".", "") for name, sequence in sequences.items()}
    gaps = [name for name, sequence in bare.items() if not sequence]
    if gaps:
        raise InputError(f"functions.reference.sequences {files['sequences']} holds only gaps for {examples(gaps)}")
    return bare


def write_ko(copies: pd.DataFrame, path: str | Path) -> None:
    """Write copies [taxa, KO] as TSV, first column `taxon`; means are rounded, KOs that no taxon has are left out."""
    copies = copies.loc[:, (copies != 0).any()]
    lines = ["\t".join(["taxon", *copies.columns])]
    for taxon, row in zip(copies.index, copies.to_numpy(dtype=float).round(DECIMALS), strict=True):
        # A row has some twenty distinct numbers in ten thousand cells: each is turned into text once.
        values, place = np.unique(row, return_inverse=True)
        text = np.array([f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".") for value in values], dtype=object)
        lines.append("\t".join([taxon, *text[place]]))
    write_text("\n".join(lines) + "\n", path)


def _all_ko(names: Iterable[str]) -> bool:
    return len(names) > 0 and all(KO.fullmatch(name) for name in names)


def _header(path: str | Path) -> list[str]:
    with inputs.opened(path, "KO table") as handle:
        return [name.strip('"') for name in handle.readline().rstrip("\r\n").split("\t")[1:]]


def _read_rows(path: str | Path, width: int, wanted: set[str] | None) -> pd.DataFrame:
    names, rows = [], []
    with inputs.opened(path, "KO table") as handle:
        handle.readline()
        for number, line in enumerate(handle, 2):
            name, _, cells = line.rstrip("\r\n").partition("\t")
            name = name.strip('"') if wanted is None else tables.known_as(name.strip('"'), wanted)
            if wanted is None or name in wanted:
                names.append(name)
                rows.append(_numbers(cells, width, f"KO table {path} line {number} ({name})"))
    return pd.DataFrame(np.array(rows).reshape(len(names), width), index=names)


def _numbers(cells: str, width: int, where: str) -> np.ndarray:
    try:
        row = np.array(cells.split("\t"), dtype=np.float32)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    if len(row) != width:
        raise InputError(f"{where} has {len(row)} values, the first line names {width}")
    if not (np.isfinite(row) & (row >= 0)).all():
        raise InputError(f"{where} holds a negative or infinite number of copies, or none")
    return row


def _check_genomes(key: str, path: str, part: str, sequences: dict[str, str], known: set[str]) -> None:
    lacking = [name for name in sequences if name not in known]
    if lacking:
        raise InputError(
            f"{key} {path} has no {part} for {len(lacking):,} of the {len(sequences):,} sequences of "
            f"functions.reference.sequences ({examples(lacking)}): give the files of one set of genomes"
        )
