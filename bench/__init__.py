"""Side-by-side measurements: each module has rows(), both sides measured in the same run."""
