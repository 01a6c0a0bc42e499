"""Diffusion over communities: counts -> log-ratio space -> a conditional denoiser -> generated tables of counts.

`dequantise` takes counts to the space the network learns and `counts` takes its samples back to reads; `conditions`
and `denoiser` are the network, `training` fits it, `sampling` draws from it; `copula` is the baseline that
can stand in for it; `models` joins them into something that is saved, loaded and asked for communities.
"""
