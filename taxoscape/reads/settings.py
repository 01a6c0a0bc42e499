"""Settings of the reads that no study can have, or not this one."""

import re

from taxoscape.errors import InputError
from taxoscape.reads.primers import IUPAC, spelled
from taxoscape.tables import reverse_complement

SHORTEST = 10  # nt; a shorter primer would be found by chance
SHARD, SHARDS = 32, 120  # samples of a shard, and shards about, beyond which they grow: jobs stay below a thousand


def check_reads(config: dict) -> None:
    """Raise InputError unless the primers of `config` (section reads) are primers."""
    if not isinstance(config["primers"], dict):
        return
    for direction, sequence in config["primers"].items():
        if sequence is not None:
            _check_primer(f"reads.primers.{direction}={sequence!r}", spelled(sequence), config["primer_overlap"])
    forward, reverse = (config["primers"][direction] for direction in ("forward", "reverse"))
    if reverse and spelled(forward) in (spelled(reverse), reverse_complement(spelled(reverse))):
        raise InputError(
            f"reads.primers.forward={forward!r} and reads.primers.reverse={reverse!r} are one primer: "
            "give both as they were ordered, 5' to 3'"
        )


def shard_size(shard: int | str, samples: int) -> int:
    """Samples of a shard: as given, or where that is auto SHARD, and more where it takes more than SHARDS of them."""
    return max(SHARD, -(-samples // SHARDS)) if shard == "auto" else shard


def check_ends(config: dict, paired: bool) -> None:
    """Raise InputError where the config is for paired-end reads and the study is not, or the other way round."""
    primers, truncate = config["reads"]["primers"], config["denoise"]["truncate"]
    if paired and isinstance(primers, dict) and not primers["reverse"]:
        raise InputError("reads.primers.reverse is null, but the samples are paired-end: give it, too, 5' to 3'")
    if paired and len(truncate) == 1:
        raise InputError(
            f"denoise.truncate={truncate} has one length, but the samples are paired-end: give two, forward and reverse"
        )


def _check_primer(name: str, sequence: str, overlap: int) -> None:
    if odd := re.sub(f"[{''.join(IUPAC)}]", "", sequence):
        raise InputError(
            f"{name} holds {odd[0]!r}: write primers 5' to 3' in IUPAC letters ({' '.join(IUPAC)}), without adapters"
        )
    if len(sequence) < max(SHORTEST, overlap):
        raise InputError(
            f"{name} has {len(sequence)} nt, which is less than {SHORTEST} or reads.primer_overlap={overlap}: "
            "give the whole primer"
        )
