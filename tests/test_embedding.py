"""Laws of the hyperbolic embedding: geometry against geoopt, gradients against differences, trees of every shape."""

import dataclasses
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
import torch
from conftest import ROOT
from geoopt import PoincareBall
from hypothesis import given, settings
from hypothesis import strategies as st
from skbio import TreeNode

from taxoscape import files, trees
from taxoscape.compiled import use_threads
from taxoscape.embedding import edges, fit, geometry, pairs, points, quality, radam, start, stress
from taxoscape.embedding.embed import embed
from taxoscape.embedding.fit import chart_stress
from taxoscape.embedding.lbfgs import minimize
from taxoscape.embedding.midpoint import root_at_midpoint
from taxoscape.embedding.options import EmbeddingOptions, check_embedding
from taxoscape.errors import InputError

OPTIONS = EmbeddingOptions(
    dim=8,
    loss="relative",
    optimizer="lbfgs",
    radius=7.0,
    iterations=300,
    pairs_up_to=3000,
    partners=4,
    min_pearson=0.9,
)
RADAM = dataclasses.replace(OPTIONS, optimizer="radam", iterations=150)
EDGES = dataclasses.replace(RADAM, loss="edges", min_pearson=-1.0)


@pytest.fixture(autouse=True)
def one_thread():
    """Small problems on a busy machine wait longer for a second thread than they gain from it."""
    use_threads(1)
    yield
    use_threads(numba.config.NUMBA_NUM_THREADS)


def random_tree(tips: int, seed: int) -> TreeNode:
    """Binary tree by random joins with exponential branch lengths."""
    generator = np.random.default_rng(seed)
    nodes = [TreeNode(f"t{i}", length=generator.exponential()) for i in range(tips)]
    while len(nodes) > 1:
        i, j = generator.choice(len(nodes), 2, replace=False)
        joined = TreeNode(children=[nodes[i], nodes[j]], length=generator.exponential())
        nodes = [node for k, node in enumerate(nodes) if k not in (i, j)] + [joined]
    nodes[0].length = None
    return nodes[0]


def newick(text: str) -> TreeNode:
    return TreeNode.read([text])


def random_points(n: int, dim: int, deepest: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    direction = generator.standard_normal((n, dim))
    return generator.uniform(0.1, deepest, n), direction / np.linalg.norm(direction, axis=1, keepdims=True)


def embedded_distances(coordinates: dict, first, second) -> np.ndarray:
    radius, direction = coordinates["radius"], coordinates["direction"]
    return geometry.polar_distance(radius[first], direction[first], radius[second], direction[second])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), dim=st.sampled_from([2, 5, 32]))
def test_distances_equal_those_of_geoopt_where_it_does_not_saturate(seed, dim):
    radius, direction = random_points(40, dim, 6.0, seed)
    z = torch.from_numpy(geometry.to_ball(radius, direction))
    expected = PoincareBall(c=1.0).dist(z[:20], z[20:]).numpy()
    polar = geometry.polar_distance(radius[:20], direction[:20], radius[20:], direction[20:])
    np.testing.assert_allclose(polar, expected, rtol=1e-8)
    np.testing.assert_allclose(geometry.ball_distance(z[:20].numpy(), z[20:].numpy()), expected, rtol=1e-8)


def test_distances_of_deep_points_stay_exact():
    # Along one ray the distance is the difference of the radii, however deep; geoopt would give 16.8 at most.
    ray = np.array([[0.6, 0.8]])
    np.testing.assert_allclose(geometry.polar_distance(np.array([24.0]), ray, np.array([24.001]), ray), 0.001)
    np.testing.assert_allclose(geometry.polar_distance(np.array([24.0]), ray, np.array([24.0]), -ray), 48.0)


def test_isometries_leave_distances_alone():
    radius, direction = random_points(30, 6, 4.0, 0)
    z = geometry.to_ball(radius, direction)
    shift = torch.from_numpy(geometry.to_ball(*random_points(1, 6, 2.0, 1)))
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((6, 6)))[0]
    moved = PoincareBall(c=1.0).mobius_add(shift, torch.from_numpy(z)).numpy() @ turn
    before = geometry.polar_distance(radius[:15], direction[:15], radius[15:], direction[15:])
    r, u = geometry.from_ball(moved)
    np.testing.assert_allclose(geometry.polar_distance(r[:15], u[:15], r[15:], u[15:]), before, rtol=1e-7)


