"""Scoring: one bootstrap over groups, scores of distributions, comparisons of models, verdicts."""

from dataclasses import asdict

import numpy as np
import pytest
import scoringrules
from scipy import stats
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    mean_absolute_error,
    mean_squared_error,
    precision_recall_fscore_support,
    r2_score,
    roc_auc_score,
)

from taxoscape.scoring import distributions, metrics, verdicts
from taxoscape.scoring.bootstrap import bootstrap_weights, folds_of_one_class, interval, pair_auc
from taxoscape.scoring.comparison import Held, Prediction, compare, summarize
from taxoscape.scoring.results import METRICS, Results, Verdict, read_results, write_results

# Bootstrap over groups


def test_bootstrap_draws_whole_groups():
    groups = np.array(["a", "a", "b", "c", "c", "c"])
    weights = bootstrap_weights(groups, 100, np.random.default_rng(0))
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[1:, 0] + weights[1:, 2] + weights[1:, 3] == 3).all()


def test_of_one_group_samples_are_drawn():
    weights = bootstrap_weights(np.array(["a"] * 8), 50, np.random.default_rng(0))
    assert (weights.sum(axis=1) == 8).all()
    assert len(np.unique(weights[1:], axis=0)) > 40


def test_interval_is_the_central_part_of_the_draws():
    values = np.append(7.0, np.arange(1001) / 10)
    assert interval(values) == {"value": 7.0, "low": pytest.approx(2.5), "high": pytest.approx(97.5)}
    pooled = interval(np.stack([values, values + 100]))
    assert pooled["value"] == 57.0
    assert pooled["low"] < 10
    assert pooled["high"] > 190


def test_an_interval_without_numbers_is_unknown():
    assert np.isnan(interval(np.array([1.0, np.nan, np.nan]))["low"])
    assert interval(np.array([1.0, np.nan, 2.0]))["high"] == 2.0


def test_interval_of_the_mean_is_that_of_theory():
    values = np.random.default_rng(0).standard_normal(200)
    weights = bootstrap_weights(np.arange(200), 4000, np.random.default_rng(1))
    found = interval(weights @ values / weights.sum(axis=1))
    assert found["value"] == pytest.approx(values.mean())
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * values.std() / np.sqrt(200), rel=0.08)


def simulated_study(rng: np.random.Generator, groups: int) -> tuple[np.ndarray, ...]:
    """A study of `groups` subjects of 1 to 6 samples, with effects of the subject on truth and errors."""
    member = np.repeat(np.arange(groups), rng.integers(1, 7, groups))
    of_subject, n = rng.normal(size=(3, groups))[:, member], len(member)
    errors = of_subject[:2] + 0.7 * rng.normal(size=(2, n)) + 0.3 * rng.normal(size=n)
    positive = (of_subject[2] + 0.5 * rng.normal(size=n)) > 0
    return member, errors, positive, positive + of_subject[1] + 0.7 * rng.normal(size=n)


def figures_of(member: np.ndarray, errors: np.ndarray, positive: np.ndarray, score: np.ndarray, weights: np.ndarray):
    """MAE, paired difference of two MAEs and AUC [3, B] of a study."""
    mae = np.abs(errors) @ weights.T / weights.sum(axis=1)
    return np.stack([mae[0], mae[0] - mae[1], pair_auc(score, positive, np.zeros(len(member)), weights)])


@pytest.mark.parametrize("groups", [20, 40])
def test_intervals_over_groups_hold_the_truth_as_often_as_they_promise(groups):
    """300 simulated studies; the truth is that of one study of 20,000 subjects."""
    rng = np.random.default_rng(groups)
    large = simulated_study(rng, 20_000)
    truth = figures_of(*large, np.ones((1, len(large[0]))))[:, 0]
    held = np.zeros(3)
    for _ in range(300):
        study = simulated_study(rng, groups)
        found = figures_of(*study, bootstrap_weights(study[0], 200, rng))
        ends = [interval(drawn) for drawn in found]
        held += [end["low"] <= value <= end["high"] for end, value in zip(ends, truth, strict=True)]
    assert ((held / 300 >= 0.88) & (held / 300 <= 0.98)).all(), held / 300


