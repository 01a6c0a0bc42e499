"""Evaluation of generated communities against held-out real ones, beside resampling and a copula.

`two_sample` asks a classifier, `fidelity` compares single properties, `copying` looks for memorised samples and
`generation` runs them all over repeated draws of every generator and says in a sentence what came out.
"""
