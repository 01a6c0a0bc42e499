"""Evaluation of generated communities against held-out real ones, compared with resampling, a copula and real samples.

`two_sample` asks a classifier, `fidelity` compares single properties, `copying` looks for memorised samples,
`generation` runs them all over repeated draws of every `generators`, `utility` learns from what was generated, and
`verdict` says in a sentence what came out.
"""
