"""Trees as arrays: the same tree as scikit-bio's, read strictly, distances without walking paths."""

import numpy as np
import pytest
from skbio import TreeNode

from taxoscape import trees
from taxoscape.errors import InputError

SMALL = "((a:1,b:2)x:3,(c:4,(d:5,e:0)y:6)z:7)r;"


def random_tree(tips: int, seed: int) -> TreeNode:
    """Random binary tree with exponential lengths, some of them zero, and one polytomy."""
    rng = np.random.default_rng(seed)
    nodes = [TreeNode(f"t_{tip}", length=rng.exponential()) for tip in range(tips)]
    while len(nodes) > 3:
        pair = [nodes.pop(rng.integers(len(nodes))) for _ in range(2)]
        nodes.append(TreeNode(length=float(rng.choice([0.0, rng.exponential()])), children=pair))
    return TreeNode(children=nodes)


def write(text: str, folder) -> str:
    path = folder / "tree.nwk"
    path.write_text(text)
    return str(path)


def test_arrays_of_a_tree_by_hand():
    tree = trees.tree_arrays(TreeNode.read([SMALL]))
    assert tree.tips == ["a", "b", "c", "d", "e"]
    assert tree.parent.tolist() == [-1, 0, 1, 1, 0, 4, 4, 6, 6]
    assert tree.length.tolist() == [0, 3, 1, 2, 7, 4, 6, 5, 0]
    assert tree.tip_node.tolist() == [2, 3, 5, 7, 8]
    assert trees.depths(tree).tolist() == [0, 3, 4, 5, 7, 11, 13, 18, 13]
    assert trees.levels(tree).tolist() == [0, 1, 2, 2, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("seed", range(3))
def test_every_parent_stands_before_its_children_and_a_subtree_is_one_stretch(seed):
    tree = trees.tree_arrays(random_tree(40, seed))
    ancestors = trees.ancestors_matrix(tree).toarray() > 0
    assert (tree.parent[1:] < np.arange(1, len(tree.parent))).all()
    for node in range(len(tree.parent)):
        below = np.flatnonzero(ancestors[:, node])
        assert below[-1] - below[0] + 1 == len(below)


@pytest.mark.parametrize("seed", range(3))
def test_tip_to_root_length_is_the_sum_over_its_ancestors(seed):
    tree = trees.tree_arrays(random_tree(40, seed))
    sums = trees.ancestors_matrix(tree) @ tree.length
    np.testing.assert_allclose(sums, trees.depths(tree)[tree.tip_node], rtol=1e-13)


@pytest.mark.parametrize("tips", [4, 30, 200])
@pytest.mark.parametrize("seed", range(3))
def test_patristic_distances_equal_scikit_bios(tips, seed):
    # scikit-bio 0.7.4, TreeNode.cophenet
    tree = random_tree(tips, seed)
    arrays = trees.tree_arrays(tree)
    expected = tree.cophenet().filter(arrays.tips).data
    np.testing.assert_allclose(trees.patristic_distances(arrays), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("block", [2, 7, 64])
def test_patristic_distances_do_not_depend_on_the_blocks(block, monkeypatch):
    tree = trees.tree_arrays(random_tree(64, 1))
    whole = trees.patristic_distances(tree)
    monkeypatch.setattr(trees, "BLOCK", block)
    assert (trees.patristic_distances(tree) == whole).all()


@pytest.mark.parametrize("chosen", [[0, 3, 4, 19], [7], [5, 199], range(0, 200, 9)])
def test_distances_of_some_tips_are_those_of_all(chosen):
    tree = trees.tree_arrays(random_tree(200, 2))
    chosen = np.array(chosen)
    expected = trees.patristic_distances(tree)[np.ix_(chosen, chosen)]
    np.testing.assert_array_equal(trees.patristic_distances(tree, chosen), expected)


def test_patristic_distances_are_a_tree_metric():
    distances = trees.patristic_distances(trees.tree_arrays(random_tree(25, 7)))
    assert (distances == distances.T).all()
    assert (np.diag(distances) == 0).all()
    # Buneman's four-point condition: the two largest of the three sums are equal.
    rng = np.random.default_rng(0)
    for i, j, k, m in (rng.choice(25, 4, replace=False) for _ in range(200)):
        sums = np.sort(
            [
                distances[i, j] + distances[k, m],
                distances[i, k] + distances[j, m],
                distances[i, m] + distances[j, k],
            ]
        )
        assert sums[2] - sums[1] < 1e-12


def test_two_tips_and_one():
    pair = trees.tree_arrays(TreeNode.read(["(a:1,b:2);"]))
    np.testing.assert_array_equal(trees.patristic_distances(pair), [[0, 3], [3, 0]])
    assert trees.patristic_distances(trees.tree_arrays(TreeNode.read(["(a:1);"]))).tolist() == [[0]]


def test_underscores_stay_and_quotes_go(tmp_path):
    tree = trees.read_tree(write("('a b':1,t_1:2);", tmp_path))
    assert [tip.name for tip in tree.tips()] == ["a b", "t_1"]


@pytest.mark.filterwarnings("ignore:.*does not look like a newick")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("((a:1,b:2):1,(a:1,c:2):1);", "duplicate tips: a"),
        ("((a:1,b:2),(c:1,d:2):1);", "1 branches without a length .above the clade of a"),
        ("((a:1,b):1,(c:1,d:2):1);", "1 branches without a length .above b"),
        ("((a:1,b:nan):1,c:1);", "1 branches without a length .above b"),
        ("((a:1,:2):1,c:1);", "1 tips without a name"),
        ("((a:1,b:2:1", "give a Newick tree"),
        ("", "give a Newick tree"),
    ],
)
def test_trees_that_cannot_be_used_are_refused_by_name(text, said, tmp_path):
    with pytest.raises(InputError, match=said) as error:
        trees.read_tree(write(text, tmp_path))
    assert "tree.nwk" in str(error.value)


def test_an_absent_tree_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        trees.read_tree(tmp_path / "no.nwk")


def test_missing_tips_come_in_the_order_of_the_features():
    assert trees.missing_tips(TreeNode.read([SMALL]), ["q", "a", "p", "e"]) == ["q", "p"]