def test_ball_coordinates_turn_back_into_polar_ones():
    radius, direction = random_points(20, 4, 7.0, 3)
    r, u = geometry.from_ball(geometry.to_ball(radius, direction))
    np.testing.assert_allclose(r, radius, rtol=1e-9)
    np.testing.assert_allclose(u, direction, rtol=1e-9, atol=1e-12)


def test_path_lengths_equal_those_of_scikit_bio():
    tree = root_at_midpoint(trees.tree_arrays(random_tree(60, 1)))
    placed = points.distinct_points(tree)
    first, second = np.triu_indices(60, 1)
    expected = random_tree(60, 1).cophenet().filter(tree.tips).data[first, second]
    np.testing.assert_allclose(points.path_lengths(placed, first, second), expected, rtol=1e-9)
    assert points.diameter(placed) == pytest.approx(expected.max())
    assert placed.height == pytest.approx(expected.max() / 2)


def test_gradient_of_the_stress_equals_finite_differences():
    radius, direction = random_points(12, 5, 5.0, 4)
    radius[0] = 0.05  # near the centre
    chosen = pairs.all_pairs(points.distinct_points(trees.tree_arrays(random_tree(12, 4))))
    weight = np.random.default_rng(5).uniform(0.5, 2, len(chosen.length)) / chosen.length**2
    sinh = np.sinh(radius)[:, None]
    x = np.column_stack([radius, np.random.default_rng(6).normal(0, 0.3, direction.shape)])

    def value(flat):
        return chart_stress(flat.reshape(x.shape), direction, sinh, chosen, chosen.length, weight)[0]

    _, gradient = chart_stress(x, direction, sinh, chosen, chosen.length, weight)
    steps = 1e-6 * np.eye(x.size)
    numeric = np.array([(value(x.ravel() + step) - value(x.ravel() - step)) / 2e-6 for step in steps])
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-5 * np.abs(numeric).max())