# Area under the curve


def test_area_within_one_fold_is_scikit_learns():
    rng = np.random.default_rng(0)
    scores, truth = rng.integers(0, 6, 40).astype(float), rng.random(40) < 0.5
    drawn = rng.integers(0, 3, (3, 40)).astype(float)
    wanted = [roc_auc_score(truth, scores, sample_weight=draw) for draw in drawn]
    np.testing.assert_allclose(pair_auc(scores, truth, np.zeros(40), drawn), wanted)


def test_area_is_the_share_of_pairs_within_folds():
    rng = np.random.default_rng(1)
    scores, truth, fold = rng.integers(0, 5, 30).astype(float), rng.random(30) < 0.4, rng.integers(0, 4, 30)
    weights = rng.integers(0, 3, (5, 30)).astype(float)
    ordered, pairs = np.zeros(5), np.zeros(5)
    for one in np.flatnonzero(truth):
        for other in np.flatnonzero(~truth & (fold == fold[one])):
            both = weights[:, one] * weights[:, other]
            pairs += both
            ordered += both * ((scores[one] > scores[other]) + 0.5 * (scores[one] == scores[other]))
    np.testing.assert_allclose(pair_auc(scores, truth, fold, weights), ordered / pairs)


def test_samples_without_a_score_are_in_no_pair():
    rng = np.random.default_rng(0)
    scores, truth, drawn = rng.normal(size=30), rng.random(30) < 0.5, rng.integers(0, 3, (4, 30)).astype(float)
    known, fold = rng.random(30) < 0.7, rng.integers(0, 3, 30)
    wanted = pair_auc(scores[known], truth[known], fold[known], drawn[:, known])
    np.testing.assert_allclose(pair_auc(np.where(known, scores, np.nan), truth, fold, drawn), wanted)


def test_area_without_pairs_is_unknown():
    one_class = pair_auc(np.arange(4.0), np.ones(4, dtype=bool), np.zeros(4), np.ones((1, 4)))
    unscored = pair_auc(np.full(4, np.nan), np.arange(4) > 1, np.zeros(4), np.ones((1, 4)))
    apart = pair_auc(np.arange(4.0), np.arange(4) > 1, np.arange(4) > 1, np.ones((1, 4)))
    assert np.isnan([one_class, unscored, apart]).all()


def test_a_constant_predictor_has_an_area_of_one_half():
    """The training prior of a fold is low where its test side has many positives: pooled over folds, AUC 0 here."""
    fold = np.repeat([0, 1], 10)
    truth = np.where(np.arange(20) % 10 < np.where(fold == 0, 8, 2), "yes", "no")
    prior = np.where(fold == 0, 0.2, 0.8)
    probabilities = np.column_stack([1 - prior, prior])
    found = metrics.area_under_curve(truth, probabilities, ["no", "yes"], fold, np.ones((1, 20)))
    assert found == pytest.approx([0.5])
    assert roc_auc_score(truth == "yes", prior) < 0.3


def test_area_of_several_classes_is_the_mean_of_one_against_the_others():
    rng = np.random.default_rng(0)
    names = ["a", "b", "c"]
    truth, probabilities = rng.choice(names, 60), rng.dirichlet(np.ones(3), 60)
    wanted = roc_auc_score(truth, probabilities, multi_class="ovr", labels=names)
    found = metrics.area_under_curve(truth, probabilities, names, np.zeros(60), np.ones((1, 60)))
    assert found == pytest.approx([wanted])


def test_folds_of_one_class_are_counted():
    assert folds_of_one_class(np.array(["a", "a", "b", "b", "b"]), np.array([0, 0, 0, 1, 2])) == 2


