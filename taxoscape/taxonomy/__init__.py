"""Lineages of the ASVs: assigned by DADA2's naive Bayesian classifier, or taken from the study."""
