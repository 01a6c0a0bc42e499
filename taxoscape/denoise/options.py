"""The denoise settings under DADA2's names, and which of them exclude each other."""

from pathlib import Path

from taxoscape import tables
from taxoscape.errors import InputError, examples

POOL = {"independent": False, "pseudo": "pseudo", "within_run": True, "pooled": True}
ENCODING = "FastqQuality"  # Phred+33; DADA2's own guess takes a file without low qualities for Phred+64
# DADA2's own minFoldParentOverAbundance: isBimeraDenovoTable's for consensus, isBimeraDenovo's for the others.
MIN_FOLD = {"consensus": 1.5, "pooled": 2, "per-sample": 2}
LETTERS = frozenset("ACGT")
# Profiles from whole ASVs set beside references: 40 nt unread between mates take an exact match to 90 % identity
# (vsearch, 270 nt of 200 genomes), 160 nt leave none at 80 %.
ALIGNING = ("nearest", "parsimony", "picrust2")


def arguments(config: dict, paired: bool = True) -> dict[str, dict]:
    """Every argument that DADA2's functions are given, by function; what is absent has DADA2's default.

    `learnErrors` and `dada` take the alignment settings alike. Single-end studies use the first of each pair of
    values, and merge nothing.
    """
    alignment = {"BAND_SIZE": config["band_size"]}
    if config["homopolymer_gap_penalty"] is not None:
        alignment["HOMOPOLYMER_GAP_PENALTY"] = config["homopolymer_gap_penalty"]
    longest = {} if config["max_length"] is None else {"maxLen": config["max_length"]}
    merge = {
        "minOverlap": config["min_overlap"],
        "maxMismatch": config["max_mismatch"],
        "justConcatenate": config["just_concatenate"],
    }
    min_fold = config["min_fold_parent_over_abundance"]
    return {
        "filterAndTrim": {
            "truncLen": _of_mates(config["truncate"], paired),
            "trimLeft": _of_mates(config["trim_left"], paired),
            "trimRight": _of_mates(config["trim_right"], paired),
            "minLen": config["min_length"],
            **longest,
            "maxN": config["max_n"],
            "maxEE": _of_mates(config["max_ee"], paired),
            "truncQ": config["trunc_q"],
            "rm.phix": config["remove_phix"],
            "qualityType": ENCODING,
        },
        "learnErrors": {"nbases": config["error_bases"], "qualityType": ENCODING, **alignment},
        "derepFastq": {"qualityType": ENCODING},
        "dada": {"pool": POOL[config["pool"]], **alignment},
        **({"mergePairs": merge} if paired else {}),
        "removeBimeraDenovo": {
            "method": config["chimera"],
            "minFoldParentOverAbundance": MIN_FOLD[config["chimera"]] if min_fold is None else min_fold,
        },
    }


def check_denoise(config: dict, samples: int, paired: bool) -> None:
    """Raise InputError where settings of the section cannot work together or with this study of `samples` samples."""
    settings = config["denoise"]
    for direction in range(2 if paired else 1):
        _check_lengths(settings, direction)
    if settings["pool"] != "independent" and samples == 1:
        raise InputError(
            f"denoise.pool={settings['pool']} shares what samples have in common, but the study has one sample: "
            "set denoise.pool: independent"
        )
    _check_mates(settings, paired)
    method = config["functions"]["method"]
    if settings["just_concatenate"] and method in ALIGNING and not config["input"]["ko"]:
        raise InputError(
            "denoise.just_concatenate leaves ten N for a stretch of unknown length inside every ASV, and "
            f"functions.method={method} would take that for distance from its references: set functions.method: none"
        )
    if settings["priors"]:
        read_priors(settings["priors"])
    if settings["strand_reference"]:
        tables.read_fasta(settings["strand_reference"])


def read_priors(path: str | Path) -> list[str]:
    """Expected amplicons, forward and in full; raises InputError for what no denoised read could equal."""
    sequences = tables.read_fasta(path)
    odd = [name for name, sequence in sequences.items() if not set(sequence) <= LETTERS]
    if odd:
        raise InputError(
            f"denoise.priors {path} holds {len(odd)} sequences with letters other than A, C, G, T ({examples(odd)}): "
            "a denoised read has none, write the variants out"
        )
    return list(sequences.values())


def _of_mates(values: list | str | dict, paired: bool) -> list | float | str | dict:
    """Both values of mates, or the one of single reads; `auto`, and lengths by run, as they are."""
    return values if paired or not isinstance(values, list) else values[0]


def _check_lengths(settings: dict, direction: int) -> None:
    """One direction's reads: some length passes minLen, maxLen and truncLen, and something is left after trimming."""
    shortest, longest = settings["min_length"], settings["max_length"]
    if longest is not None and longest < shortest:
        raise InputError(f"denoise.max_length={longest} is below denoise.min_length={shortest}: no read passes both")
    if settings["truncate"] == "auto" or not settings["truncate"][direction]:
        return
    kept, start = settings["truncate"][direction], settings["trim_left"][direction]
    asked = f"denoise.truncate={settings['truncate']}"
    if kept - start < shortest:
        raise InputError(
            f"{asked} and denoise.trim_left={settings['trim_left']} leave {kept - start} nt of a read, below "
            f"denoise.min_length={shortest}: no read would pass; trim less or lower denoise.min_length"
        )
    if longest is not None and longest < kept:
        raise InputError(
            f"denoise.max_length={longest} drops reads before they are truncated, and {asked} drops those that are "
            "shorter: no read would pass; raise denoise.max_length"
        )


def _check_mates(settings: dict, paired: bool) -> None:
    concatenates = settings["just_concatenate"]
    if settings["strand"] == "turn" and (concatenates or not paired):
        why = "denoise.just_concatenate is true" if concatenates else "the reads are single-end"
        raise InputError(
            f"denoise.strand=turn needs mates that merge, but {why}: such reads of the two strands cover other ends of "
            "the amplicon and never become one ASV; let reads.primers turn reads round, or set denoise.strand: error"
        )
    if concatenates and not paired:
        raise InputError("denoise.just_concatenate joins mates, but the sample sheet has no fq2: set it to false")
    if concatenates and settings["max_mismatch"]:
        raise InputError(
            f"denoise.max_mismatch={settings['max_mismatch']} is about the overlap of mates, which "
            "denoise.just_concatenate does not look for: set one of them back"
        )
    if settings["max_mismatch"] >= settings["min_overlap"]:
        raise InputError(
            f"denoise.max_mismatch={settings['max_mismatch']} allows every base of an overlap of "
            f"denoise.min_overlap={settings['min_overlap']} nt to differ: lower it"
        )
