"""Rarefaction: depth exact, without replacement, unbiased, each sample on a stream of its own."""

import biom
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import skbio.diversity
import skbio.stats
from hypothesis import given
from hypothesis import strategies as st
from labels import labels_below, written_figures

from taxoscape import rarefy, tables
from taxoscape.errors import InputError
from taxoscape.rarefy import depth, figures, repeats


def table(samples: int = 6, taxa: int = 30, seed: int = 0) -> biom.Table:
    rng = np.random.default_rng(seed)
    matrix = rng.negative_binomial(0.3, 0.01, size=(taxa, samples)).astype(float)
    return biom.Table(matrix, [f"t{taxon}" for taxon in range(taxa)], [f"s{sample}" for sample in range(samples)])


@pytest.mark.parametrize("depth", [1, 50, 200])
def test_every_sample_kept_has_the_depth_and_no_more_than_it_had(depth):
    rarefied, dropped = rarefy.rarefy(table(), depth, seed=1)
    matrix = tables.counts(rarefied)
    assert (matrix.sum(axis=1) == depth).all()
    assert (matrix <= tables.counts(table(), rarefied.ids(), rarefied.ids("observation"))).all()
    assert matrix.any(axis=0).all()
    assert len(dropped) + len(rarefied.ids()) == 6


def test_the_whole_sample_at_its_own_depth_is_the_sample():
    counts = np.array([3, 0, 7, 1])
    np.testing.assert_array_equal(rarefy.draw(counts, 11, 5), counts)


def test_samples_with_fewer_reads_are_dropped_and_named():
    one = biom.Table(np.array([[5.0, 2, 9]]), ["t"], ["a", "b", "c"])
    rarefied, dropped = rarefy.rarefy(one, 5, seed=0)
    assert list(rarefied.ids()) == ["a", "c"]
    assert dropped.to_numpy().tolist() == [["b", 2, "fewer than 5 reads"]]


def test_same_seed_same_draw_and_another_seed_another():
    first, again, other = (rarefy.rarefy(table(), 100, seed)[0] for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_leaving_a_sample_out_does_not_change_the_others():
    whole = rarefy.rarefy(table(), 100, seed=2)[0]
    kept = list(whole.ids())[1:]
    part = rarefy.rarefy(table().filter(kept, inplace=False), 100, seed=2)[0]
    np.testing.assert_array_equal(
        tables.counts(part, kept, whole.ids("observation")), tables.counts(whole, kept, whole.ids("observation"))
    )


def test_the_mean_of_many_draws_is_the_share_of_the_reads():
    counts = np.array([500, 300, 150, 50])
    drawn = np.array([rarefy.draw(counts, 100, seed) for seed in range(2000)])
    # Hypergeometric standard error of the mean: at most sqrt(100 * 0.25 * 0.9 / 2000) = 0.106 reads.
    np.testing.assert_allclose(drawn.mean(axis=0), counts / 10, atol=0.5)


def test_a_depth_that_keeps_no_sample_is_refused_with_the_largest():
    one = biom.Table(np.array([[5.0, 2]]), ["t"], ["a", "b"])
    with pytest.raises(InputError, match=r"rarefy.depth=6 keeps 0 of 2 samples \(the largest has 5 reads\)"):
        rarefy.rarefy(one, 6, seed=0)


def test_features_that_a_sample_lacks_do_not_change_its_draw():
    counts = np.array([[50.0, 0], [0, 70], [30, 1]])
    both = biom.Table(counts, ["x", "y", "z"], ["a", "b"])
    alone = biom.Table(counts[[0, 2]], ["x", "z"], ["a", "b"])
    drawn = [rarefy.rarefy(one.filter(["a"], inplace=False), 40, seed=7)[0] for one in (both, alone)]
    assert drawn[0] == drawn[1]


def test_draws_are_distributed_as_those_of_scikit_bio():
    """Reference: skbio.stats.subsample_counts, scikit-bio 0.7.4; 2,000 draws each of 100 of 1,000 reads."""
    counts = np.array([500, 300, 150, 40, 8, 1, 1])
    theirs = np.array([skbio.stats.subsample_counts(counts, 100, seed=seed) for seed in range(2000)])
    ours = np.array([rarefy.draw(counts, 100, seed) for seed in range(2000)])
    for taxon in range(len(counts)):
        seen = np.union1d(ours[:, taxon], theirs[:, taxon])
        table = np.array([[(draws[:, taxon] == value).sum() for value in seen] for draws in (ours, theirs)])
        table = table[:, table.sum(axis=0) >= 10]
        assert scipy.stats.chi2_contingency(table).pvalue > 1e-3
    # Multivariate hypergeometric: n (N - n) / (N - 1) (diag p - p p'); standard error of a variance 22.5 sqrt(2/2000).
    share = counts / 1000
    covariance = 100 * 900 / 999 * (np.diag(share) - np.outer(share, share))
    for draws in (ours, theirs):
        np.testing.assert_allclose(np.cov(draws.T), covariance, atol=4 * 0.72)


def test_repeats_are_other_draws_and_the_first_is_the_one_in_use():
    used, second, third = (rarefy.rarefy(table(), 100, 3, repeat)[0] for repeat in (1, 2, 3))
    assert used == rarefy.rarefy(table(), 100, 3)[0]
    assert used != second
    assert second != third


def test_the_comparison_of_repeats_is_that_of_scikit_bio_draw_by_draw():
    draws = [rarefy.rarefy(table(), 100, 3, repeat)[0] for repeat in (1, 2, 3, 4)]
    found = repeats.compare(draws).set_index("sample")
    taxa = table().ids("observation")
    for sample in draws[0].ids():
        counts = np.vstack([tables.counts(draw, [sample], taxa) for draw in draws])
        richness = skbio.diversity.alpha_diversity("sobs", counts)
        shannon = skbio.diversity.alpha_diversity("shannon", counts, base=np.e)
        expected = [richness[0], richness.mean(), richness.std(), shannon[0], shannon.mean(), shannon.std()]
        distances = skbio.diversity.beta_diversity("braycurtis", counts)
        np.testing.assert_allclose(found.loc[sample], [*expected, distances[0, 1:].mean()], atol=1e-12)


def test_one_draw_of_whole_samples_differs_from_no_other():
    whole = biom.Table(np.array([[6.0, 2], [4, 8]]), ["x", "y"], ["a", "b"])
    found = repeats.compare([rarefy.rarefy(whole, 10, 0, repeat)[0] for repeat in (1, 2)])
    assert (found[["richness_sd", "shannon_sd", "bray_curtis"]] == 0).all(axis=None)


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=60).filter(any), st.floats(0.01, 1))
def test_auto_is_the_highest_depth_that_keeps_the_share_of_samples_with_reads(reads, keep):
    reads = np.array(reads)
    found = depth.choose(reads, {"depth": "auto", "keep": keep})
    filled = reads[reads > 0]
    highest = max(size for size in filled if (filled >= size).mean() >= keep)
    assert 0.99 * highest <= found <= highest
    assert not ((filled >= 0.99 * highest) & (filled < found)).any()


