"""Tables of counts, sequences and lineages: read, checked by id and written, always in one order."""

import csv
import hashlib
import io
from collections.abc import Container, Iterable
from datetime import datetime
from pathlib import Path

import biom
import h5py
import numpy as np
import pandas as pd
import scipy.sparse

from taxoscape import inputs
from taxoscape.errors import InputError, examples
from taxoscape.files import atomic, write_text

BASES = frozenset("ACGTUNRYSWKMBDHV")
ALIGNED = BASES | frozenset("-.")
COMPLEMENT = str.maketrans("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")
RANK_COLUMNS = ("domain", "kingdom", "phylum", "class", "order", "family", "genus", "species")
MOST_COLUMNS = 50_000  # of a text; a million take a minute and gigabytes
ROOM = 10_000_000  # cells of a text that may be lacking
MOST_READS = 2**53  # of a sample; float64 counts no further
# biom stamps its files with the time of writing; two runs must give the same bytes.
WRITTEN = datetime(2000, 1, 1)


def read_table(path: str | Path) -> biom.Table:
    """Read a BIOM (HDF5 or JSON) or TSV table, features x samples; refuse what cannot be counts of reads.

    Raises InputError for unreadable files, duplicate or empty ids, negative or non-finite values.
    """
    path = inputs.regular(path, "table")
    with inputs.foreign(f"table {path}", "give BIOM (HDF5 or JSON) or TSV"):
        table = _read_any(path)
    for axis, ids in (("feature", table.ids("observation")), ("sample", table.ids())):
        check_names(ids, f"table {path} has {axis} ids")
        _check_ids(path, axis, pd.Index(ids))
    values = table.matrix_data.data
    if not np.isfinite(values).all():
        raise InputError(f"table {path} holds NaN or infinite values: give counts of reads")
    if (values < 0).any():
        raise InputError(f"table {path} holds negative values (smallest {values.min():g}): give counts of reads")
    if table.shape[1] and (most := table.sum("sample").max()) > MOST_READS:
        raise InputError(f"table {path} has a sample of {most:g} reads, more than can be counted: give counts of reads")
    return table


def check_names(names: Iterable[str], what: str) -> None:
    """Raise InputError for names that a text file or a page would change; `what` says whose, as `table x has ids`."""
    broken = [name for name in names if not name.isprintable()]
    if broken:
        raise InputError(
            f"{what} with tabs, line breaks or other characters that no text file can hold: "
            f"{examples(map(ascii, broken))}; rename them"
        )
    padded = [name for name in names if name != name.strip()]
    if padded:
        raise InputError(f"{what} that start or end with a blank: {examples(map(repr, padded))}; rename them")


def check_counts(table: biom.Table, path: str | Path) -> None:
    """Raise InputError unless every value is a whole number."""
    values = table.matrix_data.data
    broken = values[values != np.round(values)]
    if len(broken):
        raise InputError(
            f"table {path} holds {len(broken):,} values that are no whole numbers (first {broken[0]:g}): "
            "rarefaction needs counts of reads, not relative abundances"
        )


def counts(table: biom.Table, samples: Iterable[str] | None = None, taxa: Iterable[str] | None = None) -> np.ndarray:
    """Dense counts [samples, taxa] (int64) in the given order of ids; taxa absent from the table are zero."""
    samples = list(table.ids()) if samples is None else list(samples)
    taxa = list(table.ids("observation")) if taxa is None else list(taxa)
    rows = pd.Index(table.ids("observation")).get_indexer(taxa)
    columns = pd.Index(table.ids()).get_indexer(samples)
    if (columns < 0).any():
        missing = [name for name, column in zip(samples, columns, strict=True) if column < 0]
        raise InputError(f"{len(missing)} samples are not in the table: {examples(missing)}")
    matrix = table.matrix_data.tocsc()[:, columns].tocsr()
    dense = np.zeros((len(samples), len(taxa)), dtype=np.int64)
    dense[:, rows >= 0] = matrix[rows[rows >= 0]].toarray().T
    return dense


def write_table(
    matrix: np.ndarray | scipy.sparse.spmatrix,
    taxa: Iterable,
    samples: Iterable,
    path: str | Path,
    about_taxa: list[dict] | None = None,
    about_samples: list[dict] | None = None,
) -> None:
    """Write counts [samples, taxa] as BIOM 2.1 (HDF5, features x samples), byte for byte the same each time.

    What is known of taxa and samples goes inside: a mapping for each, all with the same keys.
    """
    transposed = scipy.sparse.csr_matrix(matrix).T.tocsr().astype(float)
    ids = [str(taxon) for taxon in taxa], [str(sample) for sample in samples]
    table = biom.Table(transposed, *ids, about_taxa, about_samples)
    whole = io.BytesIO()  # HDF5 itself ends the process where a disk is full
    with h5py.File(whole, "w") as handle:
        table.to_hdf5(handle, "taxoscape", creation_date=WRITTEN)
    with atomic(path) as partial:
        partial.write_bytes(whole.getbuffer())


