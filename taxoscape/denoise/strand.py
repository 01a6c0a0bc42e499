"""Which way round amplicon sequences run: their words beside those of reference sequences of known direction.

A library whose adapters were ligated to both ends of the amplicon holds both strands; half of its variants are then
reverse complements of the other half, and count as other organisms. Marker genes share words of 12 nt over wide
distances: a sequence runs forward where the reference knows more of its words than of its other strand's.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.denoise import dada
from taxoscape.errors import InputError, examples
from taxoscape.tables import reverse_complement

WORD = 12  # nt; 4^12 words are many times those of a few thousand references
# Of 15,500 ASVs of six studies (V4 and V3-V4, 100 to 400 nt) the reference knows 20 % of the words or more, and 9 % at
# most of the other strand's; of random sequences 3 %.
SHARE = 0.15  # of the words of one strand that the reference must know
RATIO = 4  # times that they must outnumber those of the other strand
TOLERATED = 0.01  # share of reads below which reversed variants stop no study
NAMES = {1: "forward", -1: "reverse", 0: "unknown"}
CODES = np.full(256, 4, dtype=np.int32)
CODES[np.frombuffer(b"ACGT", dtype=np.uint8)] = range(4)


def read_reference(path: str | list) -> dict[str, str]:
    """Sequences of known direction: a FASTA, or (no path) the full-length 16S sequences that come with dada2."""
    return tables.read_fasta(path or dada.example_file("ten_16s.100.fa.gz"), may_be_empty=False)


def known_words(references: Iterable[str]) -> np.ndarray:
    """Which of all 4^WORD words occur in sequences of known direction -> [4^WORD] (bool)."""
    known = np.zeros(4**WORD, dtype=bool)
    for sequence in references:
        words = words_of(sequence)
        known[words[words >= 0]] = True
    return known


def settle(
    counts: np.ndarray, sequences: list[str], known: np.ndarray, config: dict
) -> tuple[np.ndarray, list[str], pd.DataFrame]:
    """Refuse, turn round or leave the sequences that run the other way, as denoise.strand says.

    Counts [samples, sequences] -> counts and sequences (those turned to one already there are added up; by falling
    abundance), and what was found: strand, sequences, reads. Raises InputError.
    """
    reads = counts.sum(axis=0)
    found = with_partners(sequences, reads, directions(sequences, known))
    strands = [(name, int((found == way).sum()), int(reads[found == way].sum())) for way, name in NAMES.items()]
    print(*(f"{name}: {number:,} sequences, {total:,} reads" for name, number, total in strands), sep="\n")
    frame = pd.DataFrame(strands, columns=["strand", "sequences", "reads"])
    reverse = found < 0
    if config["strand"] == "error" and reads[reverse].sum() >= TOLERATED * reads.sum():
        raise InputError(_reversed(sequences, reads, reverse))
    if config["strand"] == "turn":
        counts, sequences = turn(counts, sequences, reverse)
    return counts, sequences, frame


def directions(sequences: list[str], known: np.ndarray) -> np.ndarray:
    """1 for sequences that run as the reference does, -1 for those that run the other way, 0 where it does not tell."""
    found = np.zeros(len(sequences), dtype=int)
    for place, sequence in enumerate(sequences):
        own, other = (hits(strand, known) for strand in (sequence, reverse_complement(sequence)))
        if max(own, other) >= SHARE * (len(sequence) - WORD + 1) and (own > RATIO * other or other > RATIO * own):
            found[place] = 1 if own > other else -1
    return found


def with_partners(sequences: list[str], reads: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Directions, the unknown ones settled where the table holds both strands: the rarer runs the other way."""
    place = {sequence: index for index, sequence in enumerate(sequences)}
    settled = found.copy()
    for index in np.flatnonzero(found == 0):
        partner = place.get(reverse_complement(sequences[index]))
        if partner is not None and partner != index:
            settled[index] = 1 if (reads[index], partner) > (reads[partner], index) else -1
    return settled


def turn(counts: np.ndarray, sequences: list[str], reverse: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Reverse-complement the marked sequences, add up equal ones, order by falling abundance."""
    turned = [reverse_complement(one) if back else one for one, back in zip(sequences, reverse, strict=True)]
    names, columns = np.unique(turned, return_inverse=True)
    together = np.zeros((len(counts), len(names)), dtype=counts.dtype)
    np.add.at(together.T, columns, counts.T)
    # Sequences of equal abundance keep the order in which they first came.
    first = np.full(len(names), len(turned))
    np.minimum.at(first, columns, np.arange(len(turned)))
    order = np.lexsort((first, -together.sum(axis=0)))
    print(f"{reverse.sum():,} sequences are turned round; {len(turned) - len(names):,} of them were there already")
    return together[:, order], [str(name) for name in names[order]]


def _reversed(sequences: list[str], reads: np.ndarray, reverse: np.ndarray) -> str:
    share, total = reads[reverse].sum() / reads.sum(), reads[reverse].sum()
    named = [f"{sequences[place][:20]}... with {reads[place]:,} reads" for place in np.flatnonzero(reverse)]
    cure = "swap fq1 and fq2 in the sample sheet" if share > 0.5 else "let reads.primers turn the reads round"
    return (
        f"{reverse.sum():,} of {len(sequences):,} ASVs with {share:.1%} of the reads ({total:,}) run in the other "
        f"direction ({examples(named)}): {cure}, or set denoise.strand to turn (ASVs) or ignore"
    )


def words_of(sequence: str) -> np.ndarray:
    """Words of a sequence as numbers to base 4, from left to right -> [length - WORD + 1]; other letters: below 0."""
    codes = CODES[np.frombuffer(sequence.encode(), dtype=np.uint8)]
    if len(codes) < WORD:
        return np.zeros(0, dtype=np.int32)
    windows = np.lib.stride_tricks.sliding_window_view(codes, WORD)
    return np.where((windows < 4).all(axis=1), windows @ (4 ** np.arange(WORD, dtype=np.int32)[::-1]), -1)


def hits(sequence: str, known: np.ndarray) -> int:
    """Words of a sequence that the reference knows."""
    words = words_of(sequence)
    return int(known[words[words >= 0]].sum())
