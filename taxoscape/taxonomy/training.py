"""A training set in DADA2's format, looked at before it is used: DADA2 pads odd headers to wrong ranks in silence."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taxoscape import inputs
from taxoscape.errors import InputError
from taxoscape.taxonomy.lineages import RANKS

FORMAT = "a lineage like >Bacteria;Firmicutes;Bacilli; is needed"


@dataclass(frozen=True)
class TrainingSet:
    """Reference sequences and their lineages."""

    lineages: list[tuple[str, ...]]  # distinct, names from kingdom on, "" where there is none
    labels: np.ndarray  # [n] lineage of each reference
    letters: np.ndarray  # [L] bytes of all references, one after the other
    ends: np.ndarray  # [n] where each reference ends in letters


def read_training_set(path: str | Path) -> TrainingSet:
    """Read a FASTA of lineages (plain or gzipped) to its end.

    Raises InputError for a file that is absent, cut short or no FASTA, for headers that are no lineages, for more
    than seven ranks, and for lineages that end early without a closing semicolon: DADA2 glues its padding to the
    last name of these and shifts the ranks of all that follow.
    """
    headers: dict[str, int] = {}
    order: dict[str, int] = {}
    letters, labels, starts = bytearray(), [], []
    for number, line in _lines(path):
        if line.startswith(">"):
            header = line[1:].strip()
            headers.setdefault(header, number)
            labels.append(order.setdefault(header.removesuffix(";"), len(order)))
            starts.append(len(letters))
        else:
            letters += line.upper().encode()
    ranks = _ranks(headers, path)
    lineages = [tuple(name.strip() for name in lineage.split(";")) for lineage in order]
    lineages = [names + ("",) * (ranks - len(names)) for names in lineages]
    ends = np.array([*starts[1:], len(letters)], dtype=np.int64)
    return TrainingSet(lineages, np.array(labels), np.frombuffer(letters, dtype=np.uint8), ends)


def _lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Headers and sequence lines of a FASTA of lineages with their numbers; raises InputError for anything else."""
    empty = True
    with inputs.opened(path, "taxonomy.training_set") as handle:
        for number, line in enumerate(handle, 1):
            line = line.strip()
            if line.startswith(">"):
                empty = False
                _check_header(line[1:].strip(), path, number)
            elif line and (empty or not line.replace("-", "").replace(".", "").isalpha()):
                raise InputError(f"taxonomy.training_set {path} line {number}: {line[:30]!r} is no FASTA: {FORMAT}")
            if line:
                yield number, line
    if empty:
        raise InputError(f"taxonomy.training_set {path} holds no sequence")


def _check_header(header: str, path: str | Path, number: int) -> None:
    if ";" not in header:
        hint = " (this is a species set: name it in taxonomy.species)" if len(header.split()) == 3 else ""
        raise InputError(f"taxonomy.training_set {path} line {number}: {header[:60]!r} is no lineage{hint}: {FORMAT}")


def _ranks(headers: dict[str, int], path: str | Path) -> int:
    """Number of ranks of the deepest header; raises InputError for too many, and for lineages cut off in between."""
    depths = {header: header.removesuffix(";").count(";") + 1 for header in headers}
    ranks = max(depths.values())
    if ranks > len(RANKS):
        deepest = next(header for header, depth in depths.items() if depth == ranks)
        raise InputError(f"taxonomy.training_set {path}: {deepest!r} has {ranks} ranks, seven are the most")
    for header, number in headers.items():
        if depths[header] < ranks and not header.endswith(";"):
            raise InputError(
                f"taxonomy.training_set {path} line {number}: {header!r} ends before rank {ranks} without a "
                "semicolon: close every lineage with one"
            )
    return ranks
