"""The figure of a tree: every tip in its place, every branch as long as it is, colours by lineage, same bytes again."""

import matplotlib.image
import numpy as np
import pytest
from skbio import TreeNode
from test_trees import random_tree

from taxoscape import trees
from taxoscape.palette import PALETTE, choose_clades
from taxoscape.phylogeny import draw


@pytest.mark.parametrize("seed", range(3))
def test_clades_fill_sectors_and_spokes_are_as_long_as_their_branches(seed):
    tree = trees.tree_arrays(random_tree(40, seed))
    angle, depth = draw.angles(tree), trees.depths(tree)
    assert (np.diff(angle[tree.tip_node]) > 0).all()
    first, last = trees.stretches(tree.parent, tree.tip_node)
    tips = angle[tree.tip_node]
    assert (tips[first] <= angle).all()
    assert (angle <= tips[last - 1]).all()
    drawn, colours = draw.lines(tree, angle, depth, np.full(len(depth), "red", dtype=object))
    inner = len(depth) - len(tips)
    assert len(drawn) == len(colours) == len(depth) - 1 + inner
    lengths = [np.linalg.norm(spoke[1] - spoke[0]) for spoke in drawn[: len(depth) - 1]]
    np.testing.assert_allclose(lengths, tree.length[1:], atol=1e-12)


def test_a_branch_has_the_colour_that_all_tips_below_it_share():
    tree = trees.tree_arrays(TreeNode.read(["(((a:1,b:1):1,c:1):1,(d:1,e:1):1);"]))
    colours = draw.branch_colours(tree, ["red", "red", "blue", "red", "red"])
    assert colours.tolist() == [draw.MIXED, draw.MIXED, "red", "red", "red", "blue", "red", "red", "red"]


def test_a_ring_has_one_arc_for_each_run_of_a_colour():
    arcs, colours = draw.ring(np.array([10.0, 20.0, 30.0, 40.0]), np.array(["r", "r", "b", "r"], dtype=object))
    assert colours == ["r", "b", "r"]
    np.testing.assert_allclose(np.linalg.norm(np.concatenate(arcs), axis=1), 1.05)


@pytest.mark.parametrize(
    ("depths", "end"), [([1.0] * 99 + [50.0], 1.3), ([1.0] * 99 + [1.2], 1.2), ([0.0, 0.0], 1.0), ([0.0] * 99 + [3], 3)]
)
def test_one_long_branch_does_not_squeeze_the_rest(depths, end):
    assert draw.outer_depth(np.array(depths)) == pytest.approx(end)


@pytest.mark.parametrize("text", ["(a:1,b:2);", "(a:0,b:0,c:0);", "((a:1,b:1):1,(c:1,(d:1,e:90):1):1);"])
def test_small_and_flat_trees_are_drawn_the_same_again(text, tmp_path):
    tree = trees.tree_arrays(TreeNode.read([text]))
    taxa = ["k__B; p__X"] * len(tree.tips)
    for name in ("first.png", "second.png"):
        draw.draw_tree(tree, taxa, choose_clades(taxa, np.ones(len(taxa))), tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert (matplotlib.image.imread(tmp_path / "first.png")[..., :3] < 0.9).any()


def test_two_thousand_tips_are_drawn(tmp_path):
    tree = trees.tree_arrays(random_tree(2000, 0))
    taxa = [f"k__B; p__{place // 250}" for place in range(2000)]
    draw.draw_tree(tree, taxa, choose_clades(taxa, np.ones(2000)), tmp_path / "tree.png")
    image = matplotlib.image.imread(tmp_path / "tree.png")[..., :3]
    for colour in PALETTE:
        wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        assert (np.abs(image - wanted).max(axis=-1) < 0.02).sum() > 500