# Distributions


@pytest.mark.parametrize("seed", range(3))
def test_crps_is_that_of_scoringrules(seed):
    rng = np.random.default_rng(seed)
    truth, draws = rng.normal(size=(5, 3)), rng.normal(size=(5, 9, 3))
    wanted = scoringrules.crps_ensemble(truth, draws, m_axis=1, estimator="nrg")
    np.testing.assert_allclose(distributions.crps(truth, draws), wanted)
    np.testing.assert_allclose(distributions.crps(truth[:, 0], draws[..., 0]), wanted[:, 0])
    np.testing.assert_allclose(distributions.crps(truth, np.moveaxis(draws, 1, -1), axis=-1), wanted)


def test_crps_of_many_normal_draws_is_that_of_the_normal():
    truth = np.array([0.0, 4.0])
    draws = np.tile(1.0 + 2.0 * stats.norm.ppf(distributions.midlevels(4000)), (2, 1))
    np.testing.assert_allclose(distributions.crps(truth, draws), scoringrules.crps_normal(truth, 1.0, 2.0), rtol=1e-3)


def test_crps_of_a_certain_forecast_is_its_error():
    np.testing.assert_allclose(distributions.crps(np.array([2.0]), np.full((1, 5), 3.5)), [1.5])


def test_pinball_is_the_quantile_score_of_scoringrules():
    rng = np.random.default_rng(0)
    truth, quantiles, levels = rng.normal(size=20), rng.normal(size=(20, 3)), np.array([0.1, 0.5, 0.8])
    wanted = [scoringrules.quantile_score(truth, quantiles[:, k], level) for k, level in enumerate(levels)]
    np.testing.assert_allclose(distributions.pinball(truth, quantiles, levels).T, wanted)


def test_intervals_hold_the_share_that_they_promise():
    rng = np.random.default_rng(0)
    truth, draws = rng.normal(size=4000), np.tile(stats.norm.ppf(distributions.midlevels(400)), (4000, 1))
    for share in distributions.INTERVALS.values():
        low, high = distributions.central_interval(draws, share)
        np.testing.assert_allclose([low[0], high[0]], np.percentile(draws[0], [50 - 50 * share, 50 + 50 * share]))
        direct = np.mean((low <= truth) & (truth <= high))
        assert distributions.inside(truth, draws, share).mean() == direct
        assert abs(direct - share) < 0.02
    assert stats.kstest(distributions.transform(truth, draws), "uniform").pvalue > 0.01


# Metrics and comparisons


def test_metrics_are_scikit_learns():
    rng = np.random.default_rng(0)
    truth, guess = rng.normal(size=50), rng.normal(size=50)
    found = metrics.regression_metrics(metrics.regression_sums(truth, guess).sum(axis=0))
    assert found["mae"] == pytest.approx(mean_absolute_error(truth, guess))
    assert found["r2"] == pytest.approx(r2_score(truth, guess))
    names = ["a", "b", "c"]
    truth, guess = rng.choice(names, 50), rng.choice(names[:2], 50)
    found = metrics.classification_metrics(metrics.classification_sums(truth, guess, names).sum(axis=0))
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, guess))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, guess))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, guess, average="macro"))


def test_validation_metrics_are_scikit_learns():
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(3, size=40), rng.integers(3, size=40)
    ours = metrics.agreement_of(truth, guess)
    theirs = precision_recall_fscore_support(truth, guess, average="macro", zero_division=0)
    np.testing.assert_allclose([ours["precision"], ours["recall"], ours["f1"]], theirs[:3])
    assert ours["accuracy"] == pytest.approx((truth == guess).mean())
    ours = metrics.fit_of(truth.astype(float), guess.astype(float))
    assert ours["mse"] == pytest.approx(mean_squared_error(truth, guess))
    assert ours["r2"] == pytest.approx(r2_score(truth, guess))


