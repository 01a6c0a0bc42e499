"""Baselines on the folds of a study: what they read, what they predict, and what may be said of models next to them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from quantile_forest import RandomForestQuantileRegressor
from skbio import DistanceMatrix
from skbio.stats.ordination import pcoa
from sklearn.kernel_ridge import KernelRidge
from sklearn.preprocessing import KernelCenterer

from taxoscape.aam import evaluate
from taxoscape.aam.options import options_of
from taxoscape.learning.task import Task
from taxoscape.scoring import baselines, distributions, readings, verdicts
from taxoscape.scoring.baselines import DISTRIBUTIONS, LEAF, Evidence, make_models, predict_distributions, ridge_spread
from taxoscape.scoring.comparison import Held, Prediction
from taxoscape.scoring.readings import Reading, Split, read_counts
from taxoscape.scoring.results import Comparison

OPTIONS = options_of({"trees": 10, "bootstraps": 50, "interval": 0.9})


def csr(counts: np.ndarray) -> scipy.sparse.csr_matrix:
    return scipy.sparse.csr_matrix(np.asarray(counts, dtype=np.int64))


def no_counts(samples: int) -> dict:
    """Readings of a table in which all samples are alike."""
    return {"one draw": [csr(np.ones((samples, 2)))]}


def numbers(truth: np.ndarray, train: np.ndarray, groups: np.ndarray | None = None, categories=None) -> Split:
    """A split of N samples whose training samples are `train` [N] bool; every sample a group of its own."""
    groups = np.arange(len(truth)).astype(str) if groups is None else groups
    return Split(truth, groups, np.flatnonzero(train), np.flatnonzero(~train), categories)


# Readings of counts


def test_draws_have_the_depth_and_all_reads_are_scaled_to_it():
    counts = csr(np.random.default_rng(0).poisson(20, (6, 9)))
    found = read_counts(counts, 50, 0)
    assert [len(draws) for draws in found.values()] == [1, readings.DRAWS, 1]
    for drawn in found["several draws"]:
        assert (drawn.sum(axis=1) == 50).all()
        assert ((counts - drawn).toarray() >= 0).all()
    assert (found["one draw"][0] != found["several draws"][0]).nnz == 0
    assert (found["several draws"][0] != found["several draws"][1]).nnz > 0
    scaled = found["all reads"][0].toarray()
    np.testing.assert_allclose(scaled / 50, counts.toarray() / counts.sum(axis=1))


def test_rare_features_are_left_out_by_the_training_samples():
    counts = np.ones((40, 3))
    counts[:39, 0] = 0  # in one of 20 training samples: 5 %
    counts[:20, 1] = 0  # in test samples only
    every = {"one draw": [csr(counts[::-1])]}
    assert readings.readings(every, np.arange(20), False)["one draw"].draws[0].shape == (40, 3)
    every = {"one draw": [csr(counts)]}
    assert readings.readings(every, np.arange(20), False)["one draw"].draws[0].shape == (40, 1)


def test_predictions_are_the_mean_over_draws():
    draws = [csr(np.full((5, 2), number)) for number in (1, 3)]
    reading = Reading(draws, centred=False)
    found = reading.predict(lambda values: np.exp(values[:, 0]) - readings.PSEUDOCOUNT, np.arange(3))
    np.testing.assert_allclose(found, [2, 2, 2])


def test_several_draws_are_learned_from_unless_samples_are_many(monkeypatch):
    reading = Reading([csr(np.full((6, 2), number)) for number in (1, 2, 3)], centred=False)
    split, seen = numbers(np.arange(6.0), np.arange(6) < 4), []

    class Recorder:
        def fit(self, values, truth):
            seen.append((len(values), truth.tolist()))

    reading.learn(lambda groups, light: Recorder(), split, split.train)
    monkeypatch.setattr(readings, "STACKED", 7)
    reading.learn(lambda groups, light: Recorder(), split, split.train)
    assert seen == [(8, [0, 1, 2, 3] * 2), (4, [0, 1, 2, 3])]


def noisy_study(signal_in_rare: bool) -> tuple[dict, Split]:
    """Taxa of which one draw of 30 reads sees little, in 60 samples; the target is one of their shares, or a common."""
    rng = np.random.default_rng(0)
    level = rng.uniform(0.2, 1.0, 60)
    rare = rng.poisson(200 * level) if signal_in_rare else rng.poisson(200, 60)
    counts = csr(np.column_stack([rare, rng.poisson(20_000, (60, 2))]))
    return read_counts(counts, 300, 0), numbers(level, np.arange(60) < 45)


def test_inner_folds_prefer_all_reads_where_one_draw_hides_the_signal():
    every, split = noisy_study(signal_in_rare=True)
    make = baselines.maker("random_forest", split, 40, 0)
    model, reading, name = readings.fit_best(every, split, make, False)
    assert name == "all reads"
    one = readings.readings(every, split.train, False)["one draw"]
    errors = [
        split.errors(split.test, reading.predict(model.predict, split.test)).mean(),
        split.errors(split.test, one.predict(one.learn(make, split, split.train).predict, split.test)).mean(),
    ]
    assert errors[0] < 0.5 * errors[1]


def test_the_choice_does_not_see_the_test_samples():
    every, split = noisy_study(signal_in_rare=True)
    changed = np.where(np.isin(np.arange(60), split.test), -99.0, split.truth)
    make = baselines.maker("ridge", split, 10, 0)
    names = [readings.fit_best(every, replace(split, truth=truth), make, True)[2] for truth in (split.truth, changed)]
    assert names[0] == names[1]


def test_with_a_single_group_the_first_reading_is_taken():
    every, split = noisy_study(signal_in_rare=True)
    split = replace(split, groups=np.full(60, "one"))
    assert readings.fit_best(every, split, baselines.maker("random_forest", split, 5, 0), False)[2] == "one draw"


def test_brier_scores_of_probabilities_are_those_of_the_definition():
    split = numbers(np.array(["a", "b", "a"]), np.array([True, True, False]), categories=["a", "b"])
    found = split.errors(np.array([0, 1]), np.array([[0.8, 0.2], [0.5, 0.5]]))
    np.testing.assert_allclose(found, [0.2**2 * 2, 0.5**2 * 2])


# Baselines


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
    found = []
    for shift in (0, 1):
        moved = points + 9 * shift * strange[:, None]
        distances = 1 - np.exp(-0.3 * np.abs(moved[:, None] - moved[None]).sum(axis=2))
        rare = np.hstack([counts, np.where(strange, 100 * shift, 0)[:, None]])
        frozen = {0: {"random": z + shift * strange[:, None], "pretrained": z - shift * strange[:, None]}}
        evidence = Evidence(read_counts(csr(rare), 20, 0), distances, fields + shift * strange[:, None], frozen)
        found.append(baselines.predict_fold(evidence, numbers(truth, train, None, categories), 0, 10, 0))
    (one, read), (other, again) = found
    kinds = {"majority", "logistic", "kernel_logistic"} if categories else {"mean", "ridge", "kernel_ridge"}
    assert kinds < set(one)
    assert len(one) == 10
    assert read == again
    assert set(read) == {"random_forest", "extra_trees", "gradient_boosting", "logistic" if categories else "ridge"}
    for name, guess in one.items():
        side = "probabilities" if categories else "value"
        pair = [getattr(each, side)[:7] for each in (guess, other[name])]
        np.testing.assert_allclose(*pair, atol=1e-9, err_msg=name)


def test_a_single_training_class_gives_its_prior():
    split = numbers(np.array(["a"] * 6 + ["b"] * 2), np.arange(8) < 6, categories=["a", "b"])
    predicted, _ = baselines.predict_fold(Evidence(no_counts(8)), split, 0, 3, 0)
    for guess in predicted.values():
        np.testing.assert_array_equal(guess.probabilities, [[1, 0], [1, 0]])
        assert list(guess.value) == ["a", "a"]


def test_an_embedding_that_only_test_samples_have_does_not_blow_up_the_ridge():
    """A clade that no training sample has, but for rounding: standardised, it would be all that counts."""
    rng = np.random.default_rng(4)
    z, truth, train = rng.random((40, 6)), rng.normal(size=40), np.arange(40) < 30
    z[:, 5] = np.where(train, 1e-9 * rng.random(40), 1.0)
    evidence = Evidence(no_counts(40), frozen={0: {"random": z, "pretrained": z}})
    predicted, _ = baselines.predict_fold(evidence, numbers(truth, train), 0, 2, 0)
    for name in ("ridge_on_random_aam", "ridge_on_pretrained_aam"):
        assert np.abs(predicted[name].value - truth[train].mean()).max() < 5 * truth.std(), name


def test_kernel_ridge_is_scikit_learns_on_the_centred_kernel():
    rng = np.random.default_rng(1)
    points, truth, train = rng.normal(size=(40, 5)), rng.normal(size=40), np.arange(40) < 30
    kernel = np.exp(-0.2 * ((points[:, None] - points[None]) ** 2).sum(axis=2))
    groups = np.array(["one"] * 40)  # one group: the penalty is chosen by leaving one sample out
    evidence = Evidence(no_counts(40), 1 - kernel)
    ours = baselines.predict_fold(evidence, numbers(truth, train, groups), 0, 2, 0)[0]["kernel_ridge"].value
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
    order, landmarks = baselines.landmarks_first(np.flatnonzero(train), 0)
    assert sorted(order) == list(range(20, 60))
    assert list(order[:10]) == list(landmarks)
    read = baselines.features(Evidence(no_counts(60), distances), 60, 0, landmarks)["squares"]
    found = baselines.PrincipalAxes(20).fit(read[order]).transform(read)
    np.testing.assert_allclose(np.sqrt(((found[:, None] - found[None]) ** 2).sum(axis=2)), distances, atol=1e-9)
    truth = points[:, 0] + 0.01 * rng.normal(size=60)
    evidence = Evidence(no_counts(60), 1 - np.exp(-0.1 * distances**2))
    predicted, _ = baselines.predict_fold(evidence, numbers(truth, train), 0, 2, 0)
    assert np.corrcoef(predicted["kernel_ridge"].value, truth[:20])[0, 1] > 0.8


def test_axes_of_the_forest_are_principal_coordinates():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(25, 3))
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    axes = baselines.make_models(np.arange(25).astype(str), False, 2, 0)["forest_on_pcoa"][0]
    ours = axes.fit(-0.5 * distances**2).transform(-0.5 * distances**2)
    assert ours.shape == (25, 3)
    theirs = pcoa(DistanceMatrix(distances), dimensions=3).samples.to_numpy()
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-8)


# Baselines that predict distributions


def linear_study(samples: int = 160) -> tuple[dict, Split]:
    """Counts whose first log-ratio is the target but for an error."""
    rng = np.random.default_rng(0)
    level = rng.normal(size=samples)
    counts = rng.poisson(np.exp(np.column_stack([5 + level, 5 - level, rng.normal(5, 1, (samples, 4))])))
    truth = 10 + 3 * level + 0.5 * rng.normal(size=samples)
    return read_counts(csr(counts), 300, 0), numbers(truth, np.arange(samples) < 0.7 * samples)


def test_baselines_know_how_sure_they_are():
    every, split = linear_study()
    predicted, read = predict_distributions(every, split, 100, 50, 0)
    truth = split.truth[split.test]
    assert tuple(predicted) == DISTRIBUTIONS
    assert set(read) == {"ridge", "random_forest", "quantile_forest"}
    for name in ("mean", "ridge", "quantile_forest"):
        assert 0.75 <= distributions.inside(truth, predicted[name].draws, 0.9).mean() <= 1
    score = {
        name: distributions.crps(truth, guess.draws).mean()
        for name, guess in predicted.items()
        if name != DISTRIBUTIONS[2]
    }
    assert score["ridge"] < 0.8 * score["mean"]
    assert score["quantile_forest"] < 0.8 * score["mean"]
    np.testing.assert_allclose(predicted["mean"].draws.mean(axis=1), predicted["mean"].value, rtol=0.01)


def test_the_quantile_forest_is_the_random_forest_with_its_distribution():
    every, split = linear_study()
    only = {"all reads": every["all reads"]}
    predicted, _ = predict_distributions(only, split, 200, 30, 0)
    reading = readings.readings(only, split.train, False)["all reads"]
    forest = reading.learn(baselines.maker("random_forest", split, 30, 0), split, split.train)
    np.testing.assert_allclose(predicted["random_forest"].value, reading.predict(forest.predict, split.test))
    np.testing.assert_allclose(
        predicted["quantile_forest"].draws.mean(axis=1), predicted["random_forest"].value, rtol=0.02
    )


def test_quantiles_are_those_of_the_weights_of_shared_leaves():
    """w_i = mean over trees of 1{x_i in the leaf of x} / size of the leaf (Meinshausen 2006, eq. 5), by a loop."""
    rng = np.random.default_rng(0)
    values, truth, test = rng.normal(size=(60, 4)), rng.normal(size=60), rng.normal(size=(5, 4))
    forest = RandomForestQuantileRegressor(
        9, min_samples_leaf=3, bootstrap=False, max_features=0.5, random_state=0, max_samples_leaf=LEAF
    ).fit(values, truth)
    weights = np.zeros((5, 60))
    for tree in forest.estimators_:
        for row, leaf in enumerate(tree.apply(test.astype(np.float32))):
            members = np.flatnonzero(tree.apply(values.astype(np.float32)) == leaf)
            weights[row, members] += 1 / len(members) / 9
    np.testing.assert_allclose(forest.predict(test, "mean", weighted_leaves=True), weights @ truth)
    for level in (0.1, 0.5, 0.9):
        for found, weight in zip(forest.predict(test, [level], weighted_leaves=True), weights, strict=True):
            own = np.argsort(truth)[weight[np.argsort(truth)] > 0]
            place = int((weight[own].cumsum() < level).sum())
            assert truth[own[max(place - 1, 0)]] <= found <= truth[own[min(place + 1, len(own) - 1)]]


def test_leaves_of_tied_values_lose_nothing_by_their_limit():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 5))
    truth = np.maximum(0, np.round(values[:, 0]))  # half of the samples are zero
    forests = [RandomForestQuantileRegressor(5, random_state=0, max_samples_leaf=most) for most in (8, None)]
    found = [forest.fit(values, truth).predict(values, [0.1, 0.6, 0.9], weighted_leaves=True) for forest in forests]
    np.testing.assert_array_equal(*found)


def test_ridge_shows_the_residuals_of_groups_it_has_not_seen():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(80, 3))
    truth = values @ [1.0, -2.0, 0.5] + 0.7 * rng.normal(size=80)
    several, one = np.repeat(np.arange(20), 4).astype(str), np.full(80, "one")
    for groups in (several, one):
        fitted = make_models(groups, False, 1, 0)["ridge"].fit(values, truth)
        assert abs(ridge_spread(fitted) - 0.7) < 0.15
    # What all samples of a group share, and no other group has, can be learned by heart: it must not look known.
    by_heart = np.eye(20).repeat(4, axis=0)
    apart = 3 * rng.normal(size=20).repeat(4) + 0.1 * rng.normal(size=80)
    fitted = make_models(several, False, 1, 0)["ridge"].fit(by_heart, apart)
    assert ridge_spread(fitted) > 0.8 * apart.std()


# AAM next to the baselines


def make_task(values, categories=None) -> Task:
    """Samples of a target in three folds, each a group of its own."""
    fold = np.arange(len(values)) % 3
    kind = object if categories else float
    return Task(
        "t",
        "days",
        categories,
        np.asarray(values, dtype=kind),
        fold.astype(str) + np.arange(len(fold)).astype(str),
        fold,
    )


def judged(goals: list[Task], model: str, seed: int = 0):
    """Results where AAM says what a baseline says."""
    samples = np.array([f"s{row}" for row in range(len(goals[0].values))])
    counts = csr(np.random.default_rng(seed).poisson(8, (len(samples), 10)))
    theirs, chosen = evaluate.baseline_predictions(goals, samples, Evidence(read_counts(counts, 30, 0)), OPTIONS, 0)
    ours = theirs[["sample", "fold", "truth"]].assign(prediction=theirs[model], low=np.nan, high=np.nan)
    for label in goals[0].categories or ():
        ours[f"p_{label}"] = theirs[f"{model}:{label}"]
    return evaluate.evaluate(goals[0], samples, ours, theirs, chosen, OPTIONS, 0)


def test_every_repeat_is_judged_and_no_sample_counted_twice():
    goal = make_task(np.arange(12.0))
    again = replace(goal, fold=np.roll(goal.fold, 1) + 3)
    found = judged([goal, again], "mean")
    assert (found.main.n, found.details["folds"], found.details["repeats"]) == (12, 3, 2)
    assert found.main.models["aam"] == found.main.models["mean"]
    assert found.main.differences["mean"]["mae"]["value"] == 0
    assert set(found.main.models["aam"]) == {"mae", "r2"}
    assert sum(found.details["readings"]["random_forest"].values()) == 6
    assert "too few to learn from" in found.verdict.text


def test_a_constant_predictor_has_an_area_of_one_half_in_the_metrics():
    """Folds differ in their share of a class, so that a prior that is pooled over folds ranks samples backwards."""
    goal = make_task([["a", "b"][row % 3 == 0 or row % 7 == 0] for row in range(42)], ["a", "b"])
    found = judged([goal], "majority")
    assert found.main.models["majority"]["auc"]["value"] == 0.5
    assert found.main.models["aam"]["auc"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert found.details["auc_folds_left_out"] == 1


def test_the_stack_is_the_mean_of_two_and_judged_as_they_are():
    one, other = Prediction(np.array([2.0, 3.0])), Prediction(np.array([-1.0, 5.0]))
    np.testing.assert_array_equal(evaluate.mean_of(one, other, None).value, [0.5, 4.0])
    sides = [baselines.as_prediction(np.tile(row, (2, 1)), ["x", "y"]) for row in ([0.9, 0.1], [0.4, 0.6])]
    stack = evaluate.mean_of(*sides, ["x", "y"])
    assert list(stack.value) == ["x", "x"]
    np.testing.assert_allclose(stack.probabilities, [[0.65, 0.35]] * 2)
    found = judged([make_task(np.arange(12.0))], "mean")
    assert found.comparisons[1].judged == "stack"
    assert found.comparisons[1].models["stack"] == found.main.models["stack"]
    assert set(found.comparisons[1].differences) == {"aam", "random_forest"}


def test_unseen_share_counts_reads_of_asvs_that_no_training_sample_has():
    counts = csr([[5, 5, 0], [0, 0, 10], [4, 0, 6]])
    np.testing.assert_allclose(evaluate.unseen_share(counts, np.array([0])), [0, 1, 0.6])


def test_samples_with_unseen_asvs_are_a_comparison_of_their_own():
    held = Held(np.arange(20).astype(str), np.arange(20.0), np.arange(20), np.zeros(20))
    said = {name: Prediction(held.truth + shift) for name, shift in (("aam", 1.0), ("random_forest", 2.0))}
    unseen = np.where(np.arange(20) < 5, 0.3, 0.0)
    found = evaluate.comparisons(held, said, unseen, None, 20, 0)
    assert [one.n for one in found] == [20, 20, 5]
    assert found[2].name.startswith("samples with at least 30.0% of their reads in ASVs")
    assert len(evaluate.comparisons(held, said, np.zeros(20), None, 20, 0)) == 2


def test_intervals_and_quantiles_are_checked_by_the_truth():
    ours = pd.DataFrame({"low": [0.0, 0.0, np.nan], "high": [2.0, 0.5, np.nan], "q_0.5": [1.0, 0.0, 9.0]})
    found = evaluate.spread_of(np.array([1.0, 1.0, 1.0]), ours, 0.9)
    assert found["interval"] == {"nominal": 0.9, "covered": 0.5, "width": 1.25}
    assert found["quantiles"]["q_0.5"] == {"below": pytest.approx(2 / 3), "pinball": pytest.approx((0 + 0.5 + 4) / 3)}


# Verdicts


def compared(differences: dict[str, tuple[float, float]], metric: str = "mae", n: int = 100, groups: int = 40):
    """A comparison with these intervals of the differences to the baselines."""
    gaps = {
        name: {metric: {"value": (low + high) / 2, "low": low, "high": high}}
        for name, (low, high) in differences.items()
    }
    values = {name: {metric: {"value": -gap[metric]["value"]}} for name, gap in gaps.items()}
    return Comparison("all", "aam", metric, n, groups, values | {"aam": {metric: {"value": 0.0}}}, gaps)


BETTER = "better than the mean predictor and"


@pytest.mark.parametrize(
    ("constant", "forest", "said", "kind"),
    [
        ((-1, 0.1), (-2, -1), "no signal beyond the mean predictor.", "worse"),
        ((-1, 0.1), (1, 2), "no signal beyond the mean predictor, where the random forest finds more.", "worse"),
        (
            (-2, -1),
            (-0.5, 0.5),
            "better than the mean predictor and not distinguishable from the random forest.",
            "level",
        ),
        ((-2, -1), (-0.5, -0.1), f"{BETTER} better than the random forest.", "better"),
        ((-2, -1), (0.1, 0.5), f"{BETTER} worse than the random forest.", "worse"),
        ((0.1, 0.5), (0.1, 0.5), "worse than the mean predictor.", "worse"),
    ],
)
def test_verdict_follows_the_paired_intervals(constant, forest, said, kind):
    gaps = {"mean": constant, "random_forest": forest}
    found = verdicts.judge_predictor(compared(gaps), "AAM", list(gaps), "random_forest")
    assert found.text == f"AAM on 100 samples of 40 groups, by mean absolute error: {said}"
    assert found.kind == kind
    found = verdicts.judge_predictor(compared(gaps, n=13, groups=13), "AAM", list(gaps), "random_forest")
    assert found.text.startswith("13 samples of 13 groups are too few to learn from")
    assert (found.kind, found.mark) == ("open", "too few samples")


def test_verdict_names_the_best_of_the_other_baselines():
    """Differences are AAM minus baseline: an error that AAM exceeds, an accuracy that it falls short of."""
    errors = {"mean": -9.0, "random_forest": -0.5, "ridge": -2.0, "extra_trees": 0.4}
    rates = {"majority": 0.3, "random_forest": 0.1, "logistic": 0.2, "extra_trees": -0.04}
    for metric, values in (("mae", errors), ("accuracy", rates)):
        gaps = {name: (value - 0.1, value + 0.1) for name, value in values.items()}
        found = verdicts.judge_predictor(compared(gaps, metric), "AAM", list(gaps), "random_forest")
        said = "worse than" if metric == "mae" else "not distinguishable from"
        assert found.text.endswith(f"; {said} the best baseline, extra trees.")
