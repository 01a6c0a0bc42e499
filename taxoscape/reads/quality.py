"""Quality histograms [cycles, 94]: how many bases of each cycle have each Phred+33 score 0-93."""

import numpy as np
import pandas as pd

OFFSET = 33  # Phred+33, the encoding of every current sequencer
SCORES = 94  # printable characters ! to ~
PAD = b" "
EMPTY = np.zeros((0, SCORES), dtype=np.int64)


def padded(lines: list[bytes], pad: bytes = PAD) -> np.ndarray:
    """Lines as characters [n, longest line], `pad` past their end."""
    longest = max(map(len, lines), default=0)
    letters = b"".join(line.ljust(longest, pad) for line in lines)
    return np.frombuffer(letters, dtype=np.uint8).reshape(len(lines), longest)


def counts(characters: np.ndarray) -> np.ndarray:
    """Count the scores of padded quality lines -> [longest line, 94]."""
    longest = characters.shape[1]
    places = characters + 128 * np.arange(longest)
    found = np.bincount(places.ravel(), minlength=128 * longest).reshape(longest, 128)
    return found[:, OFFSET : OFFSET + SCORES]


def add(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Sum of two arrays of counts, of which one may have fewer cycles (or lengths)."""
    shorter, longer = sorted((one, other), key=len)
    total = longer.copy()
    total[: len(shorter)] += shorter
    return total


def profile(counts: np.ndarray) -> pd.DataFrame:
    """Quality at each cycle of a histogram: cycle (1-based), mean, q25, q50, q75 (smallest score with that share)."""
    bases = counts.sum(axis=1)
    frame = pd.DataFrame({"cycle": np.arange(1, len(counts) + 1), "mean": counts @ np.arange(SCORES) / bases})
    for name, share in (("q25", 0.25), ("q50", 0.5), ("q75", 0.75)):
        frame[name] = (counts.cumsum(axis=1) >= share * bases[:, None]).argmax(axis=1)
    return frame


def scores(counts: np.ndarray) -> pd.DataFrame:
    """Distinct scores of a histogram: quality, bases."""
    bases = counts.sum(axis=0)
    return pd.DataFrame({"quality": np.flatnonzero(bases), "bases": bases[bases > 0]})
