"""Diffusion over communities: counts -> log-ratio space -> a conditional denoiser -> generated tables of counts.

`denoiser`, `transformer` and `landscape` are the networks, `training` fits one, `models` joins it with what its values
mean in counts (or a copula in its place) into something that is saved, loaded and drawn from.
"""
