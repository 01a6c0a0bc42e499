"""Report: the files of every stage -> one HTML page."""

from pathlib import Path

from taxoscape.files import write_text
from taxoscape.job import logged
from taxoscape.report.compose import compose

with logged(snakemake.log[0]):
    parameters = snakemake.params
    files = {name: value for name, value in snakemake.input.items() if name not in parameters.targeted and value}
    for name, targets in parameters.targeted.items():
        files[name] = dict(zip(targets, snakemake.input[name], strict=True))
    html = compose(files, parameters.config, Path(snakemake.input.templates[0]).parent, parameters.simulated)
    write_text(html, snakemake.output.html)