def read_fasta(path: str | Path, alphabet: frozenset = BASES, may_be_empty: bool = False) -> dict[str, str]:
    """Read id -> sequence (upper case, U as T); ids end at the first blank. Gzip by its first bytes.

    Raises InputError for missing, empty or cut files, text before the first header, duplicate ids, ids without a
    sequence and letters outside the alphabet (`ALIGNED` allows gaps).
    """
    with inputs.opened(path, "FASTA") as handle:
        sequences = _parse_fasta(handle, path, alphabet)
    if not sequences and not may_be_empty:
        raise InputError(f"FASTA {path} holds no sequence")
    bare = [name for name, sequence in sequences.items() if not sequence]
    if bare:
        raise InputError(f"FASTA {path} has {len(bare)} ids without a sequence: {examples(bare)}")
    return sequences


def write_fasta(sequences: dict[str, str], path: str | Path) -> None:
    """Write id -> sequence, one line each."""
    write_text("".join(f">{name}\n{sequence}\n" for name, sequence in sequences.items()), path)


def sequence_id(sequence: str) -> str:
    """Feature id of an ASV: the MD5 of its sequence, as QIIME 2 names it."""
    return hashlib.md5(sequence.encode(), usedforsecurity=False).hexdigest()


def reverse_complement(sequence: str) -> str:
    """Other strand of a DNA sequence, upper case, of all letters that IUPAC has for bases."""
    return sequence.upper().replace("U", "T").translate(COMPLEMENT)[::-1]


def is_sequence(name: str) -> bool:
    """Whether a feature id is itself a DNA sequence (at least 30 letters of the IUPAC alphabet)."""
    return len(name) >= 30 and set(name.upper()) <= BASES


def known_as(name: str, features: Container[str]) -> str:
    """Id that the table has for a feature which another file calls `name`: a sequence goes by its MD5 there."""
    if name in features or not is_sequence(name):
        return name
    return sequence_id(name.upper().replace("U", "T"))


def read_tsv(path: str | Path, what: str) -> pd.DataFrame:
    """Read a tab-separated file as text, nothing turned into a missing value; `what` names it in messages.

    Cells that a short line lacks are empty. Raises InputError for missing or unreadable files, columns of the same
    name, and lines longer than the header.
    """
    frame = _cells(inputs.read_text(path, what), f"{what} {path}", quoting=csv.QUOTE_NONE).fillna("")
    header = frame.iloc[0]
    if header.duplicated().any():
        raise InputError(f"{what} {path} has columns of the same name: {examples(header[header.duplicated()])}")
    return frame.iloc[1:].set_axis(list(header), axis=1).reset_index(drop=True)


def read_channels(path: str | Path) -> pd.DataFrame:
    """Read the functional channels of taxa (functions/channels.tsv): index taxon, one column a channel, shares."""
    return read_tsv(path, "channels").set_index("taxon").astype(float)


def read_taxonomy(path: str | Path) -> pd.Series:
    """Read feature id -> lineage (ranks parted by `;`).

    The id is the first column; the lineage the one named Taxon, or else the columns named after ranks (domain or
    kingdom, phylum, ...) joined, or else the second.
    """
    frame = read_tsv(path, "taxonomy")
    if frame.shape[1] < 2:
        raise InputError(f"taxonomy {path} has {frame.shape[1]} column: a feature id and a lineage are needed")
    ranks = [column for column in frame.columns[1:] if column.lower() in RANK_COLUMNS]
    if "Taxon" in frame.columns:
        lineages = frame["Taxon"]
    elif len(ranks) > 1:
        lineages = frame[ranks].agg("; ".join, axis=1)
    else:
        lineages = frame.iloc[:, 1]
    lineages = lineages.set_axis(frame.iloc[:, 0])
    if lineages.index.has_duplicates:
        raise InputError(f"taxonomy {path} has duplicate ids: {examples(lineages.index[lineages.index.duplicated()])}")
    return lineages


def _read_any(path: Path) -> biom.Table:
    if h5py.is_hdf5(path):
        with h5py.File(path) as handle:
            _check_hdf5(handle, path)
            for axis, other in (("observation", "sample"), ("sample", "observation")):
                if f"{axis}/matrix" in handle:
                    _check_matrix(handle[f"{axis}/matrix"], len(handle[f"{axis}/ids"]), len(handle[f"{other}/ids"]))
            return biom.Table.from_hdf5(handle)
    text = inputs.read_text(path, "table")
    if text.lstrip().startswith("{"):
        return biom.parse.parse_biom_table(io.StringIO(text))
    frame = _counts_frame(text, path)
    return biom.Table(scipy.sparse.csr_matrix(frame.to_numpy()), list(frame.index), list(frame.columns))