def test_auto_gives_up_a_few_reads_to_keep_a_sample():
    assert depth.choose(np.array([2512, 2517, 3000, 4000]), {"depth": "auto", "keep": 0.75}) == 2512
    assert depth.choose(np.array([2400, 2517, 3000, 4000]), {"depth": "auto", "keep": 0.75}) == 2517


def test_a_given_depth_is_taken_as_it_is():
    assert depth.choose(np.array([5, 9]), {"depth": 6, "keep": 0.9}) == 6
    with pytest.raises(InputError, match="rarefy.depth=10 keeps 0 of 2"):
        depth.choose(np.array([5, 9]), {"depth": 10, "keep": 0.9})


def test_auto_without_any_read_is_refused():
    with pytest.raises(InputError, match="rarefy.depth=auto finds no sample with reads"):
        depth.choose(np.array([0, 0]), {"depth": "auto", "keep": 0.9})


def test_the_tradeoff_counts_samples_and_reads_at_every_depth():
    found = depth.tradeoff(np.array([10, 0, 40, 20, 20]))
    assert found["depth"].tolist() == [10, 20, 40]
    assert found["samples"].tolist() == [4, 3, 1]
    assert found["share_of_samples"].tolist() == [1, 0.75, 0.25]
    np.testing.assert_allclose(found["share_of_reads"], [40 / 90, 60 / 90, 40 / 90])
    assert len(depth.tradeoff(np.arange(1, 1000))) == depth.MOST_DEPTHS


def test_samples_lost_before_rarefaction_are_listed_with_the_step():
    track = pd.DataFrame({"sample": ["a", "b", "c"], "input": ["9", "8", ""], "merged": ["9", "0", ""]})
    track["lineage"] = ["9", "0", "0"]
    found = rarefy.lost_before(track, np.array(["a"]))
    assert found.to_numpy().tolist() == [
        ["b", 0, "no read left at step merged"],
        ["c", 0, "no read left at step lineage"],
    ]
    assert rarefy.lost_before(track, np.array(["a", "b", "c"])).empty


def test_the_figure_of_depths_is_the_same_bytes_twice(tmp_path):
    reads = np.array([10, 40, 20, 200])
    chosen = depth.describe(reads, 20, {"depth": "auto", "keep": 0.7})
    assert (chosen["kept"], chosen["samples"], chosen["share_of_reads"]) == (3, 4, 60 / 270)
    for name in ("first.png", "second.png"):
        figures.draw_depths(depth.tradeoff(reads), chosen, tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


@pytest.mark.parametrize("deepest", [9_000, 68_000, 400_000, 5_000_000])
def test_depths_stand_apart_below_their_figure(deepest, tmp_path, monkeypatch):
    written = written_figures(monkeypatch)
    reads = np.unique(np.geomspace(2000, deepest, 60).astype(int))
    chosen = depth.describe(reads, 2000, {"depth": 2000, "keep": 0.9})
    figures.draw_depths(depth.tradeoff(reads), chosen, tmp_path / "depths.png")
    labels = labels_below(written[0].axes[0])
    assert 1 < len(labels) < 10
    assert all(label.replace(",", "").isdigit() for label in labels)
