"""How long the amplicon of a read pair is, from the overlap of its mates.

The reverse read, reverse-complemented, is laid at every place along the forward read; matches at all places at once are
a cross-correlation. A place scores (matches - 2 mismatches), the log-odds of reads with about 5 % errors against chance
(ln(0.95 / 0.25) : -ln(0.05 / 0.75) = 1 : 2). Bases below LOWEST count neither way.
"""

import numpy as np

LOWEST = 10  # Phred
ENOUGH = 16  # score: 16 matching bases at least, which chance gives in one pair of millions
CHUNK = 2000  # pairs at a time
LETTERS = b"ACGT"


def amplicon_lengths(bases: tuple[np.ndarray, np.ndarray], scores: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Length of the amplicon of each pair [n], 0 where no overlap is sure.

    bases: letters of forward and reverse reads [n, L], 0 past their end; scores: their Phred scores [n, L].
    """
    if not len(bases[0]):
        return np.zeros(0, dtype=np.int64)
    size = 1 << (bases[0].shape[1] + bases[1].shape[1] - 1).bit_length()
    starts = range(0, len(bases[0]), CHUNK)
    return np.concatenate(
        [_lengths(*(array[start : start + CHUNK] for array in (*bases, *scores)), size) for start in starts]
    )


def _lengths(forward, reverse, scores_forward, scores_reverse, size: int) -> np.ndarray:
    """One chunk: with f at i and the turned reverse read r at s + i, matches(s) = sum_i [f_i = r_(i - s)]."""
    lengths = np.count_nonzero(reverse, axis=1)
    ahead = _letters(forward, scores_forward)
    # Complement and turn: T G C A for A C G T, and the last base of the longest read comes first.
    turned = _letters(reverse, scores_reverse)[::-1, :, ::-1]
    spectra = [np.fft.rfft(letters, size) for letters in (ahead, turned)]
    matches = np.fft.irfft(sum(one * np.conj(other) for one, other in zip(*spectra, strict=True)), size)
    both = [np.fft.rfft(letters.sum(axis=0), size) for letters in (ahead, turned)]
    compared = np.fft.irfft(both[0] * np.conj(both[1]), size)
    score = 3 * matches - 2 * compared
    place = score.argmax(axis=1)
    sure = np.rint(score[np.arange(len(score)), place]) >= ENOUGH
    start = np.where(place >= forward.shape[1], place - size, place)  # of the turned read, padding included
    # The turned read ends where its padded line does; the amplicon starts where the forward read does.
    amplicon = start + reverse.shape[1]
    return np.where(sure & (lengths > 0) & (amplicon > 0), amplicon, 0)


def _letters(bases: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Indicator of each letter [4, n, L], zero for bases below LOWEST."""
    clear = scores >= LOWEST
    return np.stack([((bases | 32) == (letter | 32)) & clear for letter in LETTERS]).astype(np.float32)
