"""16S amplicon reads to landscapes: the functions behind the taxoscape workflow."""

__version__ = "0.1.0"