def _check_hdf5(handle: h5py.File, path: Path) -> None:
    """Raise InputError for more data than inputs.check_unpacked allows, and for data that lie in other files."""
    sizes = []

    def elsewhere(name: str, link: object) -> str | None:
        if isinstance(link, h5py.ExternalLink):
            return name
        found = handle.get(name)
        if isinstance(found, h5py.Dataset):
            if found.external or found.is_virtual:
                return name
            sizes.append((found.size or 0) * found.dtype.itemsize)
        return None

    if name := handle.visititems_links(elsewhere):
        raise InputError(f"table {path}: {name} lies in another file: give one file that holds all")
    inputs.check_unpacked(path, sum(sizes))


def _check_matrix(matrix: h5py.Group, rows: int, columns: int) -> None:
    """Raise ValueError unless a compressed matrix lies within its shape: scipy reads beyond its memory otherwise."""
    starts, places = (matrix[name][:] for name in ("indptr", "indices"))
    if len(starts) != rows + 1 or starts[0] != 0 or starts[-1] != len(places) or (np.diff(starts) < 0).any():
        raise ValueError("its rows do not begin and end within it")
    if len(matrix["data"]) != len(places) or (places < 0).any() or (places >= columns).any():
        raise ValueError("it has values outside of its shape")


def _counts_frame(text: str, path: Path) -> pd.DataFrame:
    """Parse a TSV of counts, features x samples; raises InputError for duplicate ids and cells that are no number."""
    text = text.partition("\n")[2] if text.startswith("# Constructed from biom") else text
    cells = _cells(text, f"table {path}")
    if cells.shape[1] < 2:
        raise InputError(f"table {path} has one column: feature ids and, parted by tabs, counts of samples are needed")
    features, samples = pd.Index(cells.iloc[1:, 0]), pd.Index(cells.iloc[0, 1:])
    for axis, ids in (("feature", features), ("sample", samples)):
        _check_ids(path, axis, ids)
    numeric = cells.iloc[1:, 1:].apply(pd.to_numeric, errors="coerce").set_axis(features).set_axis(samples, axis=1)
    bad = numeric.columns[numeric.isna().any()]
    if len(bad):
        raise InputError(f"table {path}: column {bad[0]!r} holds a value that is no number (or none at all)")
    return numeric.astype(float)


def _cells(text: str, what: str, **options: object) -> pd.DataFrame:
    """Cells of a tab-separated text; raises InputError for more than MOST_COLUMNS, and where nearly all are lacking."""
    columns = text.lstrip("\r\n").partition("\n")[0].count("\t") + 1
    cells = columns * (text.count("\n") + 1)
    if columns > MOST_COLUMNS:
        raise InputError(f"{what} has {columns:,} columns, {MOST_COLUMNS:,} are the most: turn it, or give BIOM")
    if cells > max(ROOM, len(text)):  # a cell that is there takes a character at least
        raise InputError(f"{what} has {columns:,} columns, and most lines are shorter: give every line all cells")
    with inputs.foreign(what, "give tab-separated text (UTF-8), lines no longer than the first"):
        return pd.read_csv(io.StringIO(text), sep="\t", dtype=str, keep_default_na=False, header=None, **options)


def _check_ids(path: Path, axis: str, ids: pd.Index) -> None:
    if ids.has_duplicates:
        raise InputError(f"table {path} has duplicate {axis} ids: {examples(ids[ids.duplicated()])}")
    if (ids == "").any():
        raise InputError(f"table {path} has an empty {axis} id")


def _parse_fasta(handle: io.TextIOBase, path: str | Path, alphabet: frozenset) -> dict[str, str]:
    sequences: dict[str, list[str]] = {}
    name = None
    for number, line in enumerate(handle, 1):
        line = line.strip()
        if line.startswith(">"):
            name = line[1:].split()[0] if line[1:].split() else ""
            if not name or name in sequences:
                raise InputError(f"FASTA {path} line {number}: {'duplicate' if name else 'empty'} id {name!r}")
            sequences[name] = []
        elif line:
            if name is None or not set(line.upper()) <= alphabet:
                raise InputError(f"FASTA {path} line {number}: {line[:30]!r} is no DNA sequence")
            sequences[name].append(line.upper().replace("U", "T"))
    return {name: "".join(parts) for name, parts in sequences.items()}
