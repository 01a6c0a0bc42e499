"""DADA2 through R: filtering, error models, denoising, merging, chimeras. One R session per job, single samples named.

Samples enter R by their place, never by their name, and files by their path as a string.
B. J. Callahan et al., DADA2: High-resolution sample inference from Illumina amplicon data, Nature Methods 13 (2016).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape.denoise import options
from taxoscape.denoise.source import SOURCE
from taxoscape.errors import InputError
from taxoscape.r_session import RRuntimeError, callbacks, robjects, versions

BINNED = 8  # at most so many distinct qualities: the sequencer rounds them into bins
AMBIGUOUS = "made up only of A/C/G/T"  # what dada says where a read holds another letter


@cache
def r() -> robjects.R:
    """The R session with dada2 loaded (6 s, once a process); what R prints goes to Python's stdout and stderr."""
    callbacks.consolewrite_print = lambda text: sys.stdout.write(text)
    callbacks.consolewrite_warnerror = lambda text: sys.stderr.write(text)
    robjects.r(SOURCE)
    return robjects.r


@contextmanager
def called(what: str) -> Iterator[None]:
    """Turn an R error into an InputError that says what was being done to which sample or run."""
    try:
        yield
    except RRuntimeError as error:
        said = " ".join(str(error).split())
        hint = " (reads with N passed the filter: set denoise.max_n: 0)" if AMBIGUOUS in said else ""
        raise InputError(f"DADA2 failed while {what}: {said}{hint}") from error


def filter_sample(sample: str, reads: list[str], filtered: list[Path], config: dict) -> tuple[int, int]:
    """Write the reads of a sample that pass the filter; return reads before and after (DADA2 filterAndTrim).

    One file of reads, or two of mates. Where no read passes no file is written.
    """
    asked = options.arguments(config, len(reads) == 2)["filterAndTrim"]
    asked = {name: robjects.FloatVector(value) if isinstance(value, list) else value for name, value in asked.items()}
    paths = [str(path) for pair in zip(reads, filtered, strict=True) for path in pair]
    with called(f"filtering sample {sample} ({', '.join(reads)})"):
        counts = r()["filterAndTrim"](*paths, OMP=False, **asked)
    return int(counts[0]), int(counts[1])


def bins_of(qualities: list[int], config: dict) -> list[int]:
    """Qualities that an error model of straight lines goes through; none where it is a loess over all qualities.

    With denoise.error_model auto, at most BINNED distinct qualities of the raw reads call for lines.
    """
    binned = {"auto": len(qualities) <= BINNED, "loess": False, "binned": True}[config["error_model"]]
    return qualities if binned else []


