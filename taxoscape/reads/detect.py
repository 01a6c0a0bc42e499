"""Known primers at the start of the reads (resources/primers.tsv), found by their letters alone.

A read starts with a primer when at most MISMATCHES of its letters differ, after at most SPACER other bases (barcodes,
spacers of staggered libraries). Of several primers that fit, the one that says most of the read's first bases is
named: a letter says 2 - log2(bases it stands for) bits, a mismatch and a base before the primer cost COST bits each.
So 806R (GGACTAC...) is told from 785R (GACTAC...), and 515F from 515F-Y where the fourth base is always C.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.errors import InputError, examples
from taxoscape.reads.primers import IUPAC, spelled

MISMATCHES = 0.15  # of a primer's letters
SPACER = 16  # nt, as long as barcodes are
READS = 200  # of a file that are looked at
LONGEST = 40  # nt of a primer
COST = 4.0  # bits
MOST_READS = 0.5  # a sample with primers on more of its reads has them left on
SOME_READS = 0.1  # a primer on fewer of the reads is none of the sample's
ENOUGH = 50  # reads; fewer cannot say that there is no primer
MASKS = {letter: sum(1 << "ACGT".index(base) for base in bases) for letter, bases in IUPAC.items()}
READ_CODES = np.zeros(256, dtype=np.uint8)
READ_CODES[list(b"ACGTacgt")] = [1, 2, 4, 8] * 2


@dataclass(frozen=True)
class Primer:
    """A row of resources/primers.tsv."""

    name: str
    region: str
    direction: str
    sequence: str
    citation: str


def known_primers(path: str | Path) -> list[Primer]:
    """Read resources/primers.tsv."""
    return [Primer(**row) for row in tables.read_tsv(path, "known primers").to_dict("records")]


def find(files: list[list[bytes]], known: list[Primer]) -> dict[str, tuple[Primer | None, float]]:
    """Which known primers the reads of a sample start with; `files` are some reads of its one or two files.

    Returns for each direction the primer, or None, and the share of all reads that start with it; and under `any`
    the share of reads with any known primer, of the file that has most.
    """
    codes = [_codes(reads[:: -(-len(reads) // READS)]) for reads in files]
    hits = [np.zeros(len(rows), dtype=bool) for rows in codes]
    best = dict.fromkeys(("forward", "reverse"), (None, 0.0, -np.inf))
    for primer in known:
        placed = [place(rows, primer.sequence) for rows in codes]
        hits = [before | now for before, (now, _) in zip(hits, placed, strict=True)]
        starts, bits = (np.concatenate(parts) for parts in zip(*placed, strict=True))
        said = bits[starts].sum()
        if starts.mean() >= SOME_READS and said > best[primer.direction][2]:
            best[primer.direction] = primer, float(starts.mean()), float(said)
    found = {direction: (primer, share) for direction, (primer, share, _) in best.items()}
    return found | {"any": (None, max(float(hit.mean()) for hit in hits))}


def place(codes: np.ndarray, sequence: str) -> tuple[np.ndarray, np.ndarray]:
    """Whether each read [reads, first bases] starts with a primer [reads], and the bits it then says [reads]."""
    letters = np.array([MASKS[letter] for letter in spelled(sequence)], dtype=np.uint8)
    worth = 2 - np.log2([len(IUPAC[letter]) for letter in spelled(sequence)])
    windows = np.lib.stride_tricks.sliding_window_view(codes, len(letters), axis=1)[:, : SPACER + 1]
    wrong = (windows & letters) == 0  # [reads, places, letters]
    mismatches = wrong.sum(axis=2, dtype=np.uint8)
    reads, places = np.nonzero(mismatches <= int(MISMATCHES * len(letters)))
    bits = np.full(len(codes), -np.inf)
    np.maximum.at(bits, reads, ~wrong[reads, places] @ worth - COST * (mismatches[reads, places] + places))
    return bits > -np.inf, bits


def check_left(sample: str, found: dict, files: list[str]) -> None:
    """Raise InputError where most reads of a sample still start with a known primer."""
    if found["any"][1] <= MOST_READS:
        return
    named = [
        f"{primer.name} {primer.sequence} ({share:.0%})"
        for primer, share in (found["forward"], found["reverse"])
        if primer
    ]
    raise InputError(
        f"sample {sample}: primers are left on {found['any'][1]:.0%} of the reads of {' or '.join(map(str, files))}: "
        f"{' and '.join(named)}; set reads.primers: auto (or to their sequences) to cut them, or "
        "reads.primers_left: ignore where they are cut later or none were used"
    )


def chosen(rows: pd.DataFrame, known: list[Primer], config: dict) -> dict[str, str | None]:
    """Primers to cut, 5' to 3' (None where there are none): those of the config, or with auto those of all samples."""
    if config["primers"] == "auto":
        used = agreed(rows, known, paired="length_reverse" in rows)
        print(f"primers found: {used}")
        return used
    primers = config["primers"] or dict.fromkeys(("forward", "reverse"))
    return {direction: spelled(sequence) if sequence else None for direction, sequence in primers.items()}


def agreed(rows: pd.DataFrame, known: list[Primer], paired: bool) -> dict[str, str | None]:
    """The primers that all samples have: {forward: sequence, reverse: sequence or None}.

    rows: sample, sampled (reads looked at), primer_forward, primer_reverse (names, empty where there is none).
    Raises InputError where a sample has none, or others than the rest. Samples of fewer than ENOUGH reads do not count.
    """
    rows = rows[rows["sampled"].astype(int) >= ENOUGH]
    needed = ["forward", "reverse"] if paired else ["forward"]
    for direction in needed:
        lacking = rows.loc[rows[f"primer_{direction}"] == "", "sample"]
        if len(lacking) or rows.empty:
            raise InputError(
                f"reads.primers: auto finds no known {direction} primer in {len(lacking)} of {len(rows)} samples "
                f"({examples(lacking)}): give reads.primers as sequences, or null where they were cut before"
            )
    used = {}
    for direction in ("forward", "reverse"):
        names = rows[f"primer_{direction}"]
        common = names.mode().iloc[0]
        odd = rows[names != common]
        if len(odd):
            raise InputError(
                f"reads.primers: auto finds {direction} primer {common or 'none'} in {len(rows) - len(odd)} samples "
                f"but {odd[f'primer_{direction}'].iloc[0] or 'none'} in {len(odd)} ({examples(odd['sample'])}): "
                "they amplify different stretches, run them as studies of their own or give reads.primers as sequences"
            )
        used[direction] = next((primer.sequence for primer in known if primer.name == common), None)
    return used


def _codes(reads: list[bytes]) -> np.ndarray:
    """First bases of the reads as bits A 1, C 2, G 4, T 8, else 0 -> [reads, bases]."""
    width = SPACER + LONGEST
    padded = b"".join(read[:width].ljust(width) for read in reads)
    return READ_CODES[np.frombuffer(padded, dtype=np.uint8)].reshape(len(reads), width)
