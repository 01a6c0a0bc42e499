"""Describe the reads as they came -> a page of one file, and the numbers of every sample."""

from taxoscape import tables
from taxoscape.files import read_json, write_text, write_tsv
from taxoscape.job import logged
from taxoscape.reads import page

with logged(snakemake.log[0]):
    contents = [one for file in snakemake.input.contents for one in read_json(file)]
    frame = page.table(contents, tables.read_tsv(snakemake.input.reads, "reads"))
    write_tsv(frame, snakemake.output.content, float_format="%.6g")
    html = page.write(contents, frame, snakemake.input.template, snakemake.params.config["detailed"])
    write_text(html, snakemake.output.page)
