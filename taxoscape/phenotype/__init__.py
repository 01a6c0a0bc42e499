"""Phenotype diffusion: a sample's community -> a distribution of its host variable, not a number alone.

`network` turns a sample into tokens and denoises a phenotype that attends to them, `training` fits it, `ensemble` joins
the members of a fold, calibrates their spread and draws from them, `evaluate` compares the draws with the baselines.
"""
