"""Colours of clades: those with most reads have their own, and every figure gives a clade the same one."""

import biom
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib import colors
from skbio import TreeNode
from test_gallery import study
from test_raster import make_basis

from taxoscape import trees
from taxoscape.palette import OTHER, PALETTE, UNASSIGNED, choose_clades, clades_at, names_at, study_clades
from taxoscape.phylogeny.draw import draw_tree
from taxoscape.previews import draw, gallery


def test_clades_are_coloured_at_the_highest_rank_that_parts_the_taxa():
    phyla = [f"k__B; p__P{i % 5}; c__C{i}" for i in range(20)]
    assert choose_clades(phyla, np.ones(20)).rank == "phylum"
    one = [f"k__B; p__P; c__C{i % 12}" for i in range(24)] + ["Unassigned"]
    clades = choose_clades(one, np.ones(25))
    assert clades.rank == "class"
    clade, colours = clades_at(one, clades, "class")
    assert (clade == "other").sum() == 8
    assert clade[-1] == "unassigned"
    assert (colours["other"], colours["unassigned"]) == (OTHER, UNASSIGNED)
    assert choose_clades(["Unassigned"] * 3, np.ones(3)).rank == "phylum"


def test_clades_with_most_reads_come_first_and_ties_go_by_name():
    lineages = [f"k__B; p__{name}" for name in "ABCDEFGHIJ"]
    reads = np.array([1, 9, 8, 7, 6, 5, 4, 3, 2, 2])
    assert list(choose_clades(lineages, reads).colours["phylum"].items()) == list(zip("BCDEFGHI", PALETTE, strict=True))


def test_the_clades_of_a_study_are_those_of_its_table_with_most_reads():
    table = biom.Table(np.array([[1.0, 0], [5, 3], [2, 2]]), list("abc"), ["s1", "s2"])
    lineages = pd.Series({"c": "k__B; p__Z", "b": "k__B; p__Y", "elsewhere": "k__B; p__W"})
    assert list(study_clades(table, lineages).colours["phylum"]) == ["Y", "Z"]


def test_only_clades_that_occur_are_named_and_they_keep_the_colours_of_the_study():
    clades = choose_clades([f"k__B; p__{name}" for name in "ABCD"], [4, 3, 2, 1])
    clade, colours = clades_at(["k__B; p__C", "k__B; p__Z", "k__B; p__A"], clades, "phylum")
    assert list(clade) == ["C", "other", "A"]
    assert colours == {"A": PALETTE[0], "C": PALETTE[2], "other": OTHER}


def test_names_are_read_by_their_prefix():
    assert names_at(["k__B; p__F; c__; f__L", "k__B;p__P", "Unassigned"], "family") == ["L", "", ""]
    assert names_at(["k__B; p__F; c__; f__L", "k__B;p__P", "Unassigned"], "phylum") == ["F", "P", ""]


def holds(image, colour):
    return (np.abs(image[..., :3] - np.array(colors.to_rgb(colour))).max(axis=-1) < 0.02).any()


@pytest.mark.parametrize("absent", [3, 7])
def test_tree_previews_and_gallery_give_a_clade_one_colour(absent, tmp_path):
    """The tree holds all taxa of the study; map and gallery lack one of its clades, which moves no colour."""
    every = [f"k__B; p__P{i % 10}; c__C{i % 20}; o__O; f__F; g__G{i}" for i in range(60)]
    clades = choose_clades(every, np.arange(60, 0, -1))
    wanted = clades.colours["phylum"]
    shown = [lineage for lineage in every if f"p__P{absent};" not in lineage][:40]
    basis, stored, _, *rest = study()
    content, _ = gallery.gather(basis, stored, shown, *rest, 1000, clades, 0)
    phylum = content["ranks"][0]
    colours = dict(zip(phylum["clades"], phylum["colours"], strict=True))
    figure = draw.draw_taxa(make_basis(), shown, np.full(40, 1 / 40), 3, clades)
    dots = {colors.to_hex(colour).upper() for colour in figure.axes[0].collections[0].get_facecolors()}
    draw_tree(
        trees.tree_arrays(TreeNode.read([f"({','.join(f't{i}:1' for i in range(60))});"])),
        every,
        clades,
        tmp_path / "t.png",
    )
    image = matplotlib.image.imread(tmp_path / "t.png")
    for name, colour in wanted.items():
        assert holds(image, colour)
        assert colours.get(name, colour) == colour
        assert (colour.upper() in dots) == (name != f"P{absent}")
