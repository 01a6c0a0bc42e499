"""Fetch a reference: registered file -> the file, downloaded if need be and checked, and what this study has used."""

from taxoscape import references
from taxoscape.job import logged

with logged(snakemake.log[0]):
    reference = references.by_file()[snakemake.wildcards.file]
    references.fetch(reference, snakemake.output.file, snakemake.output.lock)
