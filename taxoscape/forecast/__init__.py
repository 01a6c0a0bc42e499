"""Forecasts of communities: a subject's earlier samples -> distributions of its future ones.

`courses` finds what can be forecast from what; `anchor` is the cheap forecast (population curve, effects of fields,
Gaussian process over a subject's own deviations) and `baselines` are the forecasts it is held against; `denoiser`
and `training` learn how samples scatter about the anchor; `models` joins them, `calibration` makes the intervals
hold what they say; `evaluate`, `what_if`, `figures` and `animation` are what is made of the forecasts.
"""