def test_r2_of_one_sample_is_unknown_not_a_crash():
    assert np.isnan(
        metrics.regression_metrics(metrics.regression_sums(np.array([3.0]), np.array([2.0])).sum(axis=0))["r2"]
    )


def held_out(groups: int = 15, per_group: int = 4, seed: int = 0) -> Held:
    """Samples of numbers in 3 folds."""
    rng, n = np.random.default_rng(seed), groups * per_group
    member = np.repeat(np.arange(groups), per_group)
    return Held(np.array([f"s{row}" for row in range(n)]), rng.normal(size=n), member, member % 3)


def test_metrics_are_those_of_their_definitions_and_models_share_the_bootstrap():
    held, rng = held_out(), np.random.default_rng(0)
    draws = held.truth[:, None] + rng.normal(size=(60, 1)) + rng.normal(size=(60, 50))
    own = Prediction(draws.mean(axis=1), draws)
    every = {"own": own, "same": own, "point": Prediction(own.value)}
    found = compare("all", held, every, categories=None, judged="own", metric="crps", draws=100, seed=0)
    values = {key: entry["value"] for key, entry in found.models["own"].items()}
    assert values["mae"] == pytest.approx(np.abs(own.value - held.truth).mean())
    assert values["crps"] == pytest.approx(distributions.crps(held.truth, draws).mean())
    assert values["coverage_90"] == distributions.inside(held.truth, draws, 0.9).mean()
    assert found.models["point"]["crps"] == found.models["point"]["mae"]
    assert set(found.models["own"]) <= set(METRICS)
    assert "coverage_50" not in found.models["point"]
    assert all(entry == {"value": 0, "low": 0, "high": 0} for entry in found.differences["same"].values())
    assert set(found.differences["point"]) == {"mae", "r2", "crps"}
    assert "own" not in found.differences
    assert (found.n, found.groups) == (60, 15)


def test_several_repeats_count_a_sample_once():
    held = held_out()
    twice = held.take(np.tile(np.arange(60), 2))
    found = compare(
        "all", twice, {"own": Prediction(np.zeros(120))}, categories=None, judged="own", metric="mae", draws=9, seed=0
    )
    assert (found.n, found.groups) == (60, 15)


def test_metrics_that_one_model_lacks_have_no_difference():
    one, other = {"mae": np.arange(5.0)}, {"mae": np.ones(5), "r2": np.ones(5)}
    found = summarize("all", {"one": one, "other": other}, "one", "mae", 5, 5)
    assert set(found.differences["other"]) == {"mae"}


def test_results_come_back_from_their_file(tmp_path):
    compared = summarize("all", {"one": {"r2": np.array([np.nan, 1.0])}, "other": {}}, "one", "r2", 5, 5)
    wanted = Results(
        "aam", "age", "regression", "days", [compared], Verdict("open", "too few", "Too few."), {"folds": 5}
    )
    write_results(wanted, tmp_path / "metrics.json")
    found = read_results(tmp_path / "metrics.json")
    assert np.isnan(found.main.models["one"]["r2"]["value"])
    np.testing.assert_equal(asdict(found), asdict(wanted))


# Verdicts


@pytest.mark.parametrize(
    ("metric", "low", "high", "wanted"),
    [
        ("mae", -2.0, -1.0, "better"),
        ("mae", 1.0, 2.0, "worse"),
        ("mae", -1.0, 2.0, "level"),
        ("accuracy", 0.1, 0.2, "better"),
        ("accuracy", -0.2, -0.1, "worse"),
        ("accuracy", 0.0, 0.2, "level"),
        ("accuracy", np.nan, np.nan, "level"),
        ("coverage_50", 0.1, 0.2, "level"),
    ],
)
def test_a_difference_counts_when_its_interval_leaves_out_zero(metric, low, high, wanted):
    assert verdicts.outcome({"value": 0.0, "low": low, "high": high}, metric) == wanted