def test_gradient_of_the_euclidean_stress_equals_finite_differences():
    position = np.random.default_rng(7).standard_normal((10, 3))
    chosen = pairs.all_pairs(points.distinct_points(trees.tree_arrays(random_tree(10, 7))))

    def value(flat):
        return stress.euclidean_stress(flat.reshape(10, 3), chosen.start, chosen.second, chosen.length, chosen.weight)[
            0
        ]

    _, gradient = stress.euclidean_stress(position, chosen.start, chosen.second, chosen.length, chosen.weight)
    steps = 1e-6 * np.eye(position.size)
    numeric = [(value(position.ravel() + step) - value(position.ravel() - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(gradient.ravel(), numeric, rtol=1e-5, atol=1e-6)


def test_the_stress_is_the_formula_written_out():
    radius, direction = random_points(9, 4, 6.0, 8)
    chosen = pairs.all_pairs(points.distinct_points(trees.tree_arrays(random_tree(9, 8))))
    value, _, _ = stress.hyperbolic_stress(
        radius, direction, chosen.start, chosen.second, chosen.length, 1 / chosen.length**2
    )
    distance = geometry.polar_distance(
        radius[chosen.first], direction[chosen.first], radius[chosen.second], direction[chosen.second]
    )
    assert value == pytest.approx((((distance - chosen.length) / chosen.length) ** 2).sum(), rel=1e-12)


def test_the_optimizer_finds_the_minimum_of_rosenbrock():
    def rosenbrock(x):
        value = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
        return value, np.array([-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)])

    x, value, _ = minimize(rosenbrock, np.array([-1.2, 1.0]), 200, 0.1)
    np.testing.assert_allclose(x, [1.0, 1.0], atol=1e-6)


def test_the_start_puts_cherries_at_their_distance():
    tree = trees.tree_arrays(newick("((a:0.01,b:0.01):3,(c:2,d:2):1.01);"))
    depth = trees.depths(tree)
    direction, nodes = start.tree_directions(tree.parent, depth, 16, 0), tree.tip_node
    distance = geometry.polar_distance(
        depth[nodes[::2]], direction[nodes[::2]], depth[nodes[1::2]], direction[nodes[1::2]]
    )
    np.testing.assert_allclose(distance, [0.02, 4.0], rtol=0.1)


def test_two_runs_give_the_same_bytes_on_any_number_of_threads(tmp_path):
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one core only: nothing to compare")
    tree, options = random_tree(80, 9), dataclasses.replace(OPTIONS, iterations=150)
    for name, threads in (("one", 1), ("two", 2), ("again", 2)):
        use_threads(threads)
        coordinates, _ = embed(tree, options, 0)
        files.write_npz(tmp_path / f"{name}.npz", **coordinates)
    written = {(tmp_path / f"{name}.npz").read_bytes() for name in ("one", "two", "again")}
    assert len(written) == 1


def test_another_seed_gives_another_embedding():
    tree, options = random_tree(20, 9), dataclasses.replace(OPTIONS, iterations=20)
    assert not np.array_equal(embed(tree, options, 0)[0]["z"], embed(tree, options, 1)[0]["z"])


def test_hyperbolic_beats_euclidean_and_the_report_is_true():
    tree = random_tree(150, 10)
    coordinates, report = embed(tree, OPTIONS, 0)
    assert report["mean_relative_error"] < report["euclidean"]["mean_relative_error"] / 2
    assert report["within_10"] > 0.99
    assert report["depth_radius"] > 0.95
    assert report["saturated_pairs"] == 0
    first, second = np.triu_indices(150, 1)
    expected = tree.cophenet().filter(list(coordinates["tips"])).data[first, second]
    ours = embedded_distances(coordinates, first, second) / coordinates["scale"]
    assert report["pearson"] == pytest.approx(np.corrcoef(ours, expected)[0, 1])
    assert report["mean_relative_error"] == pytest.approx((np.abs(ours - expected) / expected).mean())
    assert list(coordinates["tips"]) == [tip.name for tip in tree.tips()]
    assert coordinates["scale"] * coordinates["height"] == pytest.approx(7.0)


def test_a_larger_radius_is_more_faithful():
    tree, options = random_tree(100, 11), dataclasses.replace(OPTIONS, dim=4, min_pearson=0.0)
    flat, curved = (embed(tree, dataclasses.replace(options, radius=radius), 0)[1] for radius in (2.0, 20.0))
    assert curved["mean_relative_error"] < flat["mean_relative_error"] / 2


def test_more_dimensions_are_more_faithful():
    tree = random_tree(100, 11)
    errors = [embed(tree, dataclasses.replace(OPTIONS, dim=dim), 0)[1]["mean_relative_error"] for dim in (2, 16)]
    assert errors[1] < errors[0] / 2


def test_longer_branches_change_nothing_but_the_scale():
    tree, longer = random_tree(60, 12), random_tree(60, 12)
    for node in longer.postorder(include_self=False):
        node.length *= 8  # a power of two: the same bits after division
    (before, _), (after, _) = embed(tree, OPTIONS, 0), embed(longer, OPTIONS, 0)
    np.testing.assert_allclose(after["z"], before["z"], rtol=0, atol=1e-12)
    assert after["scale"] == pytest.approx(before["scale"] / 8)


def test_the_root_of_the_tree_does_not_matter():
    tree = random_tree(40, 13)
    rerooted = random_tree(40, 13)
    rerooted = rerooted.root_at(rerooted.find("t5").parent)
    assert embed(rerooted, OPTIONS, 0)[1]["height"] == pytest.approx(embed(tree, OPTIONS, 0)[1]["height"])


def test_stratified_pairs_stand_for_all_pairs():
    placed = points.distinct_points(root_at_midpoint(trees.tree_arrays(random_tree(200, 14))))
    every, drawn = pairs.all_pairs(placed), pairs.stratified_pairs(placed, 3, 0)
    assert len(drawn.second) < len(every.second)
    assert (drawn.first != drawn.second).all()
    assert drawn.weight.sum() == pytest.approx(200 * 199)  # every ordered pair once
    np.testing.assert_allclose((drawn.weight * drawn.length).sum() / 2, every.length.sum(), rtol=0.01)
    # With partners for everyone the draw is exhaustive: each ordered pair exactly once.
    full = pairs.stratified_pairs(placed, 200, 0)
    assert len({*zip(full.first, full.second, strict=True)}) == len(full.second) == 200 * 199


def test_more_pairs_are_drawn_where_more_tips_stand():
    placed = points.distinct_points(trees.tree_arrays(newick(star([1] * 100))))
    # 99 tips across the root: 4 and 4 for each of the 4.63 doublings from 4 to 99.
    drawn = pairs.stratified_pairs(placed, 4, 0)
    np.testing.assert_array_equal(np.diff(drawn.start), 22)
    np.testing.assert_allclose(drawn.weight, 99 / 22)


def test_stratified_pairs_embed_nearly_as_well_as_all_pairs():
    tree = random_tree(300, 15)
    _, every = embed(tree, OPTIONS, 0)
    _, drawn = embed(tree, dataclasses.replace(OPTIONS, pairs_up_to=100), 0)
    assert (every["pairs_fitted"], drawn["pairs_fitted"]) == ("all", "stratified")
    assert drawn["mean_relative_error"] < 1.5 * every["mean_relative_error"]
    assert drawn["within_10"] > 0.98


def star(lengths: list[float]) -> str:
    return "(" + ",".join(f"t{i}:{length}" for i, length in enumerate(lengths)) + ");"


def caterpillar(tips: int) -> str:
    return "(" * (tips - 1) + "t0:1" + "".join(f",t{i}:1):0.2" for i in range(1, tips)) + ";"


ODD = {
    "two tips": "(a:1,b:2);",
    "a star": star([1 + i % 3 for i in range(30)]),
    "a caterpillar": caterpillar(30),
    "unifurcations": "(((a:1):1,b:2):0,((((c:1,d:1):0.5):0.5,e:0.3):1):1);",
    "a negative branch": "((a:1,b:-0.2):1,(c:2,d:1):0.5);",
    "negative branches inside": "(((a:1,b:1):-0.5,c:1):-0.1,(d:1,e:2):1);",
    "duplicates": "((a:1,b:1e-9):1,(c:2,(d:0,e:0,f:0):1):0.5);",
    "zeros inside": "((((a:1,b:1):0,c:1):0,d:1):0,(e:2,f:1):0);",
}


@pytest.mark.parametrize("options", [OPTIONS, RADAM, EDGES], ids=["lbfgs", "radam", "edges"])
@pytest.mark.parametrize("text", ODD.values(), ids=list(ODD))
def test_odd_trees_are_embedded_finitely(text, options):
    coordinates, report = embed(newick(text), dataclasses.replace(options, min_pearson=-1.0), 0)
    assert np.isfinite(coordinates["z"]).all()
    assert (np.linalg.norm(coordinates["z"], axis=1) < 1).all()
    np.testing.assert_allclose(np.linalg.norm(coordinates["direction"], axis=1), 1.0)
    np.testing.assert_allclose(
        geometry.to_ball(coordinates["radius"], coordinates["direction"]), coordinates["z"], atol=1e-12
    )
    if options.loss == "relative":
        assert report["mean_relative_error"] < 0.1


@pytest.mark.parametrize(
    ("lengths", "options"),
    [([1, 2], OPTIONS), ([1, 2, 3], OPTIONS), ([1] * 9, OPTIONS), ([1, 2], RADAM), ([1, 2, 3], RADAM)],
)
def test_simplices_are_exact(lengths, options):
    # Two or three tips at any lengths, or dim + 1 at one distance from each other, are corners of a simplex.
    coordinates, _ = embed(newick(star(lengths)), dataclasses.replace(options, min_pearson=-1.0), 0)
    first, second = np.triu_indices(len(lengths), 1)
    lengths = np.array([lengths[int(tip[1:])] for tip in coordinates["tips"]])
    found = embedded_distances(coordinates, first, second) / coordinates["scale"]
    tolerance = {"lbfgs": 1e-5, "radam": 1e-3}[options.optimizer]
    np.testing.assert_allclose(found, lengths[first] + lengths[second], rtol=tolerance)


@pytest.mark.parametrize("pairs_up_to", [3000, 10], ids=["all", "stratified"])
def test_a_tree_of_500_levels_is_embedded_well(pairs_up_to):
    options = dataclasses.replace(OPTIONS, iterations=60, pairs_up_to=pairs_up_to)
    coordinates, report = embed(newick(caterpillar(500)), options, 0)
    assert report["levels"] > 240  # 499 above a root in the middle
    assert np.isfinite(coordinates["z"]).all()
    assert report["pearson"] > 0.99


def test_tips_at_one_place_share_a_point():
    coordinates, report = embed(newick("((a:0,b:0):1,(c:1,d:2):1,e:1);"), OPTIONS, 0)
    tips = list(coordinates["tips"])
    z = dict(zip(tips, coordinates["z"], strict=True))
    assert (report["tips"], report["points"]) == (5, 4)
    np.testing.assert_array_equal(z["a"], z["b"])
    assert not np.allclose(z["a"], z["e"])


@pytest.mark.parametrize("text", ["(a:0,b:0);", "(a:1);"])
def test_trees_without_distances_are_refused(text):
    with pytest.raises(InputError, match="two tips"):
        embed(newick(text), OPTIONS, 0)


def test_geoopt_sees_the_same_stress():
    placed = points.distinct_points(trees.tree_arrays(random_tree(12, 8)))
    chosen = pairs.all_pairs(placed)
    radius, direction = random_points(12, 4, 6.0, 8)
    z = torch.from_numpy(geometry.to_ball(radius, direction))
    weight = 1 / np.maximum(2 * chosen.length, 0.5) ** 2
    value, _, _ = stress.hyperbolic_stress(radius, direction, chosen.start, chosen.second, 2 * chosen.length, weight)
    assert float(sum(loss() for loss in radam.relative_stress(z, chosen, 2.0, 0.5))) == pytest.approx(value, rel=1e-9)


def test_both_optimizers_find_the_same_quality():
    tree = random_tree(40, 17)
    _, ours = embed(tree, OPTIONS, 0)
    _, geoopt = embed(tree, dataclasses.replace(RADAM, iterations=400), 0)
    assert geoopt["mean_relative_error"] < 1.4 * ours["mean_relative_error"]
    assert geoopt["pearson"] > 0.999


def test_stress_in_blocks_of_pairs_is_the_same(monkeypatch):
    tree, options = random_tree(20, 18), dataclasses.replace(RADAM, iterations=20, min_pearson=-1.0)
    whole, _ = embed(tree, options, 0)
    monkeypatch.setattr(radam, "BLOCK", 50)
    parts, _ = embed(tree, options, 0)
    np.testing.assert_allclose(parts["z"], whole["z"], atol=1e-9)


@pytest.mark.parametrize("options", [RADAM, EDGES], ids=["relative", "edges"])
def test_two_runs_of_geoopt_give_the_same_bytes_on_any_number_of_threads(options):
    tree, options = random_tree(60, 9), dataclasses.replace(options, iterations=30, min_pearson=-1.0)
    before, written = torch.get_num_threads(), set()
    for threads in (1, 2, 2):
        torch.set_num_threads(threads)
        written.add(embed(tree, options, 0)[0]["z"].tobytes())
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert len(written) == 1


def test_the_edge_loss_is_the_formula_written_out():
    tree = trees.tree_arrays(random_tree(7, 19))
    z = torch.from_numpy(geometry.to_ball(*random_points(len(tree.parent), 3, 0.6, 20)))
    parent, length = torch.from_numpy(tree.parent), torch.from_numpy(tree.length)
    ball, expected = PoincareBall(c=1.0), 0.0
    for j in range(len(z)):
        for i in range(j):
            distance = float(ball.dist(z[i], z[j]))
            on_branch = tree.parent[j] == i
            expected += (distance - tree.length[j]) ** 2 if on_branch else 0.1 * max(0.0, 0.5 - distance) ** 2
    found = edges.edge_loss(z, parent, length, edges.pairs_apart(parent))
    assert float(found) == pytest.approx(expected, rel=1e-6)
    z.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: edges.edge_loss(z, parent, length, edges.pairs_apart(parent)), z)


def test_the_edge_loss_keeps_branches_and_not_paths():
    tree = random_tree(40, 21)
    for node in tree.postorder(include_self=False):
        node.length *= 0.05  # substitutions/site as in a tree of amplicons: most nodes lie closer than the hinge
    arrays = trees.tree_arrays(tree)
    radius, direction = radam.fit_edges(arrays, 8, 300, 0)
    above = arrays.parent[1:]
    branch = geometry.polar_distance(radius[1:], direction[1:], radius[above], direction[above])
    assert np.corrcoef(branch, arrays.length[1:])[0, 1] > 0.5
    _, by_edges = embed(tree, dataclasses.replace(EDGES, iterations=300), 0)
    _, by_paths = embed(tree, OPTIONS, 0)
    assert by_edges["scale"] == 1.0
    assert by_edges["euclidean"] == by_paths["euclidean"]
    assert by_edges["pearson"] < 0.9 < by_paths["pearson"]


def test_an_embedding_of_branches_is_refused_as_one_of_paths():
    with pytest.raises(InputError, match=r"minimizes branches.*lower embedding\.min_pearson"):
        embed(random_tree(30, 21), dataclasses.replace(EDGES, iterations=5, min_pearson=0.98), 0)


def test_the_edge_loss_refuses_trees_whose_pairs_of_nodes_do_not_fit(monkeypatch):
    monkeypatch.setattr(radam, "MOST_NODES", 50)
    with pytest.raises(InputError, match=r"the tree has 60, more than 50.*embedding\.loss: relative"):
        embed(random_tree(30, 0), EDGES, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "edges"}, r"embedding\.loss=edges is minimized by radam only.*embedding\.optimizer: radam"),
        ({"optimizer": "radam", "radius": 24.0}, r"embedding\.radius=24 .*up to radius 8\.4.*optimizer: lbfgs"),
    ],
)
def test_what_does_not_go_together_is_refused(change, message):
    options = dataclasses.replace(OPTIONS, **change)
    assert pytest.raises(InputError, check_embedding, options).match(message)
    assert pytest.raises(InputError, embed, random_tree(4, 0), options, 0).match(message)


