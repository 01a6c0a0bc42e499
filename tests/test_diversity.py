"""Diversity: numbers equal to scikit-bio's or to brute force, tests that keep their size for repeated samples."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import skbio.diversity
import skbio.stats.composition
from scipy.spatial.distance import pdist, squareform
from skbio.stats.composition import ancombc2
from skbio.stats.distance import DistanceMatrix, permanova, permdisp
from skbio.stats.ordination import pcoa
from test_trees import random_tree

from taxoscape import metadata, rarefy, tables, trees, unifrac
from taxoscape.checks import check_diversity
from taxoscape.compositions import clr
from taxoscape.diversity import alpha, beta, compare, differential, figures, rarefaction, study
from taxoscape.diversity.compare import comparisons
from taxoscape.diversity.permanova import compare_distances, field_tests
from taxoscape.errors import InputError
from taxoscape.files import write_tsv

CATEGORICAL = {"type": "categorical", "categories": []}
CONTINUOUS = {"type": "continuous", "unit": "years"}


def sparse_counts(samples: int, taxa: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.negative_binomial(0.2, 0.01, size=(samples, taxa)) + np.eye(samples, taxa, dtype=int)


def study_of(fields: dict, group: list | None = None, min_group: int = 3) -> list[compare.Comparison]:
    """Comparisons by fields (name -> values), samples of `group` belonging together."""
    samples = [f"s{place}" for place in range(len(next(iter(fields.values()))))]
    frame = pd.DataFrame({"group": group if group is not None else samples, "time": np.nan}, index=samples)
    kinds = {}
    for name, values in fields.items():
        text = any(isinstance(value, str) for value in values)
        frame[name] = pd.Series(list(values), index=samples, dtype=object if text else float)
        kinds[name] = CATEGORICAL if text else CONTINUOUS
    return comparisons(frame, {"fields": kinds, "targets": {}}, None, min_group)


def letters(codes: np.ndarray) -> list[str]:
    return [chr(97 + code) for code in codes]


# Rarefaction curves


@pytest.mark.parametrize("seed", range(3))
def test_expected_richness_and_shannon_are_the_sums_over_the_hypergeometric_law(seed):
    counts = sparse_counts(1, 40, seed)[0]
    reads = counts.sum()
    depths = np.unique([1, 2, 7, reads // 3, reads - 1, reads])
    for depth, richness, shannon in zip(
        depths,
        rarefaction.expected_richness(counts, depths),
        rarefaction.expected_shannon(counts, depths),
        strict=True,
    ):
        k = np.arange(1, depth + 1)[:, None]
        probability = scipy.stats.hypergeom.pmf(k, reads, counts, depth)
        np.testing.assert_allclose(richness, probability.sum(), rtol=1e-9)
        np.testing.assert_allclose(shannon, -(probability * k / depth * np.log(k / depth)).sum(), rtol=1e-8, atol=1e-12)


def test_curves_are_the_mean_over_many_subsamples():
    counts = sparse_counts(1, 30, 5)[0]
    draws = np.random.default_rng(0).multivariate_hypergeometric(counts, 60, size=4000, method="marginals")
    richness = (draws > 0).sum(axis=1)
    shannon = np.array([skbio.diversity.alpha.shannon(draw) for draw in draws])
    for expected, found in (
        (rarefaction.expected_richness(counts, np.array([60]))[0], richness),
        (rarefaction.expected_shannon(counts, np.array([60]))[0], shannon),
    ):
        assert abs(expected - found.mean()) < 4 * found.std() / np.sqrt(len(draws))


def test_a_curve_starts_at_one_taxon_and_ends_at_the_sample_itself():
    counts = sparse_counts(4, 30, 1)
    depths = rarefaction.depths(counts.sum(axis=1), 10, 50)
    assert 50 in depths
    frame = rarefaction.curves(counts, list("abcd"), np.append(1, depths))
    first, last = frame.groupby("sample").first(), frame.groupby("sample").last()
    np.testing.assert_allclose(first[["richness", "shannon"]], np.tile([1.0, 0.0], (4, 1)), atol=1e-9)
    np.testing.assert_array_equal(last["depth"], counts.sum(axis=1))
    np.testing.assert_allclose(last["richness"], (counts > 0).sum(axis=1))
    np.testing.assert_allclose(last["shannon"], skbio.diversity.alpha_diversity("shannon", counts))
    assert (frame.groupby("sample")["richness"].diff().dropna() > -1e-9).all()


def test_a_sample_of_many_reads_loses_no_precision():
    counts = np.array([400_000, 1, 1, 30_000])
    half = rarefaction.expected_richness(counts, np.array([counts.sum() // 2]))[0]
    np.testing.assert_allclose(half, 2 + 2 * 0.5, rtol=1e-5)


def test_a_sample_without_reads_has_no_curve():
    found = rarefaction.curves(np.array([[0, 0], [1, 2]]), ["none", "some"], np.array([1]))
    assert set(found["sample"]) == {"some"}


# Alpha diversity


def test_alpha_diversity_equals_scikit_bios():
    tree = random_tree(30, 2).root_at_midpoint()
    tips = [tip.name for tip in tree.tips()]
    counts = sparse_counts(8, 30, 2)
    found = alpha.alpha_diversity(counts, unifrac.faith_pd(counts, trees.tree_arrays(tree)))
    for measure, name in (("richness", "sobs"), ("shannon", "shannon"), ("pielou", "pielou_e"), ("simpson", "simpson")):
        np.testing.assert_allclose(found[measure], skbio.diversity.alpha_diversity(name, counts), rtol=1e-12)
    expected = skbio.diversity.alpha_diversity("faith_pd", counts, taxa=tips, tree=tree)
    np.testing.assert_allclose(found["faith_pd"], expected, rtol=1e-12)


def test_blocks_of_samples_change_nothing(monkeypatch):
    tree = trees.tree_arrays(random_tree(30, 2))
    counts = sparse_counts(8, 30, 2)
    whole = alpha.alpha_diversity(counts, unifrac.faith_pd(counts, tree))
    monkeypatch.setattr(alpha, "BLOCK", 3)
    pd.testing.assert_frame_equal(alpha.alpha_diversity(counts, unifrac.faith_pd(counts, tree)), whole)


def test_a_sample_of_one_taxon_has_no_evenness():
    found = alpha.alpha_diversity(np.array([[5, 0], [1, 1]]), np.ones(2))
    assert np.isnan(found["pielou"][0])
    assert found["shannon"][0] == 0
    assert found["pielou"][1] == 1


def test_independent_samples_are_tested_by_scipys_kruskal_wallis_and_spearman():
    rng = np.random.default_rng(0)
    measure, codes, age = rng.random(30), rng.integers(0, 3, 30), rng.random(30)
    diet, years = study_of({"diet": letters(codes), "age": age})
    found = alpha.compare_measure(measure, diet, None)
    statistic, p = scipy.stats.kruskal(*(measure[codes == code] for code in range(3)))
    assert (found["statistic"], found["p"]) == pytest.approx((statistic, p))
    found = alpha.compare_measure(measure, years, None)
    assert (found["effect"], found["p"]) == pytest.approx(tuple(scipy.stats.spearmanr(measure, age)))


def test_a_field_of_subjects_is_tested_between_their_means():
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(10), 4)
    measure, age = rng.random(40), rng.random(10)
    (years,) = study_of({"age": age[subject]}, list(subject))
    found = alpha.compare_measure(measure, years, None)
    assert found["p"] == pytest.approx(scipy.stats.spearmanr(measure.reshape(10, 4).mean(axis=1), age).pvalue)
    assert found["note"] == "means of subjects"
    assert years.permuted == "subjects"


def test_what_changes_within_subjects_is_tested_there():
    """Between subjects age and richness rise together, within each they fall: the test sees the fall."""
    subject = np.repeat(np.arange(8), 5)
    visit = np.tile(np.arange(5.0), 8)
    age, richness = 10 * subject + visit, 100 * subject - 3 * visit
    frame = pd.DataFrame(dict.fromkeys(alpha.MEASURES, richness))
    tests = alpha.alpha_tests(frame, study_of({"age": age}, list(subject)), 199, 0)
    within, between = (tests[tests["permuted"] == name] for name in ("within subjects", "subjects"))
    assert (within["effect"] < -0.99).all()
    assert (within["p"] == 1 / 200).all()
    assert (between["effect"] > 0.99).all()
    assert (between["p"] < 1e-4).all()


def test_categories_within_subjects_explain_what_a_regression_on_the_centred_ranks_does():
    rng = np.random.default_rng(3)
    subject = np.repeat(np.arange(9), [3, 4, 5, 2, 6, 3, 4, 5, 2])
    codes, measure = rng.integers(0, 3, 34), rng.random(34)
    within, _ = study_of({"diet": letters(codes)}, list(subject))
    found = alpha.compare_measure(measure, within, compare.orders(within, 199, 0))
    rank = scipy.stats.rankdata(measure)
    assert found["effect"] == pytest.approx(share_after_subjects(rank[:, None], np.eye(3)[codes], subject))
    assert 0.005 <= found["p"] <= 1


def share_after_subjects(response: np.ndarray, columns: np.ndarray, subject: np.ndarray) -> float:
    """Share of the variation within subjects that columns explain, by least squares with a constant per subject."""
    blocks = np.eye(subject.max() + 1)[subject]
    first, second = (
        ((response - design @ np.linalg.lstsq(design, response, rcond=None)[0]) ** 2).sum()
        for design in (blocks, np.column_stack([blocks, columns]))
    )
    return 1 - second / first


# Beta diversity and ordination


@pytest.mark.parametrize("metric", beta.METRICS)
def test_distances_equal_scikit_bios(metric):
    tree = random_tree(30, 4).root_at_midpoint()
    tips = [tip.name for tip in tree.tips()]
    counts = sparse_counts(9, 30, 4)
    found = beta.distances(metric, counts, counts, trees.tree_arrays(tree), 0.5)
    names = {"bray_curtis": ("braycurtis", {}), "aitchison": ("aitchison", {})}
    names |= {"unweighted_unifrac": ("unweighted_unifrac", {"taxa": tips, "tree": tree})}
    names |= {"weighted_unifrac": ("weighted_unifrac", {"taxa": tips, "tree": tree, "normalized": True})}
    name, options = names[metric]
    if metric == "aitchison":
        expected = squareform(pdist(skbio.stats.composition.clr(counts + 0.5)))
    else:
        expected = skbio.diversity.beta_diversity(name, counts, **options).data
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_aitchison_ignores_scale_order_and_what_all_samples_share():
    counts = sparse_counts(6, 12, 3)
    first = beta.distances("aitchison", counts, counts, None, 0.5)
    np.testing.assert_allclose(beta.distances("aitchison", counts * 3, counts, None, 1.5), first)
    np.testing.assert_allclose(beta.distances("aitchison", counts[:, ::-1], counts, None, 0.5), first)
    factors = np.random.default_rng(0).uniform(0.1, 10, 12)
    np.testing.assert_allclose(squareform(pdist(clr((counts + 0.5) * factors))), first)


def test_principal_coordinates_equal_scikit_bios_and_keep_euclidean_distances():
    places = np.random.default_rng(1).normal(size=(20, 4))
    distances = squareform(pdist(places))
    frame, explained = beta.ordinate(distances, [f"s{place}" for place in range(20)], 0)
    expected = pcoa(DistanceMatrix(distances), dimensions=10, warn_neg_eigval=False)
    np.testing.assert_allclose(explained["explained"], expected.proportion_explained, atol=1e-12)
    np.testing.assert_allclose(squareform(pdist(frame[["PC1", "PC2", "PC3", "PC4"]])), distances, atol=1e-9)
    first = frame["PC1"].to_numpy()
    assert first[np.abs(first).argmax()] > 0


def test_the_fast_ordination_of_many_samples_agrees_with_the_exact_one(monkeypatch):
    places = np.random.default_rng(1).normal(size=(80, 5)) * [9, 7, 5, 3, 1]
    distances, names = squareform(pdist(places)), [f"s{place}" for place in range(80)]
    exact, shares = beta.ordinate(distances, names, 0)
    monkeypatch.setattr(beta, "EXACT_UP_TO", 10)
    fast, fast_shares = beta.ordinate(distances, names, 0)
    np.testing.assert_allclose(fast_shares["explained"][:4], shares["explained"][:4], rtol=1e-6)
    np.testing.assert_allclose(fast["PC1"], exact["PC1"], atol=1e-5)
    assert fast.equals(beta.ordinate(distances, names, 0)[0])


def test_the_square_table_is_what_scikit_bio_reads(tmp_path):
    distances = squareform(pdist(np.random.default_rng(0).random((4, 3))))
    write_tsv(beta.lsmat(distances[:0, :0], []), tmp_path / "none.tsv", index=True)
    assert (tmp_path / "none.tsv").read_text() == "sample\n"
    write_tsv(beta.lsmat(distances, list("abcd")), tmp_path / "m.tsv", index=True, float_format="%.7g")
    read = DistanceMatrix.read(str(tmp_path / "m.tsv"))
    assert read.ids == tuple("abcd")
    np.testing.assert_allclose(read.data, distances, rtol=1e-6)


def test_too_many_samples_are_not_compared_and_every_table_says_why(tmp_path):
    samples, why = beta.compared([f"s{place}" for place in range(12)], 10)
    assert samples == []
    assert "12 samples are more than diversity.max_samples=10" in why
    distances = beta.distances("aitchison", np.zeros((0, 5)), np.zeros((0, 5)), None, 0.5)
    study.write_distances(distances, samples, why, tmp_path / "aitchison.npz")
    design = pd.DataFrame({"group": list("abcdefghijkl")}, index=[f"s{place}" for place in range(12)])
    found, said = study.of_design([tmp_path / "aitchison.npz"], design)
    (field,) = study_of({"age": np.arange(12.0)})
    tests = field_tests(found, [field], 99, 0, said)
    assert tests.loc[0, "note"] == why
    assert np.isnan(tests.loc[0, "p"])
    assert beta.ordinate(distances, samples, 0)[0].empty


def test_distances_are_taken_in_the_order_of_the_design(tmp_path):
    distances = squareform(np.arange(1.0, 7.0))
    study.write_distances(distances, list("abcd"), "", tmp_path / "m.npz")
    found, why = study.of_design([tmp_path / "m.npz"], pd.DataFrame(index=["d", "a"]))
    assert why == ""
    np.testing.assert_array_equal(found["m"], [[0, distances[0, 3]], [distances[0, 3], 0]])


# PERMANOVA


def points(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 6))


@pytest.mark.parametrize("metric", ["euclidean", "braycurtis"])
@pytest.mark.parametrize("seed", range(3))
def test_pseudo_f_equals_scikit_bios(metric, seed):
    codes = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2], [6, 9, 12]))
    distances = squareform(pdist(np.abs(points(27, seed)), metric))
    (field,) = study_of({"diet": letters(codes)})
    found = compare_distances(distances, field, compare.orders(field, 999, 0))
    expected = permanova(DistanceMatrix(distances), codes, permutations=999, seed=seed)
    assert found["pseudo_f"] == pytest.approx(expected["test statistic"], rel=1e-10)
    assert found["p"] == pytest.approx(expected["p-value"], abs=0.06)
    f = found["pseudo_f"]
    assert found["r2"] == pytest.approx(1 / (1 + (27 - 3) / (2 * f)))


@pytest.mark.parametrize("seed", range(3))
def test_dispersion_f_equals_scikit_bios_where_distances_are_euclidean(seed):
    codes = np.repeat([0, 1, 2], [8, 9, 10])
    distances = squareform(pdist(points(27, seed) * (1 + codes[:, None] * 0.3)))
    (field,) = study_of({"diet": letters(codes)})
    found = compare_distances(distances, field, compare.orders(field, 999, 0))
    expected = permdisp(DistanceMatrix(distances), codes, test="centroid", dimensions=26, seed=0, warn_neg_eigval=False)
    assert found["dispersion_f"] == pytest.approx(expected["test statistic"], rel=1e-8)
    assert found["dispersion_p"] == pytest.approx(expected["p-value"], abs=0.06)


def test_a_number_of_two_values_is_a_category_of_two():
    codes = np.random.default_rng(1).integers(0, 2, 20)
    distances = squareform(pdist(np.abs(points(20, 1)), "braycurtis"))
    category, number = study_of({"a": letters(codes), "b": codes * 2.5 + 1})
    order = compare.orders(category, 99, 0)
    first, second = (compare_distances(distances, field, order) for field in (category, number))
    for key in ("r2", "pseudo_f", "p"):
        assert first[key] == pytest.approx(second[key])


def test_a_number_explains_what_a_regression_of_the_coordinates_does():
    coordinates = points(30, 2)
    age = coordinates[:, 0] + np.random.default_rng(0).normal(size=30)
    (field,) = study_of({"age": age})
    found = compare_distances(squareform(pdist(coordinates)), field, compare.orders(field, 199, 0))
    design = np.column_stack([np.ones(30), age])
    fitted = design @ np.linalg.lstsq(design, coordinates, rcond=None)[0]
    centred = coordinates - coordinates.mean(axis=0)
    r2 = ((fitted - coordinates.mean(axis=0)) ** 2).sum() / (centred**2).sum()
    assert found["r2"] == pytest.approx(r2)
    assert found["pseudo_f"] == pytest.approx(r2 / ((1 - r2) / 28))
    assert found["p"] == 1 / 200


def test_blocks_of_permutations_change_nothing(monkeypatch):
    (field,) = study_of({"diet": letters(np.arange(20) % 3)})
    distances = squareform(pdist(points(20, 3)))
    order = compare.orders(field, 50, 0)
    whole = compare_distances(distances, field, order)
    monkeypatch.setattr("taxoscape.diversity.permanova.BLOCK", 7)
    assert compare_distances(distances, field, order) == pytest.approx(whole)


@pytest.mark.parametrize("kind", ["categorical", "continuous"])
def test_p_is_uniform_when_nothing_is_there(kind):
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = letters(rng.permutation(np.arange(18) % 3)) if kind == "categorical" else rng.normal(size=18)
        (field,) = study_of({"field": values})
        result = compare_distances(squareform(pdist(rng.normal(size=(18, 4)))), field, compare.orders(field, 99, seed))
        found.append([result["p"], result.get("dispersion_p", np.nan)])
    p, dispersion = np.array(found).T
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01
    if kind == "categorical":
        assert scipy.stats.kstest(dispersion, "uniform").pvalue > 0.01


def rejections(field_of, seeds: int = 100) -> tuple[float, float]:
    """Share of p <= 0.05 of restricted and of naive permutations: 12 subjects of 5 samples, subjects unlike."""
    restricted, naive = [], []
    subject = np.repeat(np.arange(12), 5)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        coordinates = 2 * rng.normal(size=(12, 4))[subject] + rng.normal(size=(60, 4))
        distances = squareform(pdist(coordinates))
        values = field_of(rng, subject)
        for group, p in ((list(subject), restricted), (None, naive)):
            fields = study_of({"field": values}, group)
            p.append([compare_distances(distances, field, compare.orders(field, 99, seed))["p"] for field in fields])
    return np.mean(np.array(restricted) <= 0.05), np.mean(np.array(naive) <= 0.05)


def test_a_field_of_subjects_keeps_its_size_where_free_permutations_fail():
    restricted, naive = rejections(lambda rng, subject: letters(rng.permutation(np.arange(12) % 2)[subject]))
    assert naive > 0.5
    assert restricted < 0.12  # 0.05 + 3 standard errors


def test_a_field_that_drifts_with_subjects_keeps_its_size_where_free_permutations_fail():
    def age(rng, subject):
        return 5 * rng.normal(size=12)[subject] + rng.normal(size=60)

    restricted, naive = rejections(age)
    assert naive > 0.5
    assert restricted < 0.12


@pytest.mark.parametrize("kind", ["categorical", "continuous"])
def test_within_subjects_f_is_that_of_a_regression_with_a_constant_for_every_subject(kind):
    rng = np.random.default_rng(4)
    subject = np.repeat(np.arange(8), [3, 4, 5, 2, 6, 3, 4, 5])
    n, coordinates, codes = 32, rng.normal(size=(32, 5)) + 3 * rng.normal(size=(8, 5))[subject], rng.integers(0, 3, 32)
    values, columns = (letters(codes), np.eye(3)[codes]) if kind == "categorical" else (codes * 1.5, codes[:, None])
    field, _ = study_of({"field": values}, list(subject))
    found = compare_distances(squareform(pdist(coordinates)), field, compare.orders(field, 99, 0))
    share, degrees = share_after_subjects(coordinates, columns, subject), 2 if kind == "categorical" else 1
    assert found["df"] == degrees
    assert found["pseudo_f"] == pytest.approx(share / degrees / ((1 - share) / (n - 8 - degrees)))
    means = np.array([coordinates[subject == name].mean(axis=0) for name in range(8)])
    inner = ((coordinates - means[subject]) ** 2).sum()
    assert found["r2"] == pytest.approx(share * inner / ((coordinates - coordinates.mean(axis=0)) ** 2).sum())


def test_a_number_between_subjects_is_their_mean():
    subject = np.repeat(np.arange(8), 3)
    age = 10.0 * subject + np.tile([0, 1, 2], 8)
    within, between = study_of({"age": age}, list(subject))
    assert (within.permuted, between.permuted) == ("within subjects", "subjects")
    np.testing.assert_allclose(between.values, 10 * subject + 1)
    np.testing.assert_array_equal(within.values, age)
    assert compare.one_per_field([within, between]) == [within]


def test_a_category_between_subjects_is_that_of_those_who_never_change():
    subject = list(np.repeat(np.arange(9), 2))
    diet = ["a", "b", *["a"] * 8, *["b"] * 8]
    diet[3] = None
    within, between = study_of({"diet": diet}, subject)
    assert (within.varies_in, len(within.rows), within.missing) == (1, 17, 1)
    assert (between.missing, between.left_out, len(between.rows)) == (1, 2, 15)
    assert between.why_not == ""
    assert "changes within 1 subjects only" in within.why_not


def test_an_effect_within_subjects_is_found():
    def found(seed):
        rng = np.random.default_rng(seed)
        subject, after = np.repeat(np.arange(10), 4), np.tile([0, 0, 1, 1], 10)
        coordinates = 2 * rng.normal(size=(10, 4))[subject] + rng.normal(size=(40, 4)) + after[:, None]
        field, _ = study_of({"after": letters(after)}, list(subject))
        return compare_distances(squareform(pdist(coordinates)), field, compare.orders(field, 199, 0))["p"]

    assert np.mean([found(seed) <= 0.05 for seed in range(10)]) >= 0.9


# What may change places


def test_permutations_move_what_they_may_and_nothing_else():
    subject = [0, 0, 1, 1, 1, 2, 3, 3, 4, 4]
    constant = [float(name) for name in subject]
    varying = list(np.arange(10.0))
    free, between, within = (
        study_of({"f": varying})[0],
        study_of({"f": constant}, subject)[0],
        study_of({"f": varying}, subject)[0],
    )
    assert [field.permuted for field in (free, between, within)] == ["samples", "subjects", "within subjects"]
    order = compare.orders(free, 50, 0)
    assert (np.sort(order, axis=1) == np.arange(10)).all()
    order = compare.orders(within, 200, 0)
    assert (np.sort(order, axis=1) == np.arange(10)).all()
    assert (np.array(subject)[order] == subject).all()
    assert len(np.unique(order, axis=0)) == 2 * 6 * 1 * 2 * 2
    values = between.values[compare.orders(between, 300, 0)]
    for row in values:
        assert len(set(zip(subject, row, strict=True))) == 5  # one value for each subject
        assert sorted(dict(zip(subject, row, strict=True)).values()) == [0, 1, 2, 3, 4]


def test_a_field_gets_the_same_permutations_whatever_else_is_tested():
    (alone,) = study_of({"age": np.arange(9.0)})
    _, beside = study_of({"diet": letters(np.arange(9) % 2), "age": np.arange(9.0)})
    np.testing.assert_array_equal(compare.orders(alone, 5, 0), compare.orders(beside, 5, 0))
    assert (compare.orders(alone, 5, 0) != compare.orders(alone, 5, 1)).any()


def test_missing_values_and_rare_categories_are_counted():
    (field,) = study_of({"diet": ["a"] * 6 + ["b"] * 5 + ["c", "c", None, None]})
    assert (field.missing, field.left_out, field.levels, len(field.rows)) == (2, 2, ["a", "b"], 11)
    subject = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    (field,) = study_of({"diet": ["c"] * 4 + ["a"] * 6 + ["b"] * 5}, subject)
    assert field.left_out == 4  # of one subject alone, however many its samples
    assert field.permuted == "subjects"


@pytest.mark.parametrize(
    ("values", "group", "why"),
    [
        (["a"] * 9, None, "fewer than two values"),
        ([f"{place}" for place in range(9)], None, "9 of categories with fewer than 3"),
        ([None] * 9 + ["a"], None, "10 samples|9 samples without a value"),
        ([1.0, 2.0, 3.0, np.nan], None, "only 3 samples"),
        ([1.0] * 4 + [2.0] * 4 + [3.0] * 4, [0] * 4 + [1] * 4 + [2] * 4, "only 3 subjects"),
    ],
)
def test_what_cannot_be_tested_is_a_row_that_says_why(values, group, why):
    (field,) = study_of({"field": values}, group)
    distances = squareform(pdist(points(len(values), 0)))
    tests = field_tests({"aitchison": distances}, [field], 19, 0)
    assert pd.Series(tests["note"]).str.contains(why).all()
    assert tests["p"].isna().all()
    assert tests["q"].isna().all()
    frame = pd.DataFrame(np.random.default_rng(0).random((len(values), 5)), columns=alpha.MEASURES)
    assert alpha.alpha_tests(frame, [field], 19, 0)["p"].isna().all()
    counts = sparse_counts(len(values), 20, 0)
    effects, fields = differential.differential(counts, letters(range(20)), [field], OPTIONS, 0)
    assert effects.empty
    assert fields["note"].str.contains(why).all()


def test_a_study_without_fields_has_empty_tables():
    assert comparisons(pd.DataFrame({"group": ["a", "b"]}), {"fields": {}, "targets": {}}, None, 3) == []
    assert field_tests({"aitchison": np.zeros((2, 2))}, [], 99, 0).empty
    assert alpha.alpha_tests(pd.DataFrame(), [], 99, 0).empty


def test_q_values_are_scipys_and_leave_out_what_was_not_tested():
    q = compare.benjamini_hochberg(pd.Series([0.01, np.nan, 0.04, 0.03]))
    np.testing.assert_allclose(q[[0, 2, 3]], scipy.stats.false_discovery_control([0.01, 0.04, 0.03]))
    assert np.isnan(q[1])


def test_a_field_that_the_study_does_not_declare_is_refused():
    config = {"fields": {"age": {"type": "continuous"}}, "targets": {"diet": "classification"}, "time": None}
    settings = {"metadata": config, "diversity": {"fields": ["age", "diet", "agee"]}}
    with pytest.raises(InputError, match="diversity.fields: agee is not among metadata.fields and metadata.targets"):
        check_diversity(settings)
    check_diversity(settings | {"diversity": {"fields": ["diet"]}})
    check_diversity(settings | {"diversity": {"fields": None}})


# Differential abundance

OPTIONS = differential.Options("ancombc2", 0.1, 3)


def planted(seed: int, n: int = 60, effect: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
    """Counts at one depth [n, 30] in which taxa 2 and 5 are `effect` times as abundant in the second half."""
    rng = np.random.default_rng(seed)
    shares = np.exp(rng.normal(size=30) + 0.7 * rng.normal(size=(n, 30)))
    codes = np.arange(n) // (n // 2)
    shares[codes == 1, 2] *= effect
    shares[codes == 1, 5] *= effect
    return np.array([rng.multinomial(5000, row / row.sum()) for row in shares]), codes


def test_effects_are_those_of_scikit_bio_in_log2_with_their_intervals():
    counts, codes = planted(0)
    (field,) = study_of({"diet": letters(codes)})
    effects, about = differential.differential(counts, [f"t{place}" for place in range(30)], [field], OPTIONS, 0)
    table = pd.DataFrame(counts + 1, index=[str(row) for row in range(60)])
    expected = ancombc2(table, pd.DataFrame({"diet": letters(codes)}, index=table.index), "diet", p_adjust="bh").result
    expected = expected.xs("diet[T.b]", level="Covariate")
    np.testing.assert_allclose(effects["log2_fold_change"], expected["Log(FC)"] / np.log(2))
    np.testing.assert_allclose(effects["p"], expected["pvalue"])
    np.testing.assert_allclose(effects["q"], expected["qvalue"])
    excludes = (effects["low"] > 0) | (effects["high"] < 0)
    np.testing.assert_array_equal(excludes, effects["p"] < 0.05)
    assert set(effects["contrast"]) == {"b against a"}
    assert about.loc[0, "compared"] == "samples"


@pytest.mark.parametrize("method", ["ancombc2", "ancombc"])
def test_planted_taxa_are_found_and_the_compositional_shadow_is_not(method):
    counts, codes = planted(1)
    (field,) = study_of({"diet": letters(codes)})
    options = differential.Options(method, 0.1, 3)
    effects, _ = differential.differential(counts, list(range(30)), [field], options, 0)
    assert set(effects.loc[effects["q"] < 0.01, "taxon"]) == {2, 5}
    planted_ones = effects.set_index("taxon").loc[[2, 5]]
    assert (planted_ones["low"] < 3).all()
    assert (planted_ones["high"] > 3).all()  # log2 of 8


def test_a_number_is_per_unit():
    counts, codes = planted(2)
    years, decades = study_of({"years": codes * 10.0, "decades": codes * 1.0})
    effects, _ = differential.differential(counts, list(range(30)), [years, decades], OPTIONS, 0)
    first, second = (effects[effects["field"] == name].reset_index() for name in ("years", "decades"))
    np.testing.assert_allclose(first["log2_fold_change"] * 10, second["log2_fold_change"])
    assert set(effects["contrast"]) == {"per years"}


def test_subjects_count_once():
    counts, _ = planted(3)
    subject = list(np.repeat(np.arange(20), 3))
    (field,) = study_of({"diet": letters(np.array(subject) // 10)}, subject)
    means, values, units = differential.witnesses(counts, field, 0)
    np.testing.assert_allclose(means, counts.reshape(20, 3, 30).mean(axis=1))
    assert (len(values), units) == (20, "subjects, the mean of their samples")
    field, _ = study_of({"visit": np.tile([0.0, 1.0, 2.0], 20)}, subject)
    drawn, values, units = differential.witnesses(counts, field, 0)
    owner = [next(row for row in range(60) if (counts[row] == one).all()) // 3 for one in drawn]
    assert owner == list(range(20))
    assert len(set(values)) == 3
    np.testing.assert_array_equal(differential.witnesses(counts, field, 0)[0], drawn)


def test_taxa_are_summed_by_lineage_down_to_the_rank():
    lineages = ["k__B; p__F; c__C; o__O; f__L; g__Dorea; s__x", "k__B; p__F; c__C; o__O; f__L; g__Dorea", "k__B; p__F"]
    taxonomy = pd.Series([*lineages, None], index=list("abcd"))
    counts = np.array([[1, 2, 4, 8], [0, 1, 0, 1]])
    summed, taxa = differential.at_rank(counts, taxonomy, "genus")
    found = dict(zip(taxa, summed.T.tolist(), strict=True))
    assert found == {lineages[1]: [3, 1], "k__B; p__F": [4, 0], "Unassigned": [8, 1]}
    assert differential.short_names(taxa, "genus")["k__B; p__F"] == "F (phylum)"
    assert differential.at_rank(counts, taxonomy, "asv")[1] == list("abcd")


def test_names_that_two_lineages_share_carry_the_name_above():
    taxa = ["k__B; p__F; f__A; g__Clostridium", "k__B; p__F; f__B; g__Clostridium", "k__B; p__F; f__B; g__Dorea"]
    assert list(differential.short_names(taxa, "genus").values()) == ["Clostridium, A", "Clostridium, B", "Dorea"]


# Figures


def drawn(path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def test_figures_are_drawn_with_and_without_fields_and_always_the_same(tmp_path):
    rng = np.random.default_rng(0)
    fields = study_of({"diet": [*letters(np.arange(28) % 12), None, None], "age": rng.random(30)}, min_group=2)
    design = pd.DataFrame(index=[f"s{place}" for place in range(30)])
    counts = sparse_counts(30, 25, 0)
    within = alpha.alpha_diversity(counts, rng.random(30))
    distances = squareform(pdist(points(30, 0)))
    places = {"aitchison": beta.ordinate(distances, list(design.index), 0)}
    curves = rarefaction.curves(counts, list(design.index), np.array([5, 50, 100]))
    for number, compared in (("some", fields), ("again", fields), ("none", [])):
        first = compare.first_categorical(compared)
        figures.draw_curves(curves, ["s1", "s4"], 100, design, first, tmp_path / f"curves_{number}.png")
        tests = alpha.alpha_tests(within, compared, 19, 0)
        figures.draw_alpha(within, tests, design, compared, tmp_path / f"alpha_{number}.png")
        tests = field_tests({"aitchison": distances}, compared, 19, 0)
        figures.draw_ordination(places, tests, design, compared, "", tmp_path / f"ordination_{number}.png")
        taxa = [f"t{place}" for place in range(25)]
        effects, about = differential.differential(counts, taxa, compared, OPTIONS, 0)
        names = dict(zip(taxa, taxa, strict=True))
        figures.draw_differential(effects, about, names, "ancombc2", tmp_path / f"differential_{number}.png")
    for name in ("curves", "alpha", "ordination", "differential"):
        assert (tmp_path / f"{name}_some.png").read_bytes() == (tmp_path / f"{name}_again.png").read_bytes()
        assert drawn(tmp_path / f"{name}_none.png") > (300, 100)
    skipped = {"aitchison": beta.ordinate(np.zeros((0, 0)), [], 0)}
    figures.draw_ordination(skipped, tests, design, fields, "too many samples", tmp_path / "skipped.png")
    drawn(tmp_path / "skipped.png")


# Real samples


@pytest.fixture(scope="module")
def ecam(data):
    """200 rarefied samples of the ECAM infants, their tree, and comparisons by age and sex."""
    place = data / "ecam_10249"
    table, _ = rarefy.rarefy(tables.read_table(place / "table.biom"), 2000, 0)
    config = {"file": place / "metadata.tsv", "sample": "sample_id", "group": ["host_subject_id"], "time": None}
    config |= {"unmatched": "error", "min_fields": 0, "targets": {}}
    config |= {"fields": {"month_of_life": {"type": "continuous"}, "sex": {"type": "categorical"}}}
    samples = list(np.random.default_rng(0).permutation(table.ids())[:200])
    design, _ = metadata.build_design(config, samples)
    encoding = json.loads(json.dumps(metadata.fit_encoding(design, np.ones(len(design), dtype=bool), config)))
    tree = trees.tree_arrays(trees.read_tree(place / "tree.nwk"))
    counts, of_tips = tables.counts(table, samples), tables.counts(table, samples, tree.tips)
    return counts, of_tips, tree, comparisons(design, encoding, None, 3)


@pytest.mark.parametrize("metric", beta.METRICS)
def test_the_age_of_infants_goes_with_their_communities_and_their_sex_does_not(metric, ecam):
    counts, of_tips, tree, (age, _, sex) = ecam
    distances = beta.distances(metric, counts, of_tips, tree, 0.5)
    tests = field_tests({metric: distances}, [age, sex], 199, 0).set_index("field")
    assert tests.loc["month_of_life", "p"] == 1 / 200
    assert tests.loc["month_of_life", "permuted"] == "within subjects"
    assert tests.loc["sex", "p"] > 0.05
    assert tests.loc["sex", "permuted"] == "subjects"
    assert tests.loc["month_of_life", "r2"] > 4 * tests.loc["sex", "r2"]
