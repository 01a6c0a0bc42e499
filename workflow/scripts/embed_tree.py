"""Embed the tree: Newick -> coordinates of its tips in the Poincare ball, and how well they keep path lengths."""

from taxoscape import trees
from taxoscape.compiled import use_threads
from taxoscape.embedding.embed import embed
from taxoscape.embedding.options import EmbeddingOptions
from taxoscape.files import write_json, write_npz
from taxoscape.job import logged

with logged(snakemake.log[0]):
    use_threads(snakemake.threads)
    tree = trees.read_tree(snakemake.input.tree)
    coordinates, quality = embed(tree, EmbeddingOptions(**snakemake.params.config), snakemake.params.seed)
    write_npz(snakemake.output.coordinates, **coordinates)
    write_json(quality, snakemake.output.quality)
