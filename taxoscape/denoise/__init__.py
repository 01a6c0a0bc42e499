"""Reads or a given table to counts of amplicon sequence variants (ASVs)."""

# Columns of track.tsv after the sample: its reads at each step.
STEPS = ["input", "filtered", "denoised_forward", "denoised_reverse", "merged", "nonchimeric"]


def reverse_complement(sequence: str) -> str:
    """Other strand of a sequence of A, C, G, T (and N)."""
    return sequence.translate(str.maketrans("ACGT", "TGCA"))[::-1]