def learn_errors(
    run: str, files: list[str], bins: list[int], config: dict, threads: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Learn the error model of a run from its filtered files of one direction, in their order (DADA2 learnErrors).

    Returns error rates [16, Q] and observed transitions [16, Q] (A2A, A2C, ... T2T by quality 0, 1, ...).
    """
    asked = robjects.ListVector(options.arguments(config)["learnErrors"])
    with called(f"learning the errors of run {run}"):
        r()["set.seed"](seed)
        learned = r()["learn"](robjects.StrVector(files), robjects.IntVector(bins), asked, threads)
    return np.array(learned[0]), np.array(learned[1])


@dataclass(frozen=True)
class Given:
    """What dada is given of one direction besides the reads."""

    rates: np.ndarray  # [16, Q] errors by transition and quality
    bins: list[int]  # qualities that the error model goes through in straight lines; none where it is a loess
    expected: list[str]  # amplicons as reads of this direction have them, from their first base on
    shared: list[str]  # whole reads that other samples hold, too


def denoise(
    what: str, files: list[list[str]], given: list[Given], config: dict, threads: int, seed: int
) -> list[tuple[int, int, dict[str, int]]]:
    """Denoise filtered samples in one dada call each direction, and merge mates (DADA2 dada, mergePairs).

    `files` and `given` stand by direction: forward alone, or forward and reverse. Returns for each sample the
    denoised forward reads, the denoised reverse reads (of single-end reads the forward ones again), and
    {merged sequence: reads}.
    """
    with called(f"denoising {what}"):
        inferred = [infer(*direction, config, threads, seed) for direction in zip(files, given, strict=True)]
        if len(inferred) == 2:
            asked = robjects.ListVector(options.arguments(config)["mergePairs"])
            samples = r()["merge_mates"](*inferred, asked)
        else:
            samples = r()["keep_forward"](*inferred)
    return [(int(one[0][0]), int(one[1][0]), dict(zip(one[2], map(int, one[3]), strict=True))) for one in samples]


def find_shared(
    what: str, files: list[str], given: Given, config: dict, threads: int, seed: int
) -> list[tuple[dict[str, int], np.ndarray]]:
    """First pass of pseudo pooling in one direction: {sequence: reads} and transitions [16, Q] of each sample."""
    with called(f"denoising {what} for the first time"):
        samples = r()["shared_of"](infer(files, given, config, threads, seed))
    return [(dict(zip(one[0], map(int, one[1]), strict=True)), np.array(one[2])) for one in samples]


def infer(files: list[str], given: Given, config: dict, threads: int, seed: int) -> robjects.ListVector:
    """Dereplicated samples of one direction and what one dada call makes of them.

    With pseudo pooling each pass is a call of independent samples: what they share stands in `given`.
    """
    asked = options.arguments(config)["dada"] | {"pool": options.POOL[config["pool"]] is True}
    r()["set.seed"](seed)
    return r()["infer"](
        robjects.StrVector(files),
        r_matrix(given.rates, robjects.FloatVector),
        robjects.IntVector(given.bins),
        robjects.StrVector(given.expected),
        robjects.StrVector(given.shared),
        robjects.ListVector(asked),
        threads,
        options.ENCODING,
    )


def estimate_errors(run: str, transitions: np.ndarray, bins: list[int]) -> np.ndarray:
    """Error rates [16, Q] estimated anew from transitions [16, Q] over all samples, as dada does between its passes."""
    with called(f"estimating the errors of run {run} anew, as pseudo pooling does"):
        return np.array(r()["estimate"](r_matrix(transitions, robjects.IntVector), robjects.IntVector(bins)))


def pseudo_thresholds() -> tuple[float, float]:
    """Samples, or else reads, that make a sequence a prior of pseudo pooling (PSEUDO_PREVALENCE, PSEUDO_ABUNDANCE)."""
    asked = r()["getDadaOpt"](robjects.StrVector(["PSEUDO_PREVALENCE", "PSEUDO_ABUNDANCE"]))
    return float(asked[0][0]), float(asked[1][0])


def r_matrix(values: np.ndarray, vector: type) -> robjects.Matrix:
    """Matrix [rows, columns] for R, of the type of an rpy2 vector."""
    return robjects.r.matrix(vector(values.ravel("F")), nrow=len(values))


def tabulate(merged: pd.DataFrame) -> tuple[np.ndarray, list[str], list[int]]:
    """Merged reads (run, place, sequence, count) as counts [samples, sequences], sequences, places of the samples.

    Sequences by falling abundance (DADA2 makeSequenceTable, mergeSequenceTables).
    """
    with called("building the table of sequences"):
        table = r()["tabulate_runs"](
            robjects.StrVector(merged["run"]),
            robjects.IntVector(merged["place"]),
            robjects.StrVector(merged["sequence"]),
            robjects.IntVector(merged["count"]),
        )
    return np.array(table), list(table.colnames), [int(place) for place in table.rownames]


def remove_chimeras(
    counts: np.ndarray, sequences: list[str], config: dict, threads: int, seed: int
) -> tuple[np.ndarray, list[str]]:
    """Remove sequences that two more abundant ones make up (DADA2 removeBimeraDenovo).

    Counts [samples, sequences] -> counts [samples, kept], kept sequences.
    """
    table = r_matrix(counts, robjects.IntVector)
    table.colnames = robjects.StrVector(sequences)
    table.rownames = robjects.StrVector([str(row) for row in range(len(counts))])
    asked = options.arguments(config)["removeBimeraDenovo"]
    with called("removing chimeras"):
        r()["set.seed"](seed)
        kept = r()["removeBimeraDenovo"](table, multithread=threads, verbose=True, **asked)
    return np.array(kept), list(kept.colnames)


def example_file(name: str) -> str:
    """Path of a file that comes with dada2; raises InputError when the installed one lacks it."""
    path = r()("function(name) system.file('extdata', name, package = 'dada2')")(name)[0]
    if not path:
        raise InputError(
            f"the installed dada2 comes without {name}: name a FASTA in denoise.strand_reference, "
            "or install dada2 whole (make setup, or snakemake --sdm conda)"
        )
    return path


def provenance(config: dict, paired: bool, seed: int, error_functions: dict[str, str]) -> dict:
    """Versions of R and of the packages that decide the result, and the arguments that DADA2 was called with.

    `error_functions` says by run and direction what the error model was fitted with.
    """
    arguments = options.arguments(config, paired)
    arguments["learnErrors"]["errorEstimationFunction"] = error_functions
    return {"versions": versions(), "seed": seed, "arguments": arguments}
