"""Species by exact matching, as DADA2's addSpecies: a sequence has the species of the references that contain it.

Only a match of every base of the sequence counts, on either strand: in V4, identities below 100 % do not tell species
apart (R. C. Edgar, Bioinformatics 34:2371, 2018). All references are read once; each sequence is looked for by the
32 nt in its middle.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from taxoscape import inputs
from taxoscape.compiled import compiled
from taxoscape.errors import InputError
from taxoscape.tables import reverse_complement
from taxoscape.taxonomy.lineages import GENUS
from taxoscape.taxonomy.naive_bayes import CODE

SEED = 32  # nt looked up, two bits each
BATCH = 1 << 26  # letters of references in memory at a time
FILTER = 20  # bits of the hash that says quickly what cannot match
FORMAT = "a header like >AB000390 Vibrio halioticoli is needed"
BOTH = "Escherichia/Shigella"  # DADA2 takes these two genera for one


def add_species(
    sequences: Sequence[str], names: np.ndarray, path: str | Path | None, allow_multiple: bool
) -> np.ndarray:
    """Names [n, kingdom to genus] -> with the species [n, 7] of the set at `path`; unchanged where there is none.

    A species is given where the references that contain the sequence agree on it and on the genus that the sequence
    already has; with `allow_multiple` several species of that genus are joined by a slash.
    """
    if not path:
        return names
    found = [assign_species(binomials, allow_multiple) for binomials in matches(sequences, path)]
    species = [
        epithet if same_genus(given, genus) else None
        for given, (genus, epithet) in zip(names[:, GENUS], found, strict=True)
    ]
    print(f"species: {sum(one is not None for one in species):,} of {len(species):,} sequences")
    return np.column_stack([names, np.array(species, dtype=object)])


def assign_species(binomials: Iterable[tuple[str, str]], allow_multiple: bool) -> tuple[str | None, str | None]:
    """Genus and species of all references that contain a sequence, None where they differ (DADA2 assignSpecies)."""
    genera, species = (
        {_united(name) for name in names} for names in (zip(*binomials, strict=True) if binomials else ((), ()))
    )
    genus = genera.pop() if len(genera) == 1 else None
    return genus, "/".join(sorted(species)) if species and (allow_multiple or len(species) == 1) else None


def same_genus(given: str | None, matched: str | None) -> bool:
    """Whether the genus of a lineage is that of a binomial: equal, or the same up to a suffix or within a pair."""
    if not given or not matched:
        return False
    return (
        given == matched or given.startswith(tuple(matched + glyph for glyph in " _/")) or given.endswith(f"/{matched}")
    )


def matches(sequences: Sequence[str], path: str | Path) -> list[set[tuple[str, str]]]:
    """Genus and species of every reference that contains a sequence, on either strand, for each sequence.

    Sequences with ambiguous bases match nothing.
    """
    binomials: list[set[tuple[str, str]]] = [set() for _ in sequences]
    plain = [row for row, sequence in enumerate(sequences) if sequence and set(sequence.upper()) <= set("ACGTU")]
    if not plain:
        return binomials
    strands = [strand(sequences[row]) for strand in (str, reverse_complement) for row in plain]
    queries = _index(strands)
    for names, letters, ends in _batches(path):
        for query, reference in _find(CODE[letters], ends, *queries):
            binomials[plain[query % len(plain)]].add(names[reference])
    return binomials


def _united(name: str) -> str:
    return BOTH if "Escherichia" in name or "Shigella" in name else name


def _batches(path: str | Path) -> Iterator[tuple[list[tuple[str, str]], np.ndarray, np.ndarray]]:
    """Read a species set: genus and species, letters and ends of the references, up to BATCH letters at a time."""
    names, letters, starts = [], bytearray(), []
    with inputs.opened(path, "taxonomy.species") as handle:
        for number, line in enumerate(handle, 1):
            line = line.strip()
            if line.startswith(">"):
                if len(letters) > BATCH:
                    yield names, np.frombuffer(letters, dtype=np.uint8), np.array([*starts[1:], len(letters)])
                    names, letters, starts = [], bytearray(), []
                names.append(_binomial(line[1:], path, number))
                starts.append(len(letters))
            elif line and not names:
                raise InputError(f"taxonomy.species {path} line {number}: {line[:30]!r} is no FASTA: {FORMAT}")
            else:
                letters += line.encode()
    if not names:
        raise InputError(f"taxonomy.species {path} holds no sequence")
    yield names, np.frombuffer(letters, dtype=np.uint8), np.array([*starts[1:], len(letters)])


def _binomial(header: str, path: str | Path, number: int) -> tuple[str, str]:
    """Second and third word of a header."""
    fields = header.split()
    if len(fields) < 3:
        hint = " (this is a training set: name it in taxonomy.training_set)" if header.count(";") > 2 else ""
        raise InputError(f"taxonomy.species {path} line {number}: {header[:60]!r} names no species{hint}: {FORMAT}")
    return fields[1], fields[2]


def _index(queries: list[str]) -> tuple[np.ndarray, ...]:
    """What _find needs of the queries: their bases and places, the codes of their middles in rising order, a filter."""
    bases = CODE[np.frombuffer("".join(queries).upper().encode(), dtype=np.uint8)]
    ends = np.cumsum([len(query) for query in queries])
    length = min(SEED, min(len(query) for query in queries))
    offsets = np.array([(len(query) - length) // 2 for query in queries])
    starts = np.concatenate([[0], ends[:-1]])
    codes = _codes(bases, starts + offsets, length)
    order = np.argsort(codes, kind="stable")
    present = np.zeros(1 << FILTER, dtype=np.bool_)
    present[_hash(codes)] = True
    return bases, starts, ends, offsets, order, codes[order], present, np.int64(length)


@compiled()
def _hash(code: np.ndarray) -> np.ndarray:
    return (code * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - FILTER)


@compiled()
def _codes(bases: np.ndarray, places: np.ndarray, length: int) -> np.ndarray:
    """The `length` bases from each place on as one number."""
    codes = np.zeros(len(places), dtype=np.uint64)
    for row in range(len(places)):
        for base in bases[places[row] : places[row] + length]:
            codes[row] = codes[row] << np.uint64(2) | np.uint64(base)
    return codes


@compiled()
def _find(
    references: np.ndarray,
    reference_ends: np.ndarray,
    bases: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    offsets: np.ndarray,
    order: np.ndarray,
    codes: np.ndarray,
    present: np.ndarray,
    length: int,
) -> list[tuple[int, int]]:
    """Pairs of query and reference in which the reference [bases 0-3, 4 = ambiguous] contains the query."""
    found = [(0, 0) for _ in range(0)]
    mask = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - 2 * length)
    first = 0
    for reference in range(len(reference_ends)):
        code, run = np.uint64(0), 0
        for place in range(first, reference_ends[reference]):
            base = references[place]
            run = run + 1 if base < 4 else 0
            code = (code << np.uint64(2) | np.uint64(base & 3)) & mask
            if run < length or not present[_hash(code)]:
                continue
            for rank in range(np.searchsorted(codes, code), len(codes)):
                if codes[rank] != code:
                    break
                query = order[rank]
                start = place - length + 1 - offsets[query]
                size = ends[query] - starts[query]
                if start >= first and start + size <= reference_ends[reference]:
                    same = True
                    for step in range(size):
                        if references[start + step] != bases[starts[query] + step]:
                            same = False
                            break
                    if same:
                        found.append((query, reference))
        first = reference_ends[reference]
    return found
