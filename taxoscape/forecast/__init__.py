"""Forecasts of communities: a subject's earlier samples -> distributions of its future ones.

`courses` finds what can be forecast from what; `anchor` is the simple forecast (population curve, effects of fields,
Gaussian process over a subject's own deviations); `denoiser` and `training` learn how samples scatter about it,
`spread` makes the intervals hold what they promise, `models` joins these; `trial` and `evaluate` judge them.
"""
