"""Align ASVs with each other, by MAFFT."""

import tempfile
from pathlib import Path

import numpy as np

from taxoscape import programs
from taxoscape.errors import InputError, examples
from taxoscape.phylogeny import tools
from taxoscape.tables import ALIGNED, read_fasta

STRATEGIES = {"linsi": ["--localpair", "--maxiterate", "1000"], "auto": ["--auto"]}
# Sequences shorter or longer than the median by this factor are no amplicons of the same region.
ODD_LENGTH = 1.5


def align(sequences: dict[str, str], config: dict, threads: int) -> tuple[dict[str, str], dict]:
    """Align sequences with MAFFT -> the alignment, in their order, and the record of the call.

    The alignment does not depend on the number of threads: refinement, the one step in which threads race, has one.
    Raises InputError for fewer than two sequences.
    """
    check_enough(sequences)
    chosen = options(config, len(sequences))
    odd = odd_lengths(sequences)
    print(f"{len(odd)} of {len(sequences):,} sequences are of another length than the rest ({examples(odd)})")
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.fasta")
        names = tools.numbered(sequences, plain)
        command = [tools.program("MAFFT"), *chosen, "--thread", str(threads), "--threadit", "0", str(plain)]
        Path(folder, "aligned.fasta").write_text(programs.run(command))
        found = read_fasta(Path(folder, "aligned.fasta"), ALIGNED)
    return {names[number]: found[number] for number in names}, tools.call("MAFFT", chosen)


def check_enough(sequences: dict[str, str]) -> None:
    """Raise InputError for fewer than two sequences."""
    if len(sequences) < 2:
        raise InputError(
            f"a tree needs at least 2 sequences, {len(sequences)} of the features have one: "
            "name a FASTA in input.sequences or a tree in input.tree"
        )


def options(config: dict, count: int) -> list[str]:
    """MAFFT's options that decide the alignment of `count` sequences."""
    aligner = config["aligner"]
    if aligner == "by_size":
        aligner = "linsi" if count <= config["linsi_up_to"] else "auto"
    return ["--nuc", "--op", str(config["gap_open"]), "--ep", str(config["gap_extend"]), *STRATEGIES[aligner]]


def odd_lengths(sequences: dict[str, str]) -> dict[str, int]:
    """Sequences that are shorter or longer than the median by more than ODD_LENGTH -> their length (nt)."""
    lengths = {name: len(sequence.replace("-", "").replace(".", "")) for name, sequence in sequences.items()}
    middle = np.median(list(lengths.values()))
    return {name: one for name, one in lengths.items() if not middle / ODD_LENGTH <= one <= middle * ODD_LENGTH}
