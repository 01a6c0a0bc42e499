"""Baselines on the folds of a study, and what may be said of models next to them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from skbio import DistanceMatrix
from skbio.stats.ordination import pcoa
from sklearn.ensemble import RandomForestRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import mean_squared_error, precision_recall_fscore_support, r2_score
from sklearn.preprocessing import KernelCenterer
from taxoscape.phenotype.forecasts import Forecast

from taxoscape.aam import evaluate
from taxoscape.phenotype import evaluate as phenotype_evaluate
from taxoscape.phenotype import forecasts
from taxoscape.scoring import baselines, metrics
from taxoscape.scoring import distributions as scores
from taxoscape.scoring.baselines import Evidence, make_models
from tests.test_aam import OPTIONS, make_study, make_task
from tests.test_phenotype import make_study as make_phenotypes


def test_validation_metrics_are_scikit_learns():
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(3, size=40), rng.integers(3, size=40)
    ours = metrics.agreement_of(truth, guess, 4)
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


def difference(low: float, high: float, metric: str = "mae") -> dict:
    return {"metric": metric, "difference": (low + high) / 2, "low": low, "high": high}


@pytest.mark.parametrize(
    ("constant", "forest", "said"),
    [
        ((-1, 0.1), (-2, -1), "no signal beyond the mean predictor."),
        ((-1, 0.1), (1, 2), "no signal beyond the mean predictor, where the random forest finds more."),
        ((-2, -1), (-0.5, 0.5), "better than the mean predictor and not distinguishable from the random forest."),
        ((-2, -1), (-0.5, -0.1), "better than the mean predictor and better than the random forest."),
        ((-2, -1), (0.1, 0.5), "better than the mean predictor and worse than the random forest."),
        ((0.1, 0.5), (0.1, 0.5), "worse than the mean predictor."),
    ],
)
def test_verdict_follows_the_paired_intervals(constant, forest, said):
    paired = {"mean": difference(*constant), "random_forest": difference(*forest)}
    assert metrics.verdict(paired, 100, 40) == f"AAM on 100 samples of 40 groups: {said}"
    said = metrics.verdict(paired, 13, 13)
    assert said.startswith("13 samples of 13 groups are too few to learn from")
    assert "better" not in said


def test_verdict_names_the_best_of_the_other_baselines():
    """Differences are AAM minus baseline: an error that AAM exceeds, an accuracy that it falls short of."""
    errors = {"mean": -9.0, "random_forest": -0.5, "ridge": -2.0, "extra_trees": 0.4}
    rates = {"majority": 0.3, "random_forest": 0.1, "logistic": 0.2, "extra_trees": -0.04}
    for metric, values in (("mae", errors), ("accuracy", rates)):
        paired = {
            name: {"metric": metric, "difference": value, "low": value - 0.1, "high": value + 0.1}
            for name, value in values.items()
        }
        said = "worse than" if metric == "mae" else "not distinguishable from"
        assert metrics.verdict(paired, 100, 40).endswith(f"; {said} the best baseline, extra trees.")


def test_an_embedding_that_only_test_samples_have_does_not_blow_up_the_ridge():
    """A clade that no training sample has, but for rounding: standardised, it would be all that counts."""
    rng = np.random.default_rng(4)
    z, truth, train = rng.random((40, 6)), rng.normal(size=40), np.arange(40) < 30
    z[:, 5] = np.where(train, 1e-9 * rng.random(40), 1.0)
    evidence = Evidence(np.ones((40, 2)), frozen={0: {"random": z, "pretrained": z}})
    said = baselines.predict_fold(evidence, truth, np.arange(40).astype(str), train, 0, None, 2, 0)
    for name in ("ridge_on_random_aam", "ridge_on_pretrained_aam"):
        assert np.abs(said[name] - truth[train].mean()).max() < 5 * truth.std(), name


def test_higher_accuracy_is_better():
    assert metrics.outcome(difference(0.1, 0.2, "accuracy")) == "better than"
    assert metrics.outcome(difference(np.nan, np.nan)) == "not distinguishable from"


@pytest.mark.parametrize("categories", [None, ["a", "b", "c"]])
def test_baselines_fit_on_training_samples_only(categories):
    """What stands in the test samples of one group must not change what is predicted for those of another."""
    rng = np.random.default_rng(0)
    train, strange = np.arange(30) < 20, np.arange(30) >= 27
    truth = rng.choice(categories, 30) if categories else rng.normal(size=30)
    counts, points, z = rng.poisson(5, (30, 8)), rng.normal(size=(30, 3)), rng.normal(size=(30, 4))
    points[strange] = points[0]
    fields = rng.normal(size=(30, 2))
    fields[3, 1] = np.nan
    groups = np.arange(30).astype(str)
    found = []
    for shift in (0, 1):
        moved = points + 9 * shift * strange[:, None]
        distances = 1 - np.exp(-0.3 * np.abs(moved[:, None] - moved[None]).sum(axis=2))
        rare = np.hstack([counts, np.where(strange, 100 * shift, 0)[:, None]])
        frozen = {0: {"random": z + shift * strange[:, None], "pretrained": z - shift * strange[:, None]}}
        evidence = Evidence(rare, distances, fields + shift * strange[:, None], frozen)
        found.append(baselines.predict_fold(evidence, truth, groups, train, 0, categories, 10, 0))
    kinds = {"majority", "logistic", "kernel_logistic"} if categories else {"mean", "ridge", "kernel_ridge"}
    assert kinds < set(found[0])
    assert len(found[0]) == 10
    for name, one in found[0].items():
        np.testing.assert_allclose(one[:7], found[1][name][:7], atol=1e-9, err_msg=name)


def test_kernel_ridge_is_scikit_learns_on_the_centred_kernel():
    rng = np.random.default_rng(1)
    points, truth, train = rng.normal(size=(40, 5)), rng.normal(size=40), np.arange(40) < 30
    kernel = np.exp(-0.2 * ((points[:, None] - points[None]) ** 2).sum(axis=2))
    groups = np.array(["one"] * 40)  # one group: the penalty is chosen by leaving one sample out
    evidence = Evidence(np.ones((40, 2)), 1 - kernel)
    ours = baselines.predict_fold(evidence, truth, groups, train, 0, None, 2, 0)["kernel_ridge"]
    centre = KernelCenterer().fit(kernel[:30, :30])
    mean = truth[:30].mean()
    offers = []
    for penalty in baselines.KERNEL_PENALTIES:
        model = KernelRidge(alpha=penalty, kernel="precomputed").fit(
            centre.transform(kernel[:30, :30].copy()), truth[:30] - mean
        )
        offers.append(model.predict(centre.transform(kernel[30:, :30].copy())) + mean)
    assert min(np.abs(ours - offer).max() for offer in offers) < 1e-8


def test_a_few_landmarks_span_the_space_of_all_samples(monkeypatch):
    """Points of three dimensions lie as far apart by their kernel to ten of them as they do."""
    monkeypatch.setattr(baselines, "LANDMARKS", 10)
    rng = np.random.default_rng(5)
    points, train = rng.normal(size=(60, 3)), np.arange(60) >= 20
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    order, landmarks = baselines.landmarks_first(train, 0)
    assert sorted(order) == list(range(20, 60))
    assert list(order[:10]) == list(landmarks)
    read = baselines.features(Evidence(np.ones((60, 2)), distances), train, 0, landmarks)["squares"]
    found = baselines.PrincipalAxes(20).fit(read[order]).transform(read)
    np.testing.assert_allclose(np.sqrt(((found[:, None] - found[None]) ** 2).sum(axis=2)), distances, atol=1e-9)
    truth = points[:, 0] + 0.01 * rng.normal(size=60)
    said = baselines.predict_fold(
        Evidence(np.ones((60, 2)), 1 - np.exp(-0.1 * distances**2)),
        truth,
        np.arange(60).astype(str),
        train,
        0,
        None,
        2,
        0,
    )
    assert np.corrcoef(said["kernel_ridge"], truth[:20])[0, 1] > 0.8


def test_axes_of_the_forest_are_principal_coordinates():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(25, 3))
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    axes = baselines.make_models(np.arange(25).astype(str), False, 2, 0)["forest_on_pcoa"][0]
    ours = axes.fit(-0.5 * distances**2).transform(-0.5 * distances**2)
    assert ours.shape == (25, 3)
    theirs = pcoa(DistanceMatrix(distances), dimensions=3).samples.to_numpy()
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-8)


def test_the_stack_is_the_mean_of_two_and_judged_as_they_are():
    truth, groups = np.arange(6.0), np.repeat(np.array(["a", "b", "c"]), 2)
    said = {"aam": truth + 2, "random_forest": truth - 1, "mean": truth * 0}
    found = evaluate.stacked(truth, said, None, groups, None, 50, 0)
    assert found["model"]["mae"]["value"] == pytest.approx(0.5)
    assert found["paired"]["aam"]["difference"] == pytest.approx(-1.5)
    assert set(found["paired"]) == {"aam", "random_forest"}
    scores = {"aam": np.tile([0.9, 0.1], (6, 1)), "random_forest": np.tile([0.4, 0.6], (6, 1))}
    said = {"aam": np.array(["x"] * 6, dtype=object), "random_forest": np.array(["y"] * 6, dtype=object)}
    found = evaluate.stacked(np.array(["x"] * 6, dtype=object), said, scores, groups, ["x", "y"], 50, 0)
    assert found["model"]["accuracy"]["value"] == 1


def test_unseen_share_counts_reads_of_asvs_that_no_training_sample_has():
    counts = np.array([[5, 5, 0], [0, 0, 10], [4, 0, 6]])
    np.testing.assert_allclose(evaluate.unseen_share(counts, np.array([True, False, False])), [0, 1, 0.6])


def test_every_repeat_is_judged_and_no_sample_counted_twice():
    study = make_study()
    goal = make_task(study, np.arange(12.0))
    again = replace(goal, fold=np.roll(goal.fold, 1) + 3)
    counts = study.counts.toarray()
    theirs = pd.concat(
        [evaluate.baseline_predictions(each, study.samples, Evidence(counts), OPTIONS, 0) for each in (goal, again)]
    )
    ours = theirs[["sample", "fold", "truth"]].assign(prediction=theirs["mean"], low=np.nan, high=np.nan)
    report = evaluate.evaluate(goal, study.samples, ours, theirs, OPTIONS, 0)
    assert (report["n"], report["folds"], report["repeats"]) == (12, 6, 2)
    assert report["models"]["aam"] == report["models"]["mean"]
    assert report["paired"]["mean"]["difference"] == 0


def test_leaf_weights_equal_those_by_hand():
    """Two trees of depth 1, leaves counted by hand; Meinshausen 2006, eq. 5."""
    features = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    truth = np.array([0.0, 0.0, 5.0, 5.0, 6.0])
    forest = RandomForestRegressor(n_estimators=2, max_depth=1, bootstrap=False, random_state=0).fit(features, truth)
    weights = forecasts.leaf_weights(forest, features, np.array([[0.2], [3.5]]))
    np.testing.assert_allclose(weights.toarray(), [[0.5, 0.5, 0, 0, 0], [0, 0, 1 / 3, 1 / 3, 1 / 3]])
    found = forecasts.weighted_quantiles(truth, weights, np.array([0.1, 0.5, 0.7, 0.99]))
    np.testing.assert_array_equal(found, [[0, 0, 0, 0], [5, 5, 6, 6]])


def test_leaf_weights_equal_a_loop_over_trees_and_samples():
    rng = np.random.default_rng(0)
    features, truth, test = rng.normal(size=(30, 4)), rng.normal(size=30), rng.normal(size=(5, 4))
    forest = RandomForestRegressor(n_estimators=7, min_samples_leaf=3, random_state=0).fit(features, truth)
    wanted = np.zeros((5, 30))
    for tree in forest.estimators_:
        for place, leaf in enumerate(tree.apply(test)):
            members = np.flatnonzero(tree.apply(features) == leaf)
            wanted[place, members] += 1 / len(members) / 7
    np.testing.assert_allclose(forecasts.leaf_weights(forest, features, test).toarray(), wanted)


def test_quantiles_of_equal_weights_are_those_of_numpy():
    rng = np.random.default_rng(0)
    values, levels = rng.normal(size=20), np.linspace(0.013, 0.987, 40)
    found = forecasts.weighted_quantiles(values, scipy.sparse.csr_array(np.full((1, 20), 0.05)), levels)
    np.testing.assert_array_equal(found[0], np.quantile(values, levels, method="inverted_cdf"))


def test_baselines_know_how_sure_they_are():
    data = make_phenotypes(120)
    task = data.tasks[0]
    drawn = forecasts.forecast(data.counts.toarray(), task.values, task.groups, task.fold != 0, 100, 50, 0)
    truth = task.values[task.fold == 0]
    assert tuple(drawn) == forecasts.NAMES
    for name in ("mean", "ridge", "quantile_forest"):
        assert 0.75 <= scores.inside(truth, drawn[name].draws, 0.9).mean() <= 1
    score = {name: scores.crps(truth, guess.draws).mean() for name, guess in drawn.items() if guess.draws is not None}
    assert score["ridge"] < 0.8 * score["mean"]
    assert score["quantile_forest"] < 0.8 * score["mean"]
    np.testing.assert_allclose(drawn["mean"].draws.mean(axis=1), drawn["mean"].prediction, rtol=0.01)


def test_ridge_shows_the_residuals_of_groups_it_has_not_seen():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 3))
    truth = features @ [1.0, -2.0, 0.5] + 0.7 * rng.normal(size=80)
    several, one = np.repeat(np.arange(20), 4).astype(str), np.full(80, "one")
    for groups in (several, one):
        fitted = make_models(groups, False, 1, 0)["ridge"].fit(features, truth)
        assert abs(forecasts.ridge_spread(fitted) - 0.7) < 0.15
    # What all samples of a group share, and no other group has, can be learned by heart: it must not look known.
    by_heart = np.eye(20).repeat(4, axis=0)
    apart = 3 * rng.normal(size=20).repeat(4) + 0.1 * rng.normal(size=80)
    fitted = make_models(several, False, 1, 0)["ridge"].fit(by_heart, apart)
    assert forecasts.ridge_spread(fitted) > 0.8 * apart.std()


def test_metrics_are_those_of_their_definitions_and_models_share_the_bootstrap():
    rng = np.random.default_rng(0)
    truth, groups = rng.normal(size=60), np.repeat([f"g{number}" for number in range(15)], 4)
    draws = truth[:, None] + rng.normal(size=(60, 1)) + rng.normal(size=(60, 50))
    ours = Forecast(draws.mean(axis=1), draws)
    given = {"diffusion": ours, "same": ours, "point": Forecast(ours.prediction, None)}
    models, paired = phenotype_evaluate.evaluate(truth, groups, given, 100, 0)
    assert models["diffusion"]["mae"]["value"] == pytest.approx(np.abs(ours.prediction - truth).mean())
    assert models["diffusion"]["crps"]["value"] == pytest.approx(scores.crps(truth, draws).mean())
    assert models["diffusion"]["cover90"]["value"] == scores.inside(truth, draws, 0.9).mean()
    assert models["point"]["crps"] == models["point"]["mae"]
    assert np.isnan(models["point"]["cover50"]["value"])
    assert paired["same"]["crps"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert paired["point"]["crps"]["value"] < 0


def test_a_difference_whose_interval_holds_zero_is_none():
    assert phenotype_evaluate.outcome({"low": -2.0, "high": -0.1}) == "better than"
    assert phenotype_evaluate.outcome({"low": -2.0, "high": 0.1}) == "not distinguishable from"
    assert phenotype_evaluate.outcome({"low": 0.2, "high": 0.5}) == "worse than"


def verdict(crps: tuple, samples: int = 100, groups: int = 20, mean: tuple = (-2.0, -1.0)) -> str:
    def difference(low, high):
        return {"value": (low + high) / 2, "low": low, "high": high}

    models = {"diffusion": {"cover50": {"value": 0.48}, "cover90": {"value": 0.912}}}
    paired = {
        "mean": {"crps": difference(*mean)},
        "random_forest": {"mae": difference(-1.0, 1.0)},
        "quantile_forest": {"crps": difference(*crps)},
    }
    return phenotype_evaluate.verdict(models, paired, samples, groups)


def test_the_verdict_says_what_the_intervals_allow():
    assert verdict((-0.3, -0.1)) == (
        "Phenotype diffusion on 100 samples of 20 groups: error not distinguishable from the random forest, "
        "distribution (CRPS) better than the quantile forest. Of the truths, the 50 % intervals hold 48% and the 90 % "
        "intervals hold 91%."
    )
    assert "worse than the quantile forest" in verdict((0.1, 0.2))
    assert "no signal" in verdict((-1.0, 1.0), mean=(-0.5, 0.5))
    assert "too few" in verdict((-0.3, -0.1), groups=5)
