"""Phenotype diffusion: a sample's community -> a distribution of its host variable, not a number alone.

`taxa` gathers what is known of taxa, `network` turns a sample into tokens and denoises a phenotype that attends to
them, `training` fits it, `ensemble` joins the members of a fold, calibrates their spread and draws from them;
`forecasts` are the baselines, `scores` and `evaluate` judge all of them alike.
"""
