"""Parsimony on a reference tree: least weighted change, Brownian expectations, and what is learned from the tree."""

import io

import numpy as np
import pytest
from scipy.optimize import minimize
from skbio import TreeNode

from bench.unifrac import random_tree
from taxoscape import trees
from taxoscape.functions import parsimony


def small_tree():
    """Tips a, b (sisters, 0.1 and 0.3 long, 0.2 above them), c (0.4) and d (0.5)."""
    return trees.tree_arrays(TreeNode.read(io.StringIO("((a:0.1,b:0.3):0.2,c:0.4,d:0.5);")))


def test_states_have_the_least_weighted_squared_change():
    """Against a general minimiser (scipy BFGS) of the sum that defines them."""
    tree, values = small_tree(), np.array([[1.0], [2.0], [6.0], [3.0]])
    ((_, state),) = parsimony.states(tree, values, np.arange(4), 0.0)
    inner = np.setdiff1d(np.arange(len(tree.parent)), tree.tip_node)

    def change(x):
        full = state[:, 0].copy()
        full[inner] = x
        return sum((full[n] - full[tree.parent[n]]) ** 2 / tree.length[n] for n in range(1, len(full)))

    assert state[inner, 0] == pytest.approx(minimize(change, np.zeros(len(inner))).x, abs=1e-4)
    assert state[tree.tip_node, 0] == pytest.approx(values[:, 0])


@pytest.mark.parametrize("seed", [0, 1])
def test_copies_at_a_point_are_the_brownian_expectation(seed):
    """Against generalised least squares with the tree's full covariance (Martins & Hansen 1997) on 40 tips."""
    rng = np.random.default_rng(seed)
    tree = trees.tree_arrays(random_tree(40, rng))
    values, within, height = rng.poisson(2, (40, 7)).astype(float), 0.03, rng.exponential(0.08, 40)
    tips = np.arange(40)
    found = parsimony.at_points(tree, values, tips, within, *parsimony.climb(tree, tips, height))
    depth = trees.depths(tree)[tree.tip_node]
    shared = (depth[:, None] + depth - trees.patristic_distances(tree)) / 2
    one, zero = np.ones((40, 1)), np.zeros((1, 1))
    system = np.block([[shared + within * np.eye(40), one], [one.T, zero]])
    between = np.minimum(shared, np.maximum(depth - height, 0)[:, None])
    weights = np.linalg.solve(system, np.vstack([between.T, np.ones(40)]))[:40].T
    assert np.allclose(found, weights @ values, atol=1e-5)


def test_unknown_tips_do_not_change_the_others():
    tree, known = small_tree(), np.array([0, 1, 2])
    values = np.array([[1.0, 0], [2, 5], [6, 1]])
    pruned = trees.tree_arrays(TreeNode.read(io.StringIO("((a:0.1,b:0.3):0.2,c:0.4);")))
    points = np.array([2, 2, 3]), np.array([0.05, 0.1, 0.2])
    found = parsimony.at_points(tree, values, known, 0.01, *points)
    assert np.allclose(found, parsimony.at_points(pruned, values, known, 0.01, *points))


def test_zero_and_negative_branches_are_borne():
    tree = trees.tree_arrays(TreeNode.read(io.StringIO("((a:0,b:0):0.2,c:-0.1,d:0.5);")))
    ((_, state),) = parsimony.states(tree, np.array([[1.0], [3], [6], [3]]), np.arange(4), 0.0)
    assert np.isfinite(state).all()
    assert state[1, 0] == pytest.approx(2, abs=1e-3)


def test_climbing_stops_at_the_root():
    tree = small_tree()
    node, above = parsimony.climb(tree, np.array([0, 0, 0, 3]), np.array([0.05, 0.15, 9.0, 0.5]))
    assert node.tolist() == [2, 1, 0, tree.tip_node[3]]
    assert above == pytest.approx([0.05, 0.05, 0.0, 0.5])


def test_path_lengths_are_patristic_distances():
    tree = trees.tree_arrays(random_tree(30, np.random.default_rng(3)))
    one, other = np.divmod(np.arange(900), 30)
    found = parsimony.path_lengths(tree, one, other).reshape(30, 30)
    assert np.allclose(found, trees.patristic_distances(tree), atol=1e-12)


def test_jukes_cantor_distance_of_its_definition():
    assert parsimony.jukes_cantor(np.array([1.0, 0.9])) == pytest.approx([0, -0.75 * np.log(1 - 4 / 3 * 0.1)])
    assert np.isfinite(parsimony.jukes_cantor(np.array([0.0])))


def test_distance_line_is_found_and_every_query_weighs_the_same():
    identity = np.tile([0.99, 0.97, 0.96], 8)
    query = np.repeat(np.arange(8), 3)
    distance = 0.05 + 4 * parsimony.jukes_cantor(identity)
    assert parsimony.distance_line(query, identity, distance) == pytest.approx((0.05, 4))
    more = [np.concatenate([values, np.repeat(values[:3], 50)]) for values in (query, identity, distance)]
    assert parsimony.distance_line(*more) == pytest.approx((0.05, 4))
    assert parsimony.distance_line(query[:0], identity[:0], distance[:0]) == (0.0, 0.0)


def test_what_strains_differ_by_is_learned_from_sisters():
    """Brownian copies on a tree of cherries, plus noise that is worth 0.05 of branch at every tip."""
    rng = np.random.default_rng(0)
    text = ",".join(f"(x{n}:{length},y{n}:{length}):1" for n, length in enumerate(rng.exponential(0.05, 400)))
    tree = trees.tree_arrays(TreeNode.read(io.StringIO(f"({text});")))
    seen = tree.length[tree.tip_node] + 0.05
    values = np.repeat(rng.standard_normal((400, 200)), 2, axis=0)
    values += rng.standard_normal((800, 200)) * np.sqrt(seen)[:, None]
    assert parsimony.within_tips(tree, values, np.arange(800)) == pytest.approx(0.05, rel=0.2)
    assert parsimony.within_tips(small_tree(), np.ones((4, 2)), np.arange(4)) == 0.0  # one pair is too few