def test_beyond_its_radius_geoopt_saturates():
    radius, ray = np.array([8.3, 9.5]), np.array([[0.6, 0.8]] * 2)
    z, opposite = (torch.from_numpy(geometry.to_ball(radius, side)) for side in (ray, -ray))
    found = PoincareBall(c=1.0).dist(z, opposite).numpy()
    np.testing.assert_allclose(found[0], 16.6, rtol=1e-3)
    assert found[1] < 17.5


def test_a_poor_embedding_is_refused():
    options = dataclasses.replace(OPTIONS, dim=2, iterations=1, min_pearson=0.9999)
    with pytest.raises(InputError, match="min_pearson"):
        embed(random_tree(60, 16), options, 0)


def test_quality_of_a_distortion_by_hand():
    length, distance = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.04, 2.0, 3.3, 2.0])
    found = quality.distance_quality(length, distance)
    assert found["mean_error"] == pytest.approx((0.04 + 0.3 + 2.0) / 10)
    assert found["mean_relative_error"] == pytest.approx((0.04 + 0.1 + 0.5) / 4)
    assert (found["within_5"], found["worst_ratio"]) == (0.5, 2.0)


def test_saturated_pairs_are_those_the_ball_no_longer_tells_apart():
    ray, radius = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([5.0, 60.0])
    z = geometry.to_ball(radius, ray)
    origin = np.zeros((2, 2))
    assert quality.saturated_pairs(radius, origin, z) == 1
    assert quality.saturated_pairs(radius[[0]], origin[[0]], z[[0]]) == 0


