"""What a FASTQ file holds: lengths, qualities, bases, GC, repeated starts and adapters, counted block by block.

Every count is of all reads, but for repeated starts: the first PREFIX nt of the first FIRST reads.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from taxoscape.reads import quality
from taxoscape.reads.fastq import Block

LETTERS = "ACGTN"
FIRST = 100_000  # reads
PREFIX = 50  # nt
COMMONEST = 5  # repeated starts that are named
# Twelve bases that a read runs into behind its insert (Illumina Adapter Sequences, document 1000000002694).
ADAPTERS = {"Illumina TruSeq": b"AGATCGGAAGAG", "Nextera": b"CTGTCTCTTATA", "small RNA": b"TGGAATTCTCGG"}
CODES = np.full(256, 7, dtype=np.uint8)  # 0-4 for ACGTN, 7 past the end
CODES[list(b"ACGTN")] = CODES[list(b"acgtn")] = range(5)


@dataclass
class Content:
    """Counts over the reads of one file so far."""

    histogram: np.ndarray = field(default_factory=lambda: quality.EMPTY)  # scores at each cycle [cycles, 94]
    bases: np.ndarray = field(default_factory=lambda: np.zeros((0, len(LETTERS)), dtype=np.int64))  # [cycles, 5]
    lengths: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # reads of each length
    means: np.ndarray = field(default_factory=lambda: np.zeros(quality.SCORES, dtype=np.int64))  # by mean score
    gc: np.ndarray = field(default_factory=lambda: np.zeros(101, dtype=np.int64))  # reads by percent of G and C
    starts: Counter = field(default_factory=Counter)  # reads by their first bases
    adapters: np.ndarray = field(default_factory=lambda: np.zeros((0, len(ADAPTERS)), dtype=np.int64))

    def add(self, block: Block) -> None:
        """Count the reads of a block, too."""
        if not block.sequences:
            return
        lengths = np.fromiter(map(len, block.sequences), dtype=np.int64, count=len(block.sequences))
        scores, codes = quality.padded(block.qualities), CODES[quality.padded(block.sequences)]
        self.histogram = quality.add(self.histogram, quality.counts(scores))
        self.bases = quality.add(self.bases, _by_cycle(codes))
        self.lengths = quality.add(self.lengths, np.bincount(lengths))
        padding = ord(quality.PAD) * (scores.shape[1] - lengths)
        means = (scores.sum(axis=1, dtype=np.int64) - padding) / lengths - quality.OFFSET
        self.means = self.means + np.bincount(np.rint(means).astype(np.int64), minlength=quality.SCORES)
        letters = np.count_nonzero(codes < 4, axis=1)
        strong = np.count_nonzero((codes == 1) | (codes == 2), axis=1)
        share = np.rint(100 * strong[letters > 0] / letters[letters > 0]).astype(np.int64)
        self.gc = self.gc + np.bincount(share, minlength=101)
        room = FIRST - self.starts.total()
        self.starts.update(read[:PREFIX] for read in block.sequences[:room])
        self.adapters = quality.add(self.adapters, _adapters(block.sequences, lengths))


def summary(content: Content) -> dict:
    """Counts of a file as shares and quantiles that a page can show (scores in Phred, shares 0-1)."""
    reads = int(content.lengths.sum())
    bases, cycles = content.bases.sum(), content.bases.sum(axis=1, keepdims=True)
    scores = content.histogram.sum(axis=0)
    counted = content.starts.total()
    found = content.adapters.sum(axis=0) / reads
    return {
        "reads": reads,
        "lengths": {int(length): int(content.lengths[length]) for length in np.flatnonzero(content.lengths)},
        "mean_quality": float(scores @ np.arange(quality.SCORES) / bases),
        "q30": float(scores[30:].sum() / bases),
        "poor_reads": float(content.means[:20].sum() / reads),
        "gc_mean": float(content.bases[:, 1:3].sum() / max(1, content.bases[:, :4].sum())),
        "n_share": float(content.bases[:, 4].sum() / bases),
        "distinct_starts": len(content.starts) / counted,
        "commonest": [
            {"sequence": read.decode(), "share": count / counted}
            for read, count in sorted(content.starts.items(), key=lambda item: (-item[1], item[0]))[:COMMONEST]
        ],
        "adapters": {name: float(share) for name, share in zip(ADAPTERS, found, strict=True)},
        "by_cycle": {
            "quality": _quantiles(content.histogram),
            "bases": {
                letter: np.round(content.bases[:, column] / cycles[:, 0], 4) for column, letter in enumerate(LETTERS)
            },
            "adapters": {
                name: np.round(np.cumsum(content.adapters[:, column]) / reads, 5)
                for column, name in enumerate(ADAPTERS)
            },
        },
        "read_quality": content.means[: int(np.flatnonzero(content.means)[-1]) + 1],
        "gc": content.gc,
        "repeats": _repeats(content.starts),
    }


def _by_cycle(codes: np.ndarray) -> np.ndarray:
    """Bases at each cycle [L, 5] of coded reads [n, L]."""
    return np.column_stack([np.count_nonzero(codes == code, axis=0) for code in range(len(LETTERS))])


def _adapters(sequences: list[bytes], lengths: np.ndarray) -> np.ndarray:
    """Reads in which each adapter starts at each cycle [longest, adapters]; the first place in a read counts."""
    starts = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]])
    text, counts = b"\n".join(sequences), np.zeros((lengths.max(), len(ADAPTERS)), dtype=np.int64)
    for column, adapter in enumerate(ADAPTERS.values()):
        places = np.fromiter(_occurrences(text, adapter), dtype=np.int64)
        reads, first = np.unique(np.searchsorted(starts, places, side="right") - 1, return_index=True)
        counts[:, column] = np.bincount(places[first] - starts[reads], minlength=len(counts))
    return counts


def _occurrences(text: bytes, word: bytes) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + 1)


def _quantiles(histogram: np.ndarray) -> dict[str, np.ndarray]:
    total, rising = histogram.sum(axis=1, keepdims=True), histogram.cumsum(axis=1)
    quantiles = {f"q{share}": (100 * rising >= share * total).argmax(axis=1) for share in (10, 25, 50, 75, 90)}
    return quantiles | {"mean": np.round(histogram @ np.arange(quality.SCORES) / total[:, 0], 2)}


def _repeats(starts: Counter) -> dict[str, float]:
    """Share of the reads whose start occurs so often."""
    counts = np.array(list(starts.values()))
    edges = {"once": (1, 1), "2-9": (2, 9), "10-99": (10, 99), "100-999": (100, 999), "1000 and more": (1000, FIRST)}
    total = counts.sum()
    return {
        name: float(counts[(counts >= low) & (counts <= high)].sum() / total) for name, (low, high) in edges.items()
    }
