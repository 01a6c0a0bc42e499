"""The naive Bayesian classifier of Wang et al. 2007 as DADA2's assignTaxonomy has it, with ties decided by the seed.

A sequence is its words: all 8-mers, and its lineage the g with the largest sum of log P(w|g), where

    P(w|g) = (m_g(w) + p(w)) / (M_g + 1),    p(w) = (n(w) + 0.5) / (N + 1):

m_g(w) of the M_g references of g and n(w) of all N have the word w. A confidence is the share of 100 draws of an
eighth of the words that agree, from kingdom down to a rank, with the lineage of all words. Sums in float32, their order
and the draws (R's Mersenne Twister) are DADA2's, so that the same seed gives what `set.seed(seed); assignTaxonomy(...)`
gives in R, except for exact ties between lineages: DADA2 decides them by std::random_device, which no seed governs;
here a hash of seed, sequence, draw and lineage does. Ties are shared out among the draws as in DADA2, but always in
the same way.

Q. Wang et al., Applied and Environmental Microbiology 73:5261 (2007); B. J. Callahan et al., Nature Methods 13 (2016).
"""

import hashlib
from collections.abc import Sequence

import numba
import numpy as np

from taxoscape.compiled import compiled, use_threads
from taxoscape.tables import reverse_complement
from taxoscape.taxonomy.training import TrainingSet

K = 8  # nt of a word
WORDS = 4**K
SHORTEST = 50  # nt; DADA2 classifies nothing shorter
MIN_REFERENCE = 20  # nt; DADA2 drops shorter references
DRAWS = 100  # bootstrap draws; so their number is a percentage
R_STEP, R_LEAST = 2.3283064365386963e-10, 0.5 * 2.328306437080797e-10  # R's 32 random bits to (0, 1)
GENERA = 8192  # lineages in memory at a time: 2 GB of probabilities
TILE = 256  # lineages scored at a time: the words of an amplicon times TILE float32 stay in the cache
LINE = 16  # float32 in a line of the cache
# 0-3 for A, C, G, T; 4 breaks the word.
CODE = np.full(256, 4, dtype=np.uint8)
CODE[np.frombuffer(b"ACGTU", dtype=np.uint8)] = [0, 1, 2, 3, 3]


