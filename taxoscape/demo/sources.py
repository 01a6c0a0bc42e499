"""What dada2 brings along: full-length 16S sequences with lineages, and the qualities of real MiSeq reads.

`ten_16s.100.fa.gz` holds up to ten sequences of a genus; `sam1` and `sam2` are 1,500 V4 read pairs each (2 x 250).
"""

import gzip
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from taxoscape import tables
from taxoscape.errors import InputError

BASES = np.frombuffer(b"ACGT", dtype=np.uint8)
RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")
SEQUENCES = "ten_16s.100.fa.gz"
QUALITIES = ("sam1", "sam2")
FORWARD, REVERSE = "GTGYCAGCMGCCGCGGTAA", "GGACTACNVGGGTWTCTAAT"  # 515F, 806R
IUPAC = {"M": "[AC]", "R": "[AG]", "W": "[AT]", "Y": "[CT]", "K": "[GT]", "V": "[ACG]", "B": "[CGT]", "N": "."}
CYCLES = 250  # of the simulated reads
LONGEST = 256  # nt; truncated at 240 and 160, mates still share 144
WORD = 6  # nt of the words that bound the edit distance
DIFFERENCES = 3  # nt at least between any two true ASVs
# Families seen in the human gut: five of six true ASVs come from these.
GUT_SHARE = 5 / 6
_GUT = """
Bacteroidaceae Porphyromonadaceae Prevotellaceae Rikenellaceae Odoribacteraceae Lachnospiraceae Ruminococcaceae
Clostridiaceae Peptostreptococcaceae Peptoniphilaceae Eubacteriaceae Erysipelotrichaceae Veillonellaceae
Selenomonadaceae Acidaminococcaceae Christensenellaceae Lactobacillaceae Streptococcaceae Enterococcaceae
Bifidobacteriaceae Coriobacteriaceae Eggerthellaceae Enterobacteriaceae Desulfovibrionaceae Akkermansiaceae
Fusobacteriaceae Synergistaceae Methanobacteriaceae Succinivibrionaceae Pasteurellaceae Campylobacteraceae
"""
GUT = frozenset(_GUT.split())


@dataclass(frozen=True)
class Reference:
    """Full-length sequences, their lineages (kingdom to genus) and amplicons ("" where a primer does not bind)."""

    sequences: list[str]
    lineages: list[tuple[str, ...]]
    amplicons: list[str]


def extdata() -> Path:
    """Folder of the example data of the installed dada2; raises InputError when there is none."""
    way_out = "install dada2 (make setup, or snakemake --sdm conda) or give a study of your own in input.samples"
    if not shutil.which("R"):
        raise InputError(f"the demo is simulated from sequences that come with dada2, but R is not on PATH: {way_out}")
    command = ["R", "--vanilla", "--no-echo", "-e", 'cat(system.file("extdata", package = "dada2"))']
    folder = Path(subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "absent")
    wanted = [SEQUENCES] + [f"{name}{mate}.fastq.gz" for name in QUALITIES for mate in "FR"]
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        raise InputError(f"the demo needs {', '.join(missing)} in {folder} (dada2's extdata): {way_out}")
    return folder


def read_reference(path: Path) -> Reference:
    """Read the sequences with complete lineages (`>id;tax=d:Bacteria,p:...,g:...;`) and cut V4 out of them."""
    lineages, sequences = [], []
    for name, sequence in tables.read_fasta(path).items():
        names = re.findall(r"[dpcofg]:([^,;]+)", name)
        if len(names) == len(RANKS):
            lineages.append(tuple(names))
            sequences.append(sequence)
    return Reference(sequences, lineages, [amplicon(sequence) for sequence in sequences])


def amplicon(sequence: str) -> str:
    """Sequence between 515F and 806R, primers left out; "" where one of them does not match."""
    primers = FORWARD, tables.reverse_complement(REVERSE)
    start, end = ("".join(IUPAC.get(base, base) for base in primer) for primer in primers)
    found = re.search(f"{start}(.*?){end}", sequence)
    return found.group(1) if found else ""


