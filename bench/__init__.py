"""Side-by-side measurements: each module has rows(), both sides measured in the same run.

SMOKE of a module are those of its constants that tests replace, so that its rows take seconds.
"""
