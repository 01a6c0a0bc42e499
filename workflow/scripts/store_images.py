"""Store images: basis and composition -> the images of all samples as a zarr array, resumed where a run was killed."""

from pathlib import Path

from taxoscape import images
from taxoscape.compiled import use_threads
from taxoscape.image_store import write_store
from taxoscape.job import logged

with logged(snakemake.log[0]):
    use_threads(snakemake.threads)
    basis, stored = images.load_basis(snakemake.input.basis), images.load_composition(snakemake.input.composition)
    folder = Path(snakemake.output.complete).parent
    write_store(folder, stored["values"], basis, [str(sample) for sample in stored["samples"]])