def choose(reference: Reference, number: int, rng: np.random.Generator) -> np.ndarray:
    """Positions [number] of the sequences whose amplicons are the true ASVs.

    Gut families fill GUT_SHARE, the other phyla the rest, in turn. Any two amplicons differ by at least DIFFERENCES
    edits, none is a chimera of two others, and each belongs to one genus. Raises InputError when there are too few.
    """
    usable = _usable(reference, rng)
    gut = [index for index in usable if reference.lineages[index][4] in GUT]
    other = [index for index in usable if reference.lineages[index][4] not in GUT]
    places = round(number * GUT_SHARE)
    chosen = []
    for pool, size in ((_in_turn(gut, reference, 4), places), (_in_turn(other, reference, 1), number)):
        for index in pool:
            if len(chosen) == size:
                break
            if _fits(reference.amplicons[index], [reference.amplicons[other] for other in chosen]):
                chosen.append(index)
    if len(chosen) < number:
        raise InputError(f"demo.taxa={number} is more than the {len(chosen)} distinct sequences at hand: lower it")
    return np.sort(chosen)


@cache
def word_counts(sequence: str) -> np.ndarray:
    """Counts of the words of WORD letters [4 ** WORD] of a sequence of A, C, G, T."""
    codes = np.searchsorted(BASES, np.frombuffer(sequence.encode(), dtype=np.uint8))
    words = np.lib.stride_tricks.sliding_window_view(codes, WORD) @ 4 ** np.arange(WORD)
    return np.bincount(words, minlength=4**WORD).astype(np.int16)


def edits_at_least(words: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Lower bound of the edit distance between one sequence and others [n, 4 ** WORD], from their word counts.

    One edit changes at most WORD words (Ukkonen 1992, the q-gram lemma).
    """
    shared = np.minimum(words, others).sum(axis=1)
    return (np.maximum(words.sum(), others.sum(axis=1)) - shared) / WORD


def is_chimera(sequences: list[str], place: int) -> bool:
    """Whether the start of one of the other sequences and the end of another make up the sequence at `place`."""
    sequence, others = sequences[place], sequences[:place] + sequences[place + 1 :]
    left = max(_common(sequence, other) for other in others)
    right = max(_common(sequence[::-1], other[::-1]) for other in others)
    return left + right >= len(sequence)


def read_qualities(folder: Path, name: str) -> np.ndarray:
    """Qualities [pairs, 2, CYCLES] of real read pairs, forward and reverse."""
    mates = [_quality_lines(folder / f"{name}{mate}.fastq.gz") for mate in "FR"]
    pairs = [pair for pair in zip(*mates, strict=True) if min(map(len, pair)) >= CYCLES]
    return np.array([[np.frombuffer(line[:CYCLES], dtype=np.uint8) - 33 for line in pair] for pair in pairs])


def _quality_lines(path: Path) -> list[bytes]:
    with gzip.open(path, "rb") as handle:
        return [line.rstrip() for line in handle][3::4]


def _usable(reference: Reference, rng: np.random.Generator) -> list[int]:
    """Positions, in random order, of one sequence per amplicon that is complete and of one genus only."""
    genera, first = {}, {}
    for index in rng.permutation(len(reference.amplicons)):
        cut = reference.amplicons[index]
        if CYCLES <= len(cut) <= LONGEST and set(cut) <= set("ACGT"):
            genera.setdefault(cut, set()).add(reference.lineages[index])
            first.setdefault(cut, int(index))
    return [index for cut, index in first.items() if len(genera[cut]) == 1]


def _in_turn(pool: list[int], reference: Reference, rank: int) -> list[int]:
    """Pool reordered so that the clades of a rank take turns."""
    seen, turns = {}, []
    for index in pool:
        clade = reference.lineages[index][rank]
        seen[clade] = seen.get(clade, 0) + 1
        turns.append(seen[clade])
    return [pool[place] for place in np.argsort(turns, kind="stable")]


def _fits(candidate: str, chosen: list[str]) -> bool:
    if not chosen:
        return True
    words = np.array([word_counts(sequence) for sequence in chosen])
    if edits_at_least(word_counts(candidate), words).min() < DIFFERENCES:
        return False
    sequences = [*chosen, candidate]
    return not any(is_chimera(sequences, place) for place in range(len(sequences)))


def _common(one: str, other: str) -> int:
    """Length of the common start of two strings."""
    return next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))
