"""UniFrac and Faith's PD by matrix products: equal to scikit-bio's and to the UniFrac package's binary."""

import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from skbio.diversity import alpha_diversity, beta_diversity
from skbio.stats.distance import DistanceMatrix
from test_trees import random_tree

from taxoscape import tables, trees, unifrac
from taxoscape.errors import InputError

METRICS = {"unweighted": ("unweighted_unifrac", {}), "weighted_normalized": ("weighted_unifrac", {"normalized": True})}


def sparse_counts(samples: int, taxa: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.negative_binomial(0.1, 0.02, size=(samples, taxa)) + np.eye(samples, taxa, dtype=int)


def scikit_bio(counts, tree, metric):
    name, options = METRICS[metric]
    tips = [tip.name for tip in tree.tips()]
    return beta_diversity(name, counts, taxa=tips, tree=tree, validate=True, **options).data


def rooted(tree):
    """Bifurcating root, which scikit-bio asks for."""
    return tree.root_at_midpoint()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(3))
def test_distances_equal_scikit_bios(metric, seed):
    tree = rooted(random_tree(60, seed))
    counts = sparse_counts(12, 60, seed)
    distances = unifrac.distances(counts, trees.tree_arrays(tree), metric)
    np.testing.assert_allclose(distances, scikit_bio(counts, tree, metric), rtol=1e-12, atol=1e-12)


def test_faith_pd_equals_scikit_bios():
    tree = rooted(random_tree(60, 3))
    counts = sparse_counts(12, 60, 3)
    expected = alpha_diversity("faith_pd", counts, taxa=[tip.name for tip in tree.tips()], tree=tree)
    np.testing.assert_allclose(unifrac.faith_pd(counts, trees.tree_arrays(tree)), expected, rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_blocks_of_branches_change_nothing(monkeypatch, metric):
    tree = trees.tree_arrays(random_tree(40, 1))
    counts = sparse_counts(5, 40, 1)
    whole = unifrac.distances(counts, tree, metric), unifrac.faith_pd(counts, tree)
    monkeypatch.setattr(unifrac, "BLOCK", 7)
    parts = unifrac.distances(counts, tree, metric), unifrac.faith_pd(counts, tree)
    for part, expected in zip(parts, whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shards", [1, 2, 3, 7, 20])
def test_shards_together_are_all_distances(monkeypatch, metric, shards):
    tree = trees.tree_arrays(random_tree(40, 1))
    counts = sparse_counts(12, 40, 1)
    monkeypatch.setattr(unifrac, "BLOCK", 5)
    spans = unifrac.spans(12, shards)
    parts = [unifrac.distances_from(counts, tree, metric, *span) for span in spans]
    joined = np.concatenate(list(unifrac.joined(parts)))
    assert (joined == joined.T).all()
    np.testing.assert_allclose(joined, unifrac.distances(counts, tree, metric), rtol=1e-13, atol=1e-15)


def test_shards_share_the_pairs_evenly():
    spans = unifrac.spans(15_096, 8)
    assert spans[0][0] == 0
    assert spans[-1][1] == 15_096
    assert all(one[1] == other[0] for one, other in pairwise(spans))
    pairs = [(last - first) * (15_096 - (first + last) / 2) for first, last in spans]
    assert max(pairs) < 1.01 * min(pairs)


@pytest.mark.parametrize("metric", METRICS)
def test_distances_are_a_dissimilarity_between_0_and_1(metric):
    tree = trees.tree_arrays(random_tree(40, 2))
    counts = sparse_counts(10, 40, 2)
    counts[3] = counts[2] * 2
    distances = unifrac.distances(counts, tree, metric)
    assert (distances == distances.T).all()
    assert (np.diag(distances) == 0).all()
    assert ((distances >= 0) & (distances <= 1)).all()
    assert distances[2, 3] < 1e-15  # depth is no difference
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(distances[4, 5], 0, atol=1e-3)


@pytest.mark.parametrize("metric", METRICS)
def test_samples_without_reads_share_nothing(metric):
    counts = np.array([[1, 2, 0, 3], [0, 0, 0, 0], [0, 0, 0, 0]])
    tree = trees.tree_arrays(random_tree(4, 0))
    distances, faith = unifrac.distances(counts, tree, metric), unifrac.faith_pd(counts, tree)
    np.testing.assert_array_equal(distances, [[0, 1, 1], [1, 0, 0], [1, 0, 0]])
    assert faith[1] == 0


def test_features_outside_the_tree_are_counted(capsys):
    tree = trees.tree_arrays(random_tree(3, 0))
    counts = np.array([[1, 3], [0, 4]])
    unifrac.report_left_out(counts, ["t_1", "elsewhere"], tree, ["a", "b"])
    said = capsys.readouterr().out
    assert "1 of 2 features are not in the tree: 87.50% of the reads" in said
    assert "1 samples have no read in the tree: b" in said
    with pytest.raises(InputError, match="none of the 2 features"):
        unifrac.report_left_out(counts, ["x", "y"], tree, ["a", "b"])


@pytest.fixture(scope="module")
def ecam(data):
    """40 samples of ECAM, their features in the study's tree."""
    table = tables.read_table(data / "ecam_10249" / "table.biom")
    tree = trees.read_tree(data / "ecam_10249" / "tree.nwk")
    arrays = trees.tree_arrays(tree)
    return tables.counts(table, list(table.ids())[:40], arrays.tips), tree, arrays


@pytest.mark.parametrize("metric", METRICS)
def test_real_samples_equal_scikit_bio(metric, ecam):
    counts, tree, arrays = ecam
    distances = unifrac.distances(counts, arrays, metric)
    np.testing.assert_allclose(distances, scikit_bio(counts, tree, metric), rtol=0, atol=1e-12)


@pytest.mark.skipif(shutil.which("ssu") is None, reason="the UniFrac package's ssu is not installed")
@pytest.mark.parametrize("metric", METRICS)
def test_real_samples_equal_ssu(metric, ecam, tmp_path):
    counts, tree, arrays = ecam
    samples = [f"s{row}" for row in range(len(counts))]
    present = counts.any(axis=0)
    tips = [tip for tip, used in zip(arrays.tips, present, strict=True) if used]
    tables.write_table(counts[:, present], tips, samples, tmp_path / "t.biom")
    tree.write(str(tmp_path / "t.nwk"))
    call = ["ssu", "-i", "t.biom", "-t", "t.nwk", "-m", f"{metric}_fp64", "-o", "d.tsv"]
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    expected = DistanceMatrix.read(str(tmp_path / "d.tsv")).filter(samples).data
    np.testing.assert_allclose(unifrac.distances(counts, arrays, metric), expected, rtol=0, atol=1e-6)
