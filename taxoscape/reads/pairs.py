"""The files of a sample are whole, mates belong together, and their qualities say something.

DADA2 accepts in silence what ruins a study: it uses a truncated .gz up to the cut, lets shuffled mates pass and ends
without a name where qualities are constant. Here every file is read whole and the first fault named by file and record.
"""

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape.errors import InputError
from taxoscape.reads import detect, fastq, quality, sampling
from taxoscape.reads.content import Content, summary

DIRECTIONS = ("forward", "reverse")
NOTHING = fastq.Block([], [], [])
# Phred+64 files start at character ; or later and rise past score 60 when they are read as Phred+33.
OLD_LOWEST, OLD_HIGHEST = 26, 61


@dataclass(frozen=True)
class Checked:
    """The files of a sample: records, what each file holds, and some records, spread over the files.

    A sampled record is (sequence, qualities) of the forward read, then of its mate.
    """

    records: int
    contents: dict[str, Content]
    sampled: list[tuple[bytes, ...]]

    @property
    def histograms(self) -> dict[str, np.ndarray]:
        """Scores at each cycle [cycles, 94] of each direction."""
        return {direction: content.histogram for direction, content in self.contents.items()}


@dataclass(frozen=True)
class Shard:
    """Several checked samples: a row each, scores of each direction over all, sampled records, summaries by file."""

    rows: pd.DataFrame
    histograms: dict[str, np.ndarray]
    sampled: list[list[tuple[bytes, ...]]]
    contents: list[dict]


def check_samples(
    samples: list[str], forward: list[str], reverse: list[str], known: list[detect.Primer], config: dict
) -> Shard:
    """Check the files of every sample, to the last byte.

    No reverse files: single end. Rows: sample, pairs (single reads count as such), per direction length_ (nt, of the
    longest read) and distinct_qualities_, sampled (records kept to look at), and per direction the `known`
    primer that reads start with, primer_, and their share, primer_share_. Raises InputError at the first fault.
    """
    ways = [forward, reverse] if reverse else [forward]
    rows, totals, sampled, contents = [], dict.fromkeys(DIRECTIONS[: len(ways)], quality.EMPTY), [], []
    for sample, *files in zip(samples, *ways, strict=True):
        try:
            checked = check_pair(*files)
        except InputError as error:
            raise InputError(f"sample {sample}: {error}") from error
        found = detect.find(list(zip(*checked.sampled, strict=True))[::2], known)
        if config["primers"] is None and config["primers_left"] == "error":
            detect.check_left(sample, found, files)
        rows.append({"sample": sample} | _row(checked, found))
        sampled.append(checked.sampled)
        contents += [
            {"sample": sample, "direction": direction} | summary(one) for direction, one in checked.contents.items()
        ]
        totals = {direction: quality.add(totals[direction], counts) for direction, counts in checked.histograms.items()}
        print(*(f"{name}={value}" for name, value in rows[-1].items()))
    return Shard(pd.DataFrame(rows), totals, sampled, contents)


def _row(checked: Checked, found: dict) -> dict:
    row = {"pairs": checked.records}
    row |= {f"length_{direction}": len(counts) for direction, counts in checked.histograms.items()}
    row |= {f"distinct_qualities_{way}": len(quality.scores(counts)) for way, counts in checked.histograms.items()}
    row |= {"sampled": len(checked.sampled)}
    for direction in DIRECTIONS:
        primer, share = found[direction]
        row |= {f"primer_{direction}": primer.name if primer else "", f"primer_share_{direction}": round(share, 4)}
    return row


def check_pair(forward: str | Path, reverse: str | Path | None = None) -> Checked:
    """Read one file or both to their end.

    Raises InputError for malformed files, unequal numbers of reads, reads that are no mates, qualities that are
    constant or Phred+64.
    """
    paths = [forward] if reverse is None else [forward, reverse]
    if reverse is not None and Path(forward).resolve() == Path(reverse).resolve():
        raise InputError(f"{forward} is given as both mates: name its two files in fq1 and fq2")
    reads, stranger, contents = [0] * len(paths), None, [Content() for _ in paths]
    sampled, step = [], 1
    for blocks in zip_longest(*map(fastq.blocks, paths), fillvalue=NOTHING):
        headers = [block.headers for block in blocks]
        stranger = stranger or (len(paths) == 2 and first_stranger(*headers, reads[0]))
        records = list(zip(*(lines for block in blocks for lines in (block.sequences, block.qualities)), strict=False))
        sampled, step = sampling.thinned(sampled, step, records, reads[0])
        reads = [count + len(lines) for count, lines in zip(reads, headers, strict=True)]
        for content, block in zip(contents, blocks, strict=True):
            content.add(block)
    if len(set(reads)) > 1:
        where = f" (the first without its mate is record {stranger[0]})" if stranger else ""
        raise InputError(
            f"{forward} holds {reads[0]:,} reads but {reverse} {reads[1]:,}{where}: "
            "take both files from the same step of the same sequencer run"
        )
    if stranger:
        raise InputError(
            f"record {stranger[0]} is {stranger[1]!r} in {forward} but {stranger[2]!r} in {reverse}: "
            "fq1 and fq2 must hold forward and reverse mates in the same order"
        )
    for path, content in zip(paths, contents, strict=True):
        check_qualities(path, content.histogram)
    return Checked(reads[0], dict(zip(DIRECTIONS, contents, strict=False)), sampled)


def first_stranger(forward: list[bytes], reverse: list[bytes], before: int) -> tuple[int, str, str] | None:
    """First record whose headers are not of mates (1-based, both headers); `before` records came before."""
    for number, pair in enumerate(zip_longest(forward, reverse, fillvalue=b"@"), before + 1):
        if not are_mates(*pair):
            return number, *(header.decode("ascii", "backslashreplace") for header in pair)
    return None


def are_mates(forward: bytes, reverse: bytes) -> bool:
    """Whether two headers are of mates.

    Either the names are equal (and, where a second word such as 1:N:0:1 tells the direction, it is 1 and 2), or
    they are equal up to a last /1 and /2 (or .1 and .2).
    """
    (one, *first), (two, *second) = forward.split(), reverse.split()
    if one == two:
        told = [words[0][:2] for words in (first, second) if words and words[0][1:2] == b":"]
        return len(told) < 2 or told == [b"1:", b"2:"]
    return one[:-2] == two[:-2] and (one[-2:], two[-2:]) in ((b"/1", b"/2"), (b".1", b".2"))


def check_qualities(path: str | Path, counts: np.ndarray) -> None:
    """Raise InputError where the qualities of a file [cycles, 94] are constant or Phred+64."""
    scores = quality.scores(counts)["quality"].to_numpy()
    if len(scores) == 1:
        raise InputError(
            f"every base in {path} has quality {scores[0]}: DADA2 learns errors from qualities, "
            "take the file as the sequencer wrote it"
        )
    if scores[0] >= OLD_LOWEST and scores[-1] >= OLD_HIGHEST:
        raise InputError(
            f"the qualities in {path} run from {scores[0]} to {scores[-1]}: these are Phred+64 (Illumina before 1.8), "
            "convert them to Phred+33"
        )
