"""Laws of the layout: who is shown, a cell for each, neighbours kept."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist, squareform
from skbio import DistanceMatrix, TreeNode
from skbio.stats.ordination import pcoa

from bench._globalgut import prevalent_taxa, tree_distances
from taxoscape import tables, trees
from taxoscape.embedding.geometry import embedded_distances, hyperbolic
from taxoscape.errors import InputError
from taxoscape.files import write_tsv
from taxoscape.layout import plane, quality, snap
from taxoscape.layout.existing import keep_cells, place_newcomers, read_existing
from taxoscape.layout.place import lay_out
from taxoscape.layout.select import check_room, select_taxa

SPLITS = pd.DataFrame({"sample": ["a", "b", "c", "d"], "split": ["train", "train", "validation", "test"]})


METHODS = ["tsne", "circular", "poincare", "stereographic"]


def select(counts, tips=("t0", "t1", "t2"), prevalence=0.5, grid=8, splits=SPLITS):
    counts = np.array(counts)
    taxa = [f"t{i}" for i in range(counts.shape[1])]
    return select_taxa(counts, list("abcd"), taxa, splits, set(tips), prevalence, grid)


def clades(count, seed=0, spread=0.15):
    """Distances between taxa of four clades, in ten dimensions."""
    rng = np.random.default_rng(seed)
    clade = np.arange(count) % 4
    points = rng.normal(size=(4, 10))[clade] + spread * rng.normal(size=(count, 10))
    return squareform(pdist(points)), clade


# --- taxa ---


def test_prevalence_is_that_of_the_training_samples_only():
    counts = [[5, 0, 1], [5, 5, 0], [0, 0, 9], [0, 0, 9]]
    kept = select(counts)
    assert list(kept["taxon"]) == ["t0", "t1", "t2"]
    np.testing.assert_allclose(kept["prevalence"], [1.0, 0.5, 0.5])
    np.testing.assert_allclose(kept["reads_share"], [10 / 16, 5 / 16, 1 / 16])
    pd.testing.assert_frame_equal(select([*counts[:2], [7, 7, 0], [1, 0, 0]]), kept)


def test_taxa_outside_the_tree_and_taxa_of_no_training_sample_are_left_out():
    counts = [[5, 4, 3, 0], [5, 4, 3, 0], [0, 0, 0, 1], [0, 0, 0, 1]]
    assert list(select(counts, ("t0", "t2", "t3"), prevalence=0.0)["taxon"]) == ["t0", "t2"]


def test_too_few_taxa_too_many_taxa_and_no_training_sample_are_refused_with_the_way_out():
    with pytest.raises(InputError, match="keeps 1 of 3 taxa.*lower layout.prevalence"):
        select([[1, 0, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1]], prevalence=0.9)
    with pytest.raises(InputError, match="raise layout.prevalence.*or raise layout.grid .to 3 or more"):
        select([[1, 1, 1]] * 4, grid=2)
    with pytest.raises(InputError, match="splits.tsv"):
        select([[1, 1, 1]] * 4, splits=SPLITS.assign(split="test"))


def test_the_settings_that_a_refusal_names_have_room():
    prevalence = np.linspace(0.05, 1, 100)
    with pytest.raises(InputError, match="to 13 or more"):
        check_room(100, 10, "layout.grid", prevalence)
    check_room(100, 13, "layout.grid")
    check_room(66, 10, "layout.grid")


# --- cells ---


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 64), st.integers(8, 12), st.sampled_from([0.0, 0.3, 30.0]))
def test_every_point_gets_a_cell_of_its_own_on_the_grid(seed, count, side, scale):
    points = np.random.default_rng(seed).normal(side / 2, scale, (count, 2))
    cells = snap.snap(points, side)
    assert len(np.unique(cells, axis=0)) == count
    assert cells.min() >= 0
    assert cells.max() < side


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_snapping_costs_no_more_than_the_best_assignment(seed, count):
    points = np.random.default_rng(seed).uniform(-1, 9, (count, 2))
    cells = np.stack(np.divmod(np.arange(64), 8), axis=1)
    cost = cdist(points, cells, "sqeuclidean")
    best = cost[linear_sum_assignment(cost)].sum()
    assert ((snap.snap(points, 8) - points) ** 2).sum() == pytest.approx(best)


def test_points_that_are_distinct_cells_stay():
    cells = np.array([[0, 0], [7, 7], [3, 4], [3, 5]])
    np.testing.assert_array_equal(snap.snap(cells, 8), cells)
    np.testing.assert_array_equal(snap.rescale(cells, 8, 8), cells)
    np.testing.assert_array_equal(snap.rescale(snap.rescale(cells, 8, 16), 16, 8), cells)


def test_more_points_than_candidate_cells_on_one_spot_still_part():
    cells = snap.snap(np.full((300, 2), 2.0), 20)
    assert len(np.unique(cells, axis=0)) == 300


def test_more_points_than_cells_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        snap.snap(np.zeros((5, 2)), 2)


def test_spreading_keeps_the_gap_and_the_grid():
    points = np.random.default_rng(0).normal(10, 0.5, (60, 2))
    apart = snap.spread(points, 20, 1.0)
    assert pdist(apart).min() > 0.9
    assert (apart.min() >= 0) & (apart.max() <= 19)
    assert pdist(snap.spread(np.full((5, 2), 3.0), 20, 1.0)).min() > 0.9


def test_closing_gaps_keeps_order_and_clusters_and_takes_emptiness_away():
    points = np.random.default_rng(0).normal(size=(60, 2)) + np.repeat([[0, 0], [100, 0], [0, 500]], 20, axis=0)
    closed = snap.close_gaps(points, 0.03)
    np.testing.assert_array_equal(np.argsort(closed, axis=0), np.argsort(points, axis=0))
    np.testing.assert_allclose(pdist(closed[:20]), pdist(points[:20]))
    assert (np.ptp(closed, axis=0) < 0.3 * np.ptp(points, axis=0)).all()


def test_fitting_fills_the_grid_within_its_margin():
    fitted = snap.fit(np.array([[0.0, 5.0], [2.0, 5.0], [1.0, 7.0]]), 11, 1.0)
    np.testing.assert_allclose(fitted, [[1, 1], [9, 1], [5, 9]])
    np.testing.assert_allclose(snap.fit(np.ones((3, 2)), 11, 1.0), 5)


# --- points ---


def test_principal_coordinates_equal_scikit_bio():
    distances, _ = clades(30)
    expected = pcoa(DistanceMatrix(distances), number_of_dimensions=2).samples.to_numpy()
    np.testing.assert_allclose(np.abs(plane.principal_coordinates(distances)), np.abs(expected), atol=1e-8)


def test_circular_clades_fill_a_sector_each():
    order = np.array([5, 0, 3, 1, 2, 4])
    points = plane.circular(order, np.linspace(1, 2, 6))
    angle = np.mod(np.arctan2(points[:, 1], -points[:, 0]), 2 * np.pi)
    np.testing.assert_array_equal(np.argsort(np.round(angle, 9)), np.argsort(order))
    assert np.linalg.norm(points, axis=1).min() == pytest.approx(0.5)


def test_hyperbolic_distances_equal_geoopt_and_the_scale_divides_them():
    import geoopt
    import torch

    rng = np.random.default_rng(0)
    radius, direction = rng.uniform(0.1, 5, 12), rng.normal(size=(12, 4))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    ball = torch.tensor(np.tanh(radius / 2)[:, None] * direction)
    expected = geoopt.PoincareBall().dist(ball[:, None], ball[None, :]).numpy()
    np.testing.assert_allclose(hyperbolic(radius, direction), expected, atol=1e-7)
    poincare = {"tips": np.array(list("abcdefghijkl")), "radius": radius, "direction": direction, "scale": 2.0}
    np.testing.assert_allclose(embedded_distances(poincare, ["c", "a"]), expected[np.ix_([2, 0], [2, 0])] / 2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [2, 3, 7, 8, 30])
def test_few_taxa_are_laid_out_too(method, count):
    distances, _ = clades(count)
    tree = trees.tree_arrays(TreeNode.read([f"({','.join(f't{i}:1' for i in range(count))});"]))
    ball = np.random.default_rng(0).normal(size=(count, 4))
    cells, moved = lay_out(distances, tree, tree.tips, method, 8, 30, 0, ball)
    assert len(np.unique(cells, axis=0)) == count
    assert moved["moved_max"] < 8


def test_taxa_at_no_distance_from_each_other_are_laid_out():
    tree = trees.tree_arrays(TreeNode.read(["(t0:0,t1:0,t2:0,t3:0,t4:0,t5:0,t6:0,t7:0,t8:0);"]))
    for method in METHODS:
        cells, moved = lay_out(np.zeros((9, 9)), tree, tree.tips, method, 8, 30, 0, np.zeros((9, 4)))
        assert len(np.unique(cells, axis=0)) == 9
    assert moved["shared_before_snapping"] == 8


def test_two_layouts_are_the_same_and_an_unknown_method_is_refused():
    distances, _ = clades(60)
    tree = trees.tree_arrays(TreeNode.read([f"({','.join(f't{i}:1' for i in range(60))});"]))
    first, again = (lay_out(distances, tree, tree.tips, "tsne", 32, 15, 3)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    with pytest.raises(InputError, match="layout.method=map"):
        lay_out(distances, tree, tree.tips, "map", 32, 15, 3)


def random_tree(count, seed=0):
    """Tree of `count` tips that joins two random clades at a time."""
    rng = np.random.default_rng(seed)
    nodes = [f"t{i}" for i in range(count)]
    while len(nodes) > 1:
        first, second = (nodes.pop(rng.integers(len(nodes))) for _ in range(2))
        nodes.append(f"({first}:{rng.exponential():.4f},{second}:{rng.exponential():.4f})")
    return trees.tree_arrays(TreeNode.read([nodes[0] + ";"]))


def test_the_2d_embedding_keeps_the_distances_of_a_tree_and_comes_out_the_same():
    tree = random_tree(60)
    distances = trees.patristic_distances(tree)
    depth = trees.depths(tree)[tree.tip_node]
    first, again = (plane.poincare(distances, np.arange(60), depth) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    radius = np.linalg.norm(first, axis=1)
    kept = hyperbolic(radius, first / radius[:, None])
    assert np.corrcoef(squareform(kept, checks=False), squareform(distances, checks=False))[0, 1] > 0.9
    cells, _ = lay_out(distances, tree, tree.tips, "poincare", 32, 12, 0)
    dropped, _ = lay_out(
        distances, tree, tree.tips, "stereographic", 32, 12, 0, np.random.default_rng(0).normal(size=(60, 8))
    )
    assert quality.neighbour_recall(distances, cells, 10) > 0.5 > quality.neighbour_recall(distances, dropped, 10)


def test_the_stereographic_map_is_the_first_two_coordinates_of_the_ball():
    ball = np.random.default_rng(0).normal(size=(5, 4))
    np.testing.assert_array_equal(plane.stereographic(ball), ball[:, :2])


# --- newcomers ---


def test_newcomers_take_free_cells_of_their_own_beside_their_relatives():
    distances, clade = clades(200)
    tree = trees.tree_arrays(TreeNode.read([f"({','.join(f't{i}:1' for i in range(200))});"]))
    old, new = np.arange(200) >= 40, np.arange(200) < 40
    cells, _ = lay_out(distances[np.ix_(old, old)], tree, [f"t{i}" for i in range(40, 200)], "tsne", 64, 15, 0)
    placed = place_newcomers(distances[np.ix_(new, old)], cells, 64)
    both = np.concatenate([placed, cells])
    assert len(np.unique(both, axis=0)) == 200
    assert quality.purity(cdist(both, both), clade.astype(str)) > 0.95
    nearest_old = cells[distances[np.ix_(new, old)].argmin(axis=1)]
    assert np.median(np.linalg.norm(placed - nearest_old, axis=1)) < 5


def test_a_newcomer_that_equals_a_taxon_stands_next_to_it():
    cells = np.array([[5, 5], [50, 50], [50, 52], [52, 50], [52, 52]])
    distances = np.array([[0.0, 1.0, 1.0, 1.0, 1.0]])
    assert np.abs(place_newcomers(distances, cells, 64) - [5, 5]).max() == 1


def test_neighbours_of_two_clades_do_not_send_a_newcomer_between_them():
    cells = np.array([[5, 5], [5, 7], [7, 5], [50, 50], [50, 52]])
    placed = place_newcomers(np.array([[0.1, 0.1, 0.1, 0.12, 0.12]]), cells, 64)[0]
    assert np.linalg.norm(placed - [6, 6]) < 3


def test_the_order_of_newcomers_does_not_matter_and_the_nearest_choose_first():
    rng = np.random.default_rng(0)
    cells, distances = snap.snap(rng.uniform(0, 9, (30, 2)), 10), rng.random((12, 30))
    placed, order = place_newcomers(distances, cells, 10), rng.permutation(12)
    np.testing.assert_array_equal(place_newcomers(distances[order], cells, 10), placed[order])
    rivals = place_newcomers(np.array([[0.5, 9.0], [0.1, 9.0]]), np.array([[0, 0], [9, 9]]), 10)
    assert np.linalg.norm(rivals[1]) <= np.linalg.norm(rivals[0])


def test_more_newcomers_than_free_cells_are_refused():
    with pytest.raises(InputError, match="3 new taxa do not fit the 2 free cells.*layout.grid"):
        place_newcomers(np.ones((3, 2)), np.array([[0, 0], [1, 1]]), 2)


def earlier_study(tmp_path, cells, names):
    path = tmp_path / "positions.tsv"
    write_tsv(pd.DataFrame({"taxon": names, "row": cells[:, 0], "col": cells[:, 1]}), path)
    return path


def test_taxa_of_an_earlier_study_keep_their_cells_and_those_it_alone_has_stay_empty(tmp_path):
    distances, clade = clades(120)
    names = [f"t{i}" for i in range(120)]
    tree = trees.tree_arrays(TreeNode.read([f"({','.join(f'{name}:1' for name in names)});"]))
    cells, _ = lay_out(distances[:80, :80], tree, names[:80], "tsne", 32, 12, 0)
    existing = read_existing(earlier_study(tmp_path, cells, names[:80]), 32)
    later = slice(40, 120)  # 40 of the earlier study's taxa, and 40 new ones
    found, figures = keep_cells(names[later], distances[later, later], existing, 32)
    np.testing.assert_array_equal(found[:40], cells[40:])
    assert figures == {"method": "existing", "kept": 40, "placed": 40, "left_empty": 40}
    every = np.concatenate([cells[:40], found])
    assert len(np.unique(every, axis=0)) == 120
    assert quality.purity(cdist(found, found), clade[later].astype(str)) > 0.95
    again, _ = lay_out(distances[:80, :80], tree, names[:80], "tsne", 32, 12, 0, existing=existing)
    np.testing.assert_array_equal(again, cells)


def test_no_existing_layout_is_none():
    assert read_existing(None, 32) is None


def test_an_existing_layout_that_cannot_be_kept_is_refused(tmp_path):
    cells = np.array([[0, 0], [3, 9], [5, 5]])
    path = earlier_study(tmp_path, cells, list("abc"))
    with pytest.raises(InputError, match="b has the cell '3', '9', which layout.grid=8 does not have: set the grid"):
        read_existing(path, 8)
    with pytest.raises(InputError, match="none of the 2 taxa of this study .x, y. is in layout.existing"):
        keep_cells(["x", "y"], np.zeros((2, 2)), read_existing(path, 16), 16)
    with pytest.raises(InputError, match="gives 1 taxa twice .a."):
        read_existing(earlier_study(tmp_path, cells, list("aba")), 16)
    with pytest.raises(InputError, match="gives 1 cells twice .c."):
        read_existing(earlier_study(tmp_path, cells[[0, 1, 0]], list("abc")), 16)
    path.write_text("taxon\trow\na\t1\n")
    with pytest.raises(InputError, match="lacks the columns col: give results/layout/positions.tsv"):
        read_existing(path, 16)
    path.write_text("taxon\trow\tcol\na\t1.5\t2\n")
    with pytest.raises(InputError, match="a has the cell '1.5', '2'"):
        read_existing(path, 16)


# --- quality ---


def test_a_perfect_map_has_perfect_figures_and_a_shuffled_one_has_not():
    cells = np.stack(np.divmod(np.random.default_rng(0).choice(400, 60, replace=False), 20), axis=1)
    lineages = [f"k__B; p__{'left' if column < 10 else 'right'}" for column in cells[:, 1]]
    perfect = quality.layout_quality(cdist(cells, cells), cells, lineages)
    assert (perfect["shared_cells"], perfect["recall"]) == (0, 1.0)
    assert perfect["trustworthiness"] > 0.999  # equal distances on the grid are in no order
    assert perfect["purity"]["phylum"] > 0.8
    assert perfect["purity"]["genus"] is None
    shuffled = quality.layout_quality(cdist(cells, cells), np.random.default_rng(1).permutation(cells), lineages)
    assert shuffled["recall"] < 0.4
    assert shuffled["trustworthiness"] < 0.7
    assert shuffled["purity"]["phylum"] < perfect["purity"]["phylum"]


def test_shared_cells_are_counted():
    cells = np.array([[0, 0], [0, 0], [1, 1], [2, 2]])
    assert quality.layout_quality(cdist(cells, cells), cells, ["Unassigned"] * 4)["shared_cells"] == 1


def test_names_are_read_with_their_lineage_and_unassigned_taxa_do_not_count():
    frame = quality.ranks(["k__B; p__F; c__", "Unassigned", "k__B; p__P; c__C"])
    assert list(frame["phylum"]) == ["k__B; p__F", "", "k__B; p__P"]
    assert list(frame["class"]) == ["", "", "k__B; p__P; c__C"]
    line = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
    assert quality.purity(line, np.array(["x", "x", "", "y"])) == 1.0
    assert quality.purity(line, np.array(["x", "", "", "y"])) is None


def test_clades_stay_together_on_the_map():
    distances, clade = clades(200)
    tree = trees.tree_arrays(TreeNode.read([f"({','.join(f't{i}:1' for i in range(200))});"]))
    cells, _ = lay_out(distances, tree, tree.tips, "tsne", 64, 15, 0)
    assert quality.purity(cdist(cells, cells), clade.astype(str)) > 0.95
    assert quality.neighbour_recall(distances, cells, 10) > 0.5


def test_real_taxa_keep_their_neighbours(data: Path):
    """452 most prevalent OTUs of the global gut study at 128 cells: recall 0.60, trustworthiness 0.93."""
    _, tree, taxa = prevalent_taxa(data, 452)
    tree = trees.tree_arrays(tree)
    distances = tree_distances(tree, taxa)
    cells, _ = lay_out(distances, tree, taxa, "tsne", 128, 12, 0)
    figures = quality.layout_quality(
        distances, cells, list(tables.read_taxonomy(data / "globalgut_yatsunenko/taxonomy.tsv")[taxa])
    )
    print(json.dumps(figures, default=str))
    assert figures["shared_cells"] == 0
    assert figures["recall"] >= 0.60
    assert figures["trustworthiness"] >= 0.93
    assert figures["purity"]["family"] >= 0.88