def test_real_tree_reaches_the_figures_of_the_design(data):
    tree = trees.read_tree(data / "miseq360_f1000" / "tree.nwk")
    _, report = embed(tree, dataclasses.replace(OPTIONS, dim=32, iterations=400), 0)
    assert report["pearson"] > 0.999
    assert report["within_10"] > 0.99
    assert report["within_5"] > 0.96
    assert report["mean_relative_error"] < report["euclidean"]["mean_relative_error"] / 2.5


def test_what_a_chart_won_is_judged_at_one_floor(monkeypatch):
    """Lower floors raise the stress: the fit goes on until one at the lowest wins too little over the last."""
    values = iter([1.0, 1.1, 1.2, 1.1, 1.09, 0.5])

    def chart(radius, direction, pairs, length, weight, iterations):
        return radius, direction, next(values), iterations

    monkeypatch.setattr(fit, "fit_chart", chart)
    one = pairs.Pairs(np.array([0, 1, 1]), np.array([1]), np.array([1e-6]), np.ones(1))
    _, _, used = fit.fit(np.zeros(2), np.eye(2), lambda number: one, 1.0, 1000)
    assert used == fit.FIRST_CHART + 4 * fit.CHART


STRESS = """
import hashlib
import numpy as np
from taxoscape.embedding import lbfgs, stress
rng = np.random.default_rng(0)
points, radius = rng.normal(size=(39, 33)), rng.uniform(1, 3, 39)
direction = points / np.linalg.norm(points, axis=1, keepdims=True)
start = np.concatenate([[0], np.cumsum(np.arange(39)[::-1])])
second = np.concatenate([np.arange(first + 1, 39) for first in range(39)])
target = rng.uniform(0.1, 1, len(second))
found = [*stress.euclidean_stress(points, start, second, target, 1 / target**2)]
found += stress.hyperbolic_stress(radius, direction, start, second, target, 1 / target**2)
found += [lbfgs.dot(points.ravel(), direction.ravel())]
print(hashlib.sha256(b"".join(np.ascontiguousarray(value).tobytes() for value in found)).hexdigest())
"""


def test_code_that_was_just_compiled_and_code_from_the_cache_give_the_same_bits(tmp_path):
    variables = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STRESS]
    said = [subprocess.run(command, env=variables, capture_output=True, text=True, check=True) for _ in range(2)]
    assert list((tmp_path / "cache").rglob("*.nbc"))
    assert said[0].stdout == said[1].stdout != ""