def classify(
    sequences: Sequence[str],
    training: TrainingSet,
    min_bootstrap: float,
    chunk: int,
    seed: int,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Classify sequences -> names [n, ranks] (None = below min_bootstrap percent) and bootstraps [n, ranks] (percent).

    Both strands are tried. `chunk` sequences are classified at a time; neither chunks nor threads change the result.
    Sequences under 50 nt, or with hardly a word that is not ambiguous, keep no name and a bootstrap of NaN.
    """
    use_threads(threads)
    model = Model(training)
    lineages = np.array(training.lineages, dtype=object)
    names = np.full((len(sequences), lineages.shape[1]), None, dtype=object)
    bootstraps = np.full(names.shape, np.nan)
    rows = [row for row, sequence in enumerate(sequences) if len(sequence) >= SHORTEST and len(words(sequence)) >= K]
    uniforms = Uniforms([len(sequences[row]) for row in rows], seed)
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        print(f"naive Bayes: sequences {start + 1:,} to {start + len(part):,} of {len(rows):,}")
        given = [sequences[row] for row in part]
        genera, bootstraps[part] = assign(model, given, uniforms.of(start, len(part)), seed)
        found = lineages[genera]
        names[part] = np.where((bootstraps[part] >= min_bootstrap) & (found != ""), found, None)
    return names, bootstraps


def assign(model: "Model", sequences: Sequence[str], uniforms: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences -> their lineages [n] and the percentage of draws [n, ranks] that agree with them at each rank.

    `uniforms` [n, U] in (0, 1) draw the words; `seed` decides ties.
    """
    count = len(sequences)
    strands = [words(strand) for strand in (*sequences, *map(reverse_complement, sequences))]
    seeds = np.array([ties(sequence, seed) for sequence in sequences])  # [n, draws + 1]
    whole = [np.arange(len(found))[None] for found in strands]
    score, lineage = (values.reshape(2, count) for values in model.best(strands, whole, np.tile(seeds[:, :1], (2, 1))))
    turned = (score[1] > score[0]).astype(int)
    genera = lineage[turned, np.arange(count)]
    found = [strands[row + count * strand] for row, strand in enumerate(turned)]
    drawn = [
        (len(one) * uniform[: DRAWS * (len(one) // K)]).astype(int).reshape(DRAWS, -1)
        for one, uniform in zip(found, uniforms, strict=True)
    ]
    _, drawn_genera = model.best(found, drawn, seeds[:, 1:])
    same = model.codes[drawn_genera] == model.codes[genera][:, None]  # [n, draws, ranks]
    return genera, np.logical_and.accumulate(same, axis=2).sum(axis=1)


def words(sequence: str) -> np.ndarray:
    """Words of a sequence as numbers below 4^8, in rising order, as often as they occur; ambiguous ones left out."""
    return np.sort(_words(np.frombuffer(sequence.upper().encode(), dtype=np.uint8), CODE))


def ties(sequence: str, seed: int) -> np.ndarray:
    """Seeds [draws + 1] of a sequence's ties: of all its words, and of each draw. The same for both strands."""
    digest = hashlib.sha256(min(sequence, reverse_complement(sequence)).encode()).digest()
    generator = np.random.default_rng([seed, *np.frombuffer(digest, dtype="<u4").tolist()])
    return generator.integers(0, 2**63, DRAWS + 1).astype(np.uint64)


class Uniforms:
    """The uniform numbers that DADA2 draws the words of each sequence with, for sequences of given lengths.

    DADA2 lets a sequence begin one longest sequence's number of words after the one before it, so that neighbours
    share most of their numbers, though each by itself has as many independent ones as it needs.
    """

    def __init__(self, lengths: Sequence[int], seed: int):
        self.stride = max(lengths, default=K) - K + 1
        self.size = DRAWS * (self.stride // K)
        self.raw = r_mersenne_twister(seed).random_raw(len(lengths) * self.stride + self.size).astype(np.uint32)

    def of(self, start: int, count: int) -> np.ndarray:
        """Numbers [count, U] of `count` sequences from place `start` on, in (0, 1) as R's runif makes them."""
        places = (start + np.arange(count))[:, None] * self.stride + np.arange(self.size)
        return np.clip(self.raw[places] * R_STEP, R_LEAST, 1 - R_LEAST)


def r_mersenne_twister(seed: int) -> np.random.MT19937:
    """The generator after set.seed(seed, kind = "Mersenne-Twister") in R, which fills its state by x -> 69069 x + 1."""
    state, key = seed & 0xFFFFFFFF, []
    for step in range(50 + 625):  # R warms up with 50 steps, and the first number of the state is the place in it
        state = (69069 * state + 1) & 0xFFFFFFFF
        if step > 50:
            key.append(state)
    generator = np.random.MT19937()
    generator.state = {"bit_generator": "MT19937", "state": {"key": np.array(key, dtype=np.uint32), "pos": 624}}
    return generator


class Model:
    """Log-probabilities of words given lineages, in blocks of GENERA lineages that are made when they are needed."""

    def __init__(self, training: TrainingSet):
        starts = np.concatenate([[0], training.ends[:-1]])
        long = np.flatnonzero(training.ends - starts >= MIN_REFERENCE)
        order = long[np.argsort(training.labels[long], kind="stable")]  # a block is then one stretch of references
        self.starts, self.ends, self.labels = starts[order], training.ends[order], training.labels[order]
        self.letters = training.letters
        self.codes = np.array(
            [np.unique(level, return_inverse=True)[1] for level in zip(*training.lineages, strict=True)]
        ).T
        seen = _references_with(self.letters, self.starts, self.ends, CODE)
        self.prior = ((seen + 0.5) / (1.0 + len(order))).astype(np.float32)
        self.block = (-1, np.empty((0, 0), dtype=np.float32))

    def best(
        self, found: list[np.ndarray], picks: list[np.ndarray], seeds: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Best log-probability [n, B] and its lineage [n, B] for B selections of the words of n sequences.

        `found` are the words of each sequence, `picks` [B, m] the places of those selected, `seeds` [n, B] decide ties.
        """
        score = np.full(seeds.shape, -np.inf, dtype=np.float32)
        lineage = np.zeros(seeds.shape, dtype=np.int32)
        ends = np.cumsum([0] + [len(part) for part in found])
        pick_ends = np.cumsum([0] + [part.size for part in picks])
        chosen = np.concatenate([part.ravel() for part in picks]).astype(np.int32)
        for start in range(0, len(self.codes), GENERA):
            matrix = self.probabilities(start)
            _score(matrix, np.concatenate(found), ends, chosen, pick_ends, seeds, start, score, lineage)
        return score, lineage

    def probabilities(self, start: int) -> np.ndarray:
        """Log P(w|g) [words, lineages] of the block of lineages that begins with `start`."""
        if self.block[0] != start:
            self.block = (-1, np.empty((0, 0), dtype=np.float32))  # one block at a time
            lineages = np.arange(start, min(start + GENERA, len(self.codes)) + 1)
            ends = np.searchsorted(self.labels, lineages)
            self.block = (start, _log_probabilities(self.letters, self.starts, self.ends, ends, self.prior, CODE))
        return self.block[1]


@compiled()
def _words(letters: np.ndarray, code: np.ndarray) -> np.ndarray:
    found = np.empty(max(len(letters) - K + 1, 0), dtype=np.uint16)
    count = length = word = 0
    for letter in letters:
        base = code[letter]
        length = length + 1 if base < 4 else 0
        word = (word << 2 | base & 3) & (WORDS - 1)
        if length >= K:
            found[count] = word
            count += 1
    return found[:count]


@compiled()
def _references_with(letters: np.ndarray, starts: np.ndarray, ends: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Number of references [words] that have each word."""
    seen = np.zeros(WORDS)
    last = np.full(WORDS, -1, dtype=np.int64)
    for reference in range(len(starts)):
        for word in _words(letters[starts[reference] : ends[reference]], code):
            if last[word] != reference:
                last[word] = reference
                seen[word] += 1
    return seen


@compiled(parallel=True)
def _log_probabilities(
    letters: np.ndarray, starts: np.ndarray, ends: np.ndarray, bounds: np.ndarray, prior: np.ndarray, code: np.ndarray
) -> np.ndarray:
    """Log P(w|g) [words, G]; the references of lineage g are bounds[g] to bounds[g + 1].

    LINE lineages at a time, so that whole lines of memory are written.
    """
    count = len(bounds) - 1
    result = np.empty((WORDS, count), dtype=np.float32)
    for part in numba.prange((count + LINE - 1) // LINE):
        first = part * LINE
        width = min(LINE, count - first)
        have = np.zeros((WORDS, LINE), dtype=np.float32)
        last = np.full(WORDS, -1, dtype=np.int64)
        for g in range(width):
            for reference in range(bounds[first + g], bounds[first + g + 1]):
                for word in _words(letters[starts[reference] : ends[reference]], code):
                    if last[word] != reference:
                        last[word] = reference
                        have[word, g] += np.float32(1)
        for word in range(WORDS):
            for g in range(width):
                size = np.float32(bounds[first + g + 1] - bounds[first + g] + 1)
                result[word, first + g] = np.log((have[word, g] + prior[word]) / size)
    return result


@compiled()
def _priority(seed: np.uint64, lineage: int) -> np.uint64:
    """Hash of a seed and a lineage: among lineages of equal probability the largest wins (splitmix64)."""
    x = seed + np.uint64(lineage + 1) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@compiled(parallel=True)
def _score(
    matrix: np.ndarray,
    found: np.ndarray,
    ends: np.ndarray,
    picks: np.ndarray,
    pick_ends: np.ndarray,
    seeds: np.ndarray,
    offset: int,
    score: np.ndarray,
    lineage: np.ndarray,
) -> None:
    """Raise score [n, B] and lineage [n, B] by a block's log-probabilities [words, G] of lineages from `offset` on.

    Each sum runs in the order of the picks, as DADA2's does: float32 sums depend on it.
    """
    for row in numba.prange(len(ends) - 1):
        count = ends[row + 1] - ends[row]
        size = (pick_ends[row + 1] - pick_ends[row]) // seeds.shape[1]
        cached = np.empty((count, TILE), dtype=np.float32)
        total = np.empty(TILE, dtype=np.float32)
        for first in range(0, matrix.shape[1], TILE):
            width = min(TILE, matrix.shape[1] - first)
            for place in range(count):
                cached[place, :width] = matrix[found[ends[row] + place], first : first + width]
            for selection in range(seeds.shape[1]):
                total[:] = 0
                start = pick_ends[row] + selection * size
                for place in picks[start : start + size]:
                    for g in range(TILE):
                        total[g] += cached[place, g]
                seed = seeds[row, selection]
                for g in range(width):
                    if total[g] < score[row, selection]:
                        continue
                    one = offset + first + g
                    if total[g] > score[row, selection] or _priority(seed, one) > _priority(
                        seed, lineage[row, selection]
                    ):
                        score[row, selection] = total[g]
                        lineage[row, selection] = one
