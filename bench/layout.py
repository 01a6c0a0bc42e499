"""Layout: cells of our own for 452 and 2,000 tips beside the plain projection of the first two of 32 coordinates."""

import os
from pathlib import Path

import numpy as np
from skbio import TreeNode

from bench._globalgut import prevalent_taxa, tree_distances
from bench.embedding import OPTIONS
from bench.unifrac import random_tree
from taxoscape import trees
from taxoscape.embedding.embed import embed
from taxoscape.embedding.geometry import embedded_distances, tips_of
from taxoscape.layout.place import lay_out
from taxoscape.layout.plane import stereographic
from taxoscape.layout.quality import layout_quality

SIZES = [(452, 128), (2000, 256)]  # tips, cells per side
PERPLEXITY = 12
DATA = Path(os.environ.get("TAXOSCAPE_DATA", "../shared/data"))
MEASURES = {"shared_cells": "tips", "recall": "share", "trustworthiness": "share"}
SMOKE = {"SIZES": [(40, 16)], "PERPLEXITY": 5, "DATA": Path("not available")}


def rows() -> list[dict]:
    """Figures of both maps against the distances along the tree, 10 neighbours; ratio: ours / the projection's."""
    found = []
    for tips, side in SIZES:
        tree, taxa, source = tree_of(tips)
        coordinates, _ = embed(tree, OPTIONS, 0)
        arrays = trees.tree_arrays(tree)
        ball = coordinates["z"][tips_of(coordinates, taxa)]
        distances = embedded_distances(coordinates, taxa)
        ours, _ = lay_out(distances, arrays, taxa, "tsne", side, PERPLEXITY, 0)
        theirs = np.round((stereographic(ball) + 1) / 2 * (side - 1)).astype(np.int64)
        path_lengths = tree_distances(arrays, taxa)
        both = [layout_quality(path_lengths, cells, [""] * tips) for cells in (ours, theirs)]
        for measure, unit in MEASURES.items():
            values = [float(quality[measure]) for quality in both]
            found.append(
                {
                    "name": f"layout, {tips} tips on {side} cells: {measure.replace('_', ' ')}",
                    "ours": values[0],
                    "other": values[1],
                    "ratio": values[0] / values[1],
                    "unit": unit,
                    "note": f"{source}; other: first two of 32 coordinates, rounded to cells",
                }
            )
    return found


def tree_of(tips: int) -> tuple[TreeNode, list[str], str]:
    """Tree of the most prevalent taxa of the global gut study where it is available, else a simulated one."""
    if (DATA / "globalgut_yatsunenko").is_dir():
        _, tree, taxa = prevalent_taxa(DATA, tips)
        return tree, taxa, "most prevalent taxa of the global gut study"
    tree = random_tree(tips, np.random.default_rng(0))
    return tree, [tip.name for tip in tree.tips()], "simulated tree (TAXOSCAPE_DATA names no global gut study)"
