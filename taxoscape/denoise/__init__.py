"""Reads or a given table to counts of amplicon sequence variants (ASVs)."""

# Columns of track.tsv after the sample: its reads at each step.
STEPS = ["input", "filtered", "denoised_forward", "denoised_reverse", "merged", "nonchimeric"]
