"""Colours of clades, the same in every figure."""

# Distinct for the colour-blind too (Okabe & Ito 2008, with two of Tol's muted scheme); the rest is grey.
PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#882255", "#999933"]
OTHER, UNASSIGNED = "#8c8c8c", "#c8c8c8"
