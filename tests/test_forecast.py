"""Forecasts: what they may know, that the order of earlier samples says nothing, that intervals and baselines hold."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator

import jinja2
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from labels import labels_below, written_figures
from matplotlib.figure import Figure

from taxoscape.compositions import clr_inverse
from taxoscape.digest import ROOT
from taxoscape.errors import InputError
from taxoscape.figures import save
from taxoscape.files import write_json, write_npz, write_tsv
from taxoscape.forecast import anchor as anchors
from taxoscape.forecast import (
    animation,
    baselines,
    counts,
    evaluate,
    figures,
    folds,
    models,
    paths,
    spread,
    training,
    trial,
    what_if,
)
from taxoscape.forecast.anchor import fit as fit_anchor
from taxoscape.forecast.asked import ask, condition
from taxoscape.forecast.check import check_forecast, check_options, why_not
from taxoscape.forecast.courses import Courses, conditions, future, log_ratios, read_courses, tasks
from taxoscape.forecast.models import Forecaster, Forecasters, noise_of, read_forecasters
from taxoscape.learning import checkpoint
from taxoscape.learning.loop import Place
from taxoscape.report import trajectories
from taxoscape.scoring import distributions
from taxoscape.scoring.results import METRICS, Comparison, Results, read_results, write_results
from taxoscape.scoring.verdicts import FEW_GROUPS

TAXA, DEPTH = 6, 400
DEFAULTS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
QUICK = DEFAULTS["forecast"] | {
    "interventions": ["drug"],
    "steps": 40,
    "width": 8,
    "blocks": 1,
    "draws": 8,
    "kept_draws": 3,
    "sample_steps": 3,
    "bootstraps": 40,
    "horizons": [1.0, 3.0],
}


def options(**changes: object) -> models.Options:
    return models.Options(**(QUICK | changes))


def cohort(subjects: int = 9, times: int = 4, seed: int = 0) -> Courses:
    """Subjects with courses of their own that drift with time; `drug` (a category) lowers taxon 0."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0, 1, (subjects, 1, TAXA))
    time = np.tile(np.arange(times, dtype=float), subjects) + np.repeat(rng.uniform(0, 0.3, subjects), times)
    drug = rng.integers(0, 2, subjects * times)
    logs = (own + rng.normal(0, 0.3, (subjects, times, TAXA))).reshape(-1, TAXA) + np.outer(
        time, np.linspace(-1, 1, TAXA)
    )
    logs[:, 0] -= 2 * drug
    table = np.array([rng.multinomial(DEPTH, share) for share in clr_inverse(logs)])
    return Courses(
        names=np.array([f"s{row}" for row in range(len(time))]),
        taxa=np.array([f"t{taxon}" for taxon in range(TAXA)]),
        subjects=np.repeat([f"p{number}" for number in range(subjects)], times),
        time=time,
        counts=table,
        fields=np.column_stack([(time - 1.5) / 1.1, drug, np.repeat(np.arange(subjects) % 2, times)]).astype(float),
        missing=np.zeros((len(time), 3), dtype=bool),
        fold=np.repeat(np.arange(subjects) % 3, times),
        split=np.full(len(time), "train"),
        depth=DEPTH,
        field_names=["day", "drug", "sex"],
        categories=[0, 2, 2],
        clock=0,
        clock_scale=(1.5, 1.1),
    )


LEARNED = {"fields": {"day": {"mean": 1.5, "std": 1.1}, "drug": {"categories": ["no", "yes"]}}}


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Rounds of 20 steps, few held-out deviations and few forecasts to calibrate on: the laws are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "ROUND", 20)
        patch.setattr(training, "HELD_OUT", 32)
        patch.setattr(models, "CALIBRATION", 10)
        yield


@pytest.fixture(scope="module")
def courses() -> Courses:
    return cohort()


@pytest.fixture(scope="module")
def found(courses) -> Forecasters:
    return folds.fit(courses, options(), 0, Place())[0]


def model_of(found: Forecasters, courses: Courses, subject: str) -> Forecaster:
    return found.folds[int(courses.fold[courses.of(subject)[0]])]


def drawn_for(model: Forecaster, courses: Courses, part: list) -> tuple[np.ndarray, ...]:
    """Draws, point values and shares of tasks."""
    anchor = model.anchor
    conditioned = condition(anchor, ask(courses, anchor, part, ["drug"]))
    noise = np.array([noise_of(0, 1, task.subject, task.time, 8, TAXA) for task in part])
    drawn = models.draw(model, conditioned, noise, np.array([task.first for task in part]))
    return drawn, *models.point(model, conditioned, drawn)


# Tasks


def test_tasks_are_every_later_sample_from_every_earlier_time(courses):
    found = tasks(courses, np.array(["p0"]))
    assert len(found) == 6  # 4 times: 3 + 2 + 1
    assert sum(task.first for task in found) == 3
    for task in found:
        assert (courses.time[task.history] < courses.time[task.target]).all()
        assert task.ahead == pytest.approx(courses.time[task.target] - courses.time[task.history].max())


def test_samples_of_one_time_are_no_future_of_each_other(courses):
    same = dataclasses.replace(courses, time=np.floor(courses.time / 2) * 2)
    for task in tasks(same, np.array(["p0"])):
        assert (same.time[task.history] < same.time[task.target]).all()
        assert len(task.history) == 2
        assert task.first


def test_only_planned_fields_of_the_future_are_known(courses):
    task = tasks(courses, np.array(["p1"]))[0]
    turned = dataclasses.replace(courses, fields=courses.fields.copy())
    turned.fields[task.target] = 1 - courses.fields[task.target]
    for planned, changes in ((["drug"], [False, True, False]), ([], [False, False, False])):
        before, after = (conditions(part, task, planned)[0] for part in (courses, turned))
        np.testing.assert_array_equal(before != after, changes)


def test_the_field_that_is_the_time_moves_on(courses):
    task = future(courses, "p2", 10.0)
    fields, missing = conditions(courses, task, [])
    assert fields[0] * 1.1 + 1.5 == pytest.approx(task.time)
    assert not missing[0]


def test_courses_are_read_in_the_order_of_subject_and_time(tmp_path):
    names = ["c", "a", "b", "d"]
    write_npz(
        tmp_path / "composition.npz", samples=names, taxa=["x", "y"], counts=[[1, 2], [3, 4], [0, 0], [5, 6]], depth=9
    )
    design = pd.DataFrame(
        {"sample": names, "group": ["p", "p", "p", "q"], "time": ["2", "1", "3", ""], "f": list("1234")}
    )
    write_tsv(design, tmp_path / "design.tsv")
    field = {"type": "continuous", "unit": None, "mean": 0.0, "std": 1.0}
    write_json({"fields": {"f": field}, "targets": {}, "time": None, "group": ["g"]}, tmp_path / "encoding.json")
    write_tsv(pd.DataFrame({"sample": names, "split": "train", "fold": 0}), tmp_path / "splits.tsv")
    found = read_courses(
        *(tmp_path / name for name in ("composition.npz", "design.tsv", "encoding.json", "splits.tsv")), "f"
    )
    assert list(found.names) == ["a", "c"]  # b has no reads, d no time
    assert found.clock == 0
    np.testing.assert_array_equal(found.counts, [[3, 4], [1, 2]])


# What forecasts may know


def test_order_of_earlier_samples_changes_nothing(courses, found):
    task = next(task for task in tasks(courses, np.array(["p0"])) if len(task.history) == 3)
    turned = dataclasses.replace(task, history=task.history[[2, 0, 1]])
    model = model_of(found, courses, "p0")
    for planned in ([], ["drug"]):  # the fields carried on are those of the latest sample, whatever the order
        np.testing.assert_array_equal(conditions(courses, task, planned)[0], conditions(courses, turned, planned)[0])
    for straight, other in zip(drawn_for(model, courses, [task]), drawn_for(model, courses, [turned]), strict=True):
        np.testing.assert_allclose(straight, other, atol=1e-5)


def test_any_number_of_earlier_samples_will_do(courses, found):
    part = tasks(courses, np.array(["p0"]))
    together = drawn_for(model_of(found, courses, "p0"), courses, part)
    for row, task in enumerate(part):
        alone = drawn_for(model_of(found, courses, "p0"), courses, [task])
        for whole, single in zip(together, alone, strict=True):
            np.testing.assert_allclose(whole[row], single[0], atol=1e-5)


def test_forecasts_of_a_subject_do_not_depend_on_other_test_subjects(courses, found):
    """Everybody else of the fold gone: the same forecast."""
    fold = courses.fold[courses.of("p0")[0]]
    alone = courses.take((courses.fold != fold) | (courses.subjects == "p0"))
    model = model_of(found, courses, "p0")
    for one, other in zip(
        drawn_for(model, courses, tasks(courses, np.array(["p0"]))),
        drawn_for(model, alone, tasks(alone, np.array(["p0"]))),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_nothing_at_or_after_the_target_leaks_into_its_forecast(courses, found):
    task = tasks(courses, np.array(["p0"]))[1]
    later = courses.of("p0")[courses.time[courses.of("p0")] >= task.time]
    changed = dataclasses.replace(courses, counts=courses.counts.copy(), fields=courses.fields.copy())
    changed.counts[later] = changed.counts[later][:, ::-1]
    changed.fields[later, 2] = 1 - changed.fields[later, 2]
    model = model_of(found, courses, "p0")
    for before, after in zip(drawn_for(model, courses, [task]), drawn_for(model, changed, [task]), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_forecaster_is_not_fitted_to_its_own_fold(courses, found, tmp_path):
    changed = dataclasses.replace(courses, counts=courses.counts.copy())
    changed.counts[courses.fold == 1] = changed.counts[courses.fold == 1][:, ::-1]
    again = folds.fit(changed, options(), 0, Place())[0]
    for name, weights in found.folds[1].network.items():
        assert torch.equal(weights, again.folds[1].network[name])
    assert found.folds[0].anchor.covariance.tolist() != again.folds[0].anchor.covariance.tolist()


def test_earlier_samples_change_the_forecast_and_have_gradients(courses, found):
    model = model_of(found, courses, "p0")
    anchor = model.anchor
    part = tasks(courses, np.array(["p0"]))[:4]
    context = condition(anchor, ask(courses, anchor, part, ["drug"])).context
    network = models._network(model)
    network.load_state_dict(model.network)
    for layer in network.layers:
        torch.nn.init.normal_(layer.modulation.weight, std=0.2)
    torch.nn.init.normal_(network.leave.weight)
    history = context.history.clone().requires_grad_()
    context = dataclasses.replace(context, history=history)
    noisy = torch.randn(4, TAXA)
    network(noisy, torch.full((4,), 0.6), torch.full((4,), 0.8), *network.encode(context)).square().sum().backward()
    known = context.present[:, :, None, None].expand_as(history)
    assert (history.grad[known] != 0).float().mean() > 0.9
    assert (history.grad[~known] == 0).all()
    for projection in (network.encode.attention.query, network.encode.attention.key_value):
        assert projection.weight.grad.abs().max() > 0


# The anchor


def anchor_fit(courses: Courses, planned: str = "drug") -> anchors.Anchor:
    return fit_anchor(
        courses.subjects,
        courses.time,
        courses.values,
        courses.shares,
        courses.fields,
        courses.missing,
        categories=courses.categories,
        planned=np.isin(courses.field_names, [planned]),
        step=1.0,
    )


@pytest.mark.parametrize(
    ("covariance", "wanted"),
    [
        ((0.0, 1.0, 1e4, 1e-9), [0, 0, 1]),  # nothing forgotten, no noise: persistence
        ((1e6, 0.0, 1.0, 1.0), [1 / 3, 1 / 3, 1 / 3]),  # what stays and noise: the mean
        ((0.0, 0.0, 1.0, 1.0), [0, 0, 0]),  # noise alone: the population
    ],
)
def test_the_anchor_holds_persistence_mean_and_population(courses, covariance, wanted):
    found = dataclasses.replace(anchor_fit(courses), covariance=np.array(covariance))
    weights, _ = anchors.weights(found, np.array([0.0, 1.0, 2.0]), 3.0)
    np.testing.assert_allclose(weights, wanted, atol=1e-3)


def test_weights_are_the_conditional_mean_of_a_gaussian(courses):
    """Against the block formula of the joint covariance."""
    found = dataclasses.replace(anchor_fit(courses), covariance=np.array([0.3, 0.5, 0.7, 0.2]))
    times = np.array([0.0, 1.5, 2.0, 4.0])
    warped = anchors.warp(times, found.first, found.step)
    joint = 0.3 + 0.5 * np.exp(-np.abs(warped[:, None] - warped) / 0.7) + 0.2 * np.eye(4)
    weights, variance = anchors.weights(found, times[:3], times[3])
    np.testing.assert_allclose(weights, joint[3, :3] @ np.linalg.inv(joint[:3, :3]))
    assert variance == pytest.approx(1 / np.linalg.inv(joint)[3, 3])


def test_the_variance_grows_with_time_ahead(courses):
    found = dataclasses.replace(anchor_fit(courses), covariance=np.array([0.1, 0.5, 1.0, 0.2]))
    variances = [anchors.weights(found, np.array([0.0, 1.0]), time)[1] for time in (1.1, 2.0, 5.0, 500.0)]
    assert variances == sorted(variances)


def test_the_population_leaves_out_the_subject_and_reaches_far_times(courses):
    found = anchor_fit(courses)
    own = courses.of("p3")
    turned = dataclasses.replace(found, values=found.values.copy())
    turned.values[own] += 100
    time, who = courses.time[own], courses.subjects[own]
    np.testing.assert_array_equal(anchors.population(found, time, who), anchors.population(turned, time, who))
    assert np.isfinite(anchors.population(found, np.array([1e9]), np.array(["new"]))).all()


def test_the_effect_of_a_planned_field_is_found(courses):
    """The drug lowers taxon 0 by 2 natural logarithms."""
    found = anchor_fit(cohort(subjects=30, times=5))
    no, yes, _ = found.effects
    effect = (yes - no) - (yes - no).mean()
    assert effect.argmin() == 0
    assert -2.4 < effect[0] < -0.8  # a ridge shrinks it


# Baselines


def test_baselines_equal_small_cases_by_hand(courses):
    task = next(task for task in tasks(courses, np.array(["p0"])) if len(task.history) == 2)
    rows = task.history
    last = baselines.persistence(courses, [task])
    np.testing.assert_allclose(last.values[0], log_ratios(courses.counts[rows[1]]))
    np.testing.assert_allclose(last.shares[0], courses.counts[rows[1]] / DEPTH)
    mean = baselines.subject_mean(courses, [task])
    np.testing.assert_allclose(mean.values[0], log_ratios(courses.counts[rows]).mean(axis=0))
    np.testing.assert_allclose(mean.shares[0], courses.counts[rows].mean(axis=0) / DEPTH)


def test_population_baseline_is_the_kernel_mean_by_hand(courses):
    found = dataclasses.replace(anchor_fit(courses, "nothing"), bandwidth=0.5)
    task = tasks(courses, np.array(["p0"]))[2]
    others = courses.subjects != "p0"
    distance = anchors.warp(courses.time[others], found.first, 1.0) - anchors.warp(
        np.array([task.time]), found.first, 1.0
    )
    kernel = np.exp(-0.5 * (distance / 0.5) ** 2)
    wanted = kernel @ courses.values[others] / kernel.sum()
    np.testing.assert_allclose(baselines.population(found, [task]).values[0], wanted)


def test_ridge_finds_a_linear_law():
    """Next = 0.5 last in log-ratios."""
    rng = np.random.default_rng(0)
    courses = cohort(subjects=60, times=2)
    values = rng.normal(size=(60, TAXA)) * 1.5
    pair = np.stack([values, 0.5 * values], axis=1).reshape(-1, TAXA)
    table = np.round(clr_inverse(pair) * 1e7).astype(int)
    courses = dataclasses.replace(courses, counts=table)
    part = tasks(courses, np.unique(courses.subjects))
    guess = baselines.ridge(courses, anchor_fit(courses), part[:40], part[40:50], part[50:])
    truth = courses.values[[task.target for task in part[50:]]]
    assert ((guess.values - truth) ** 2).mean() < 0.5 * (truth**2).mean()


def test_errors_of_a_bin_are_its_own_where_it_has_enough_tasks():
    bins = np.repeat([0, 1, 2, 3], [30, 3, 25, 20])
    rows = baselines.scatter(bins, 5, 8)
    np.testing.assert_array_equal(bins[rows], np.repeat([[0], [2], [2], [3], [3]], 8, axis=1))  # 1 borrows the further
    for row, source in zip(rows, (0, 2, 2, 3, 3), strict=True):  # from the first to the last, evenly
        own = np.flatnonzero(bins == source)
        assert (row[0], row[-1]) == (own[0], own[-1])
        assert np.ptp(np.diff(row)) <= 1
    few = baselines.scatter(np.array([0, 1, 1]), 3, 3)
    np.testing.assert_array_equal(few, [[0, 1, 2]] * 3)


def wandering(subjects: int = 18, times: int = 9) -> Courses:
    """Random walks: the error of persistence grows with the time ahead."""
    calm = cohort(subjects, times)
    steps = np.random.default_rng(5).normal(0, 0.7, (subjects, times, TAXA))
    table = np.round(clr_inverse(steps.cumsum(axis=1).reshape(-1, TAXA)) * 1e6).astype(int)
    return dataclasses.replace(calm, counts=table)


def test_intervals_of_a_baseline_are_wider_where_its_errors_are_larger(tmp_path):
    """So that they hold about as much near and far; with one scatter for all later samples it was 95 % and 77 %."""
    walk, chosen = wandering(), options(draws=64, targets=100, steps=1)
    done = trial.run(folds.fit(walk, chosen, 0, Place())[0], walk, [2.0, 4.0], chosen, 0)
    held = [done.measured["persistence"]["coverage_90"][done.bins == number].mean() for number in range(4)]
    assert np.ptp(held) < 0.06
    assert np.mean(held) == pytest.approx(0.9, abs=0.05)


# Intervals and scores


def test_coverage_is_a_direct_count():
    rng = np.random.default_rng(0)
    drawn, observed = rng.normal(size=(5, 40, 3)), rng.normal(size=(5, 3))
    for level in (0.5, 0.9):
        inside = np.zeros((5, 3))
        for task in range(5):
            for taxon in range(3):
                low, high = np.percentile(drawn[task, :, taxon], [50 - 50 * level, 50 + 50 * level])
                inside[task, taxon] = low <= observed[task, taxon] <= high
        np.testing.assert_array_equal(distributions.inside(observed, drawn, level), inside)


@pytest.mark.parametrize("width", [0.4, 1.0, 3.0])
def test_the_spread_makes_intervals_hold(width):
    """Draws too narrow or too wide, of skewed truth: after scaling 50 % and 90 % of new observations lie inside."""
    rng = np.random.default_rng(0)
    drawn, observed = width * rng.normal(size=(400, 64, 4)) + 2, rng.normal(size=(400, 4)) + 2
    first = np.arange(400) % 2 == 0
    factors = spread.fit_factors(drawn[:200], observed[:200], first[:200])
    scaled = spread.apply(drawn[200:], factors[first[200:].astype(int)])
    for level, allowed in ((0.5, 0.05), (0.9, 0.04)):
        held = distributions.inside(observed[200:], scaled, level).mean()
        assert held == pytest.approx(level, abs=allowed)


def test_a_spread_of_one_changes_nothing():
    drawn = np.random.default_rng(0).normal(size=(3, 9, 2))
    np.testing.assert_allclose(spread.apply(drawn, np.ones((3, 2))), drawn)


def test_the_blend_takes_what_helps():
    rng = np.random.default_rng(0)
    truth, start = rng.normal(size=(50, 4)), np.zeros((50, 4))
    for power in (1, 2):
        assert spread.fit_blend(start, truth, truth, power) == 1
        assert spread.fit_blend(start, 2 * truth, truth, power) == 0.5
        assert spread.fit_blend(truth, start, truth, power) == 0


# Forecasts


def test_same_seed_same_bytes_and_another_seed_others(courses, found, tmp_path):
    again = folds.fit(courses, options(), 0, Place())[0]
    for name, model in (("one", found), ("two", again)):
        checkpoint.save(model, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    drawn = [
        paths.forecast(read_forecasters(tmp_path / "one", "cpu"), courses, [1.0, 3.0], seed).drawn for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.allclose(drawn[0], drawn[2])


def test_the_first_step_rolled_out_is_the_one_step_forecast(courses, found):
    made = paths.forecast(found, courses, [1.0, 3.0], 0)
    assert list(made.index["kind"].unique()) == list(paths.KINDS)
    pick = {kind: made.index.query("kind == @kind and ahead == 1.0").index for kind in paths.KINDS}
    np.testing.assert_allclose(*(made.drawn[rows] for rows in pick.values()), atol=1e-6)
    far = {kind: made.index.query("kind == @kind and ahead == 3.0").index for kind in paths.KINDS}
    assert not np.allclose(*(made.drawn[rows] for rows in far.values()))
    np.testing.assert_allclose(made.drawn.mean(axis=-1), 0, atol=1e-9)
    np.testing.assert_allclose(made.shares.sum(axis=1), 1)


def test_only_the_subjects_with_most_samples_are_forecast_where_they_are_many(courses, found, capsys):
    left = courses.take(~np.isin(np.arange(len(courses.names)), courses.of("p4")[:2]))
    made = paths.forecast(found, left, [1.0], 0, most=8)
    assert set(made.index["subject"]) == set(courses.subjects) - {"p4"}
    assert "8 of 9 subjects, those with most samples, are forecast" in capsys.readouterr().out
    whole = paths.forecast(found, left, [1.0], 0)
    same = whole.index["subject"].isin(made.index["subject"]).to_numpy()
    np.testing.assert_array_equal(whole.drawn[same], made.drawn)


def test_drawn_counts_sum_to_the_depth_and_say_what_they_are(courses, found):
    made = paths.forecast(found, courses, [1.0, 3.0], 0)
    seen = paths.seen(found, courses, made.index)
    seen[:, 2] = False
    table, about = counts.drawn_counts(made, DEPTH, 3, seen)
    assert len(table) == len(about) == 9 * 2 * 2 * 3
    assert (table.sum(axis=1) == DEPTH).all()
    assert (table[:, 2] == 0).all()
    assert about["sample"].is_unique
    assert set(about["draw"]) == {1, 2, 3}
    row = about.query("subject == 'p4' and ahead == 3.0").iloc[0]
    assert row["origin"] == courses.time[courses.of("p4")].max()


def test_counts_go_to_log_ratios_and_back():
    table = np.array([[0, 3, 7, 390], [100, 100, 100, 100]])
    made = paths.Forecasts(pd.DataFrame({"subject": ["a", "b"]}), log_ratios(table)[:, None], None, None)
    back, _ = counts.drawn_counts(made, DEPTH, 1, np.ones((2, 4), dtype=bool))
    np.testing.assert_array_equal(back, table)


def test_the_table_holds_what_the_draws_say(courses, found):
    made = paths.forecast(found, courses, [1.0], 0)
    frame = paths.table(made, courses.taxa)
    assert len(frame) == len(made.index) * TAXA
    row = frame.iloc[TAXA + 2]
    assert row["taxon"] == "t2"
    assert row["mean"] == pytest.approx(made.drawn[1, :, 2].mean(), rel=1e-12)
    assert row["q50"] == np.median(made.drawn[1, :, 2])


def test_horizons_come_from_the_config_or_the_median_step(courses):
    assert paths.horizons_of(courses, [3, 1]) == [1.0, 3.0]
    assert paths.horizons_of(courses, None) == [1.0, 2.0, 4.0]


# What if


def test_an_intervention_equal_to_the_present_changes_nothing(courses, found):
    """Shared noise: both sides are the same to the last bit."""
    without, with_ = what_if.pair(found, courses, LEARNED, [1.0, 3.0], 0, "drug", ["yes", "yes"])
    np.testing.assert_array_equal(without.drawn, with_.drawn)
    present = courses.fields[courses.of("p0")[-1], 1]
    model = model_of(found, courses, "p0")
    plain = paths.one_step(model, courses, "p0", [1.0], 0)[0]
    np.testing.assert_array_equal(plain, paths.one_step(model, courses, "p0", [1.0], 0, {1: present})[0])
    assert not np.allclose(plain, paths.one_step(model, courses, "p0", [1.0], 0, {1: 1 - present})[0])


def test_differences_per_taxon_and_channel_are_means_over_subjects(courses, found):
    sides = what_if.pair(found, courses, LEARNED, [1.0], 0, "drug", ["no", "yes"])
    channels = np.eye(TAXA)[:, :2]
    frame = what_if.differences(*sides, courses.taxa, channels, ["a", "b"], bootstraps=30, seed=0)
    rows = sides[0].index.query("kind == 'one step'").index
    direct = (sides[1].drawn[rows] - sides[0].drawn[rows]).mean(axis=(0, 1))
    part = frame.query("kind == 'one step' and of == 'taxon'")
    np.testing.assert_allclose(part["difference"], direct)
    assert (part["low"] <= part["difference"]).all()
    shares = [100 * clr_inverse(side.drawn[rows])[..., 0].mean() for side in sides]
    channel = frame.query("kind == 'one step' and name == 'a'").iloc[0]
    assert channel["difference"] == pytest.approx(shares[1] - shares[0])
    alike = what_if.differences(*sides, courses.taxa, np.full((TAXA, 3), 1 / 3), list("abc"), bootstraps=30, seed=0)
    assert (alike.loc[alike["of"] == "channel", ["difference", "low", "high"]] == 0).all(axis=None)


def test_a_value_that_no_training_sample_has_is_refused(courses):
    with pytest.raises(InputError, match="no training sample has 'maybe'"):
        what_if.encoded(courses, LEARNED, "drug", "maybe")
    assert what_if.encoded(courses, LEARNED, "day", 2.6) == (0, pytest.approx(1.0))


# Evaluation


def test_the_trial_is_of_every_subject_and_paired(courses, found):
    done = trial.run(found, courses, [1.2, 3.0], options(), 0)
    assert {task.subject for task in done.tasks} == set(courses.subjects)
    assert set(done.measured) == {evaluate.MODEL, evaluate.ANCHOR, evaluate.ANCHOR_PAST, *baselines.NAMES}
    row = next(place for place, task in enumerate(done.tasks) if task.first)
    task = done.tasks[row]
    last = log_ratios(courses.counts[task.history[-1]])
    wanted = np.linalg.norm(last - courses.values[task.target])
    assert done.measured["persistence"]["aitchison"][row] == pytest.approx(wanted)
    result = trial.results(done, [1.2, 3.0], "days", 30, 0)
    for part in result.comparisons:
        for name, gap in part.differences.items():
            direct = part.models[evaluate.MODEL]["crps"]["value"] - part.models[name]["crps"]["value"]
            assert gap["crps"]["value"] == pytest.approx(direct)
    assert result.main.name == "next sample"
    assert sum(part.n for part in result.comparisons) == result.details["tasks"] == len(done.tasks)


def test_results_are_the_same_after_writing_and_reading(courses, found, tmp_path):
    result = trial.results(trial.run(found, courses, [1.2, 3.0], options(), 0), [1.2, 3.0], "days", 30, 0)
    write_results(result, tmp_path / "metrics.json")
    assert read_results(tmp_path / "metrics.json") == result


def test_coverage_by_level_agrees_with_that_of_the_forecast_at_every_horizon(courses, found):
    result = trial.results(trial.run(found, courses, [1.2], options(), 0), [1.2], "days", 30, 0)
    for part in result.comparisons:
        covered = dict(zip(result.details["nominal"], result.details["covered"][part.name], strict=True))
        for key, level in distributions.INTERVALS.items():
            assert part.models[evaluate.MODEL][key]["value"] == pytest.approx(covered[level])


def test_subjects_weigh_the_same_however_many_samples_they_have():
    values = {name: np.array([1.0, 1, 1, 3]) for name in (*evaluate.ERRORS, "coverage_90")}
    measured = {evaluate.MODEL: values, "persistence": {name: 2 * part for name, part in values.items()}}
    found = evaluate.compare("next sample", measured, np.array(["a", "a", "a", "b"]), 200, 0)
    assert (found.n, found.groups) == (4, 2)
    assert found.models[evaluate.MODEL]["aitchison"] == {"value": 2.0, "low": 1.0, "high": 3.0}
    assert found.differences["persistence"]["crps"] == {"value": -2.0, "low": -3.0, "high": -1.0}


def test_bins_are_the_next_sample_and_how_far_ahead(courses):
    part = tasks(courses, np.array(["p0"]))
    bins = evaluate.bins_of(part, [2.0])
    for task, number in zip(part, bins, strict=True):
        assert number == (0 if task.first else 1 if task.ahead <= 2.0 + 1e-9 else 2)
    assert len(evaluate.bin_names([2.0], "days")) == 3


def compared(name: str = "next sample", gap: tuple = (-1, -2, -0.5), held: float = 0.5, groups: int = 20) -> Comparison:
    """The forecast's difference to all baselines, and the share inside its 50 % intervals."""
    sides = ("value", "low", "high")
    model = dict.fromkeys(evaluate.ERRORS, {"value": 10.0}) | {"coverage_50": {"value": held}}
    difference = dict.fromkeys(evaluate.ERRORS, dict(zip(sides, gap, strict=True)))
    return Comparison(
        name=name,
        judged=evaluate.MODEL,
        metric="aitchison",
        n=50,
        groups=groups,
        models=dict.fromkeys((evaluate.MODEL, *baselines.NAMES), model | {"coverage_90": {"value": 0.9}}),
        differences=dict.fromkeys(baselines.NAMES, difference),
    )


@pytest.mark.parametrize(
    ("gap", "kind", "words"),
    [
        ((-1, -2, -0.5), "better", "the forecast is better than the best baseline at next sample (-10 %"),
        ((-1, -2, 0.5), "level", "the forecast is level with the best baseline at next sample"),
        ((1, 0.5, 2), "worse", "the forecast is worse than the best baseline at next sample (+10 %"),
    ],
)
def test_a_difference_counts_only_when_its_interval_leaves_out_zero(gap, kind, words):
    found = evaluate.verdict([compared(gap=gap)])
    assert found.kind == kind
    assert words in found.text


def test_the_verdict_names_the_horizons_whose_intervals_do_not_hold():
    """Too wide at one and too narrow at the other: their average would hold."""
    found = evaluate.verdict([compared(held=0.6), compared("later", held=0.4), compared("last")])
    wrong = "at 2 of 3 horizons: next sample (60.0 %); later (40.0 %)."
    assert f"The 50 % intervals do not hold 45 to 55 % of what was observed {wrong}" in found.text
    assert "The 90 % intervals hold at every horizon." in found.text


def test_the_best_forecast_is_better_at_every_horizon():
    won, level = compared(), compared("later", gap=(-1, -2, 0.5))
    assert evaluate.verdict([won, won]).kind == "better"
    assert evaluate.verdict([won, level]).kind == "level"
    assert evaluate.verdict([won, level]).mark == "better than the best baseline at 1 of 2 horizons"
    assert evaluate.verdict([won, compared(gap=(1, 0.5, 2))]).kind == "worse"


def test_horizons_of_too_few_subjects_are_not_judged():
    few = compared("later", gap=(1, 0.5, 2), held=0.1, groups=FEW_GROUPS - 1)
    assert evaluate.verdict([few]).kind == "open"
    assert f"later ({FEW_GROUPS - 1})" in evaluate.verdict([few]).text
    both = evaluate.verdict([compared(groups=FEW_GROUPS), few])
    assert (both.kind, both.mark) == ("better", "better than the best baseline at 1 of 1 horizons")
    assert "do not hold" not in both.text


# Training


def test_training_goes_on_after_a_kill_as_if_it_had_not_been(tmp_path, monkeypatch):
    """Killed at every file that it writes, six times: the same weights and losses as without."""
    courses, long = cohort(subjects=6, times=3), options(steps=60)
    whole, history = folds.fit(courses, long, 0, Place())
    save, kills = checkpoint.save, []

    def killed(record, path):
        save(record, path)
        if len(kills) < 6:
            kills.append(path.name)
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", killed)
    for _ in range(6):
        with pytest.raises(KeyboardInterrupt):
            folds.fit(courses, long, 0, Place(tmp_path))
    assert {"fold0.pt", "finished0.pt", "fold1.pt"} <= set(kills)
    resumed, again = folds.fit(courses, long, 0, Place(tmp_path))
    for fold, model in whole.folds.items():
        for name, weights in model.network.items():
            assert torch.equal(weights, resumed.folds[fold].network[name])
    pd.testing.assert_frame_equal(history, again)


def test_a_finished_fold_is_not_trained_again(courses, found, tmp_path, monkeypatch):
    row = {"round": 0, "step": 0, "val_total_loss": 1.0}
    for fold, model in found.folds.items():
        checkpoint.save(folds.Finished(model, [row]), tmp_path / f"finished{fold}.pt")
    monkeypatch.setattr(models, "fit", None)
    assert folds.fit(courses, options(), 0, Place(tmp_path))[0].folds.keys() == found.folds.keys()


def test_the_untrained_network_is_the_anchor_with_gaussian_scatter(courses):
    """v-prediction of zero: with its intervals left alone, draws have the anchor's mean and scale."""
    trained, held_out = folds.divide(courses, 0, 0.2, 0)
    model, _ = models.fit(courses, trained, held_out, options(steps=1, lr=1e-9, sample_steps=30), (0, 0))
    anchor, part = model.anchor, tasks(courses, np.array(["p0"]))[:1]
    conditioned = condition(anchor, ask(courses, anchor, part, ["drug"]))
    noise = noise_of(0, 1, "p0", 1.0, 400, TAXA)[None]
    errors = models._errors(model, conditioned, noise)
    assert np.abs(errors.mean(axis=1)).max() < 1e-4
    np.testing.assert_allclose(errors.std(axis=1), 1, atol=0.1)


def test_the_anchor_alone_is_the_forecast_of_a_network_of_zeros(courses):
    """The same noise, calibrated on the same tasks: what is between them is the network."""
    trained, held_out = folds.divide(courses, 0, 0.2, 0)
    model, _ = models.fit(courses, trained, held_out, options(steps=1, lr=1e-9, sample_steps=100), (0, 0))
    anchor, part = model.anchor, tasks(courses, np.array(["p0", "p3"]))
    conditioned = condition(anchor, ask(courses, anchor, part, ["drug"]))
    noise = np.array([noise_of(0, 1, task.subject, task.time, 8, TAXA) for task in part])
    first = np.array([task.first for task in part])
    whole, alone = (draw(model, conditioned, noise, first) for draw in (models.draw, models.draw_anchor))
    np.testing.assert_allclose(whole, alone, atol=0.02 * alone.std())
    np.testing.assert_allclose(model.spread.factors, model.spread.anchor_factors, rtol=0.02)


def test_held_out_subjects_have_two_times_and_too_few_are_refused(courses):
    trained, held_out = folds.divide(courses, 0, 0.2, 0)
    assert not set(trained) & set(held_out)
    assert set(trained) | set(held_out) == set(courses.subjects[courses.fold != 0])
    few = courses.take(np.isin(courses.subjects, ["p0", "p1"]))
    with pytest.raises(InputError, match=r"without fold 0, 1 of 1 subjects have two time points.*forecast.enabled"):
        folds.divide(few, 0, 0.2, 0)


def test_training_without_a_later_sample_is_refused(courses):
    single = courses.take(np.array([courses.of(subject)[0] for subject in np.unique(courses.subjects)]))
    with pytest.raises(InputError, match="do not both hold one with two time points"):
        models.fit(single, np.array(["p0", "p1"]), np.array(["p2"]), options(), (0, 0))


def test_models_keep_their_numbers_on_disk(found, tmp_path):
    checkpoint.save(found, tmp_path / "model.pt")
    back = read_forecasters(tmp_path / "model.pt", "cpu")
    for fold, model in found.folds.items():
        for field in dataclasses.fields(anchors.Anchor):
            before, after = (getattr(part.anchor, field.name) for part in (model, back.folds[fold]))
            np.testing.assert_array_equal(before, after)
        np.testing.assert_array_equal(model.spread.factors, back.folds[fold].spread.factors)


# Pictures and the report


def test_figures_are_the_same_bytes_twice(courses, found, tmp_path):
    result = trial.results(trial.run(found, courses, [1.2], options(), 0), [1.2], "days", 20, 0)
    sides = what_if.pair(found, courses, LEARNED, [1.2], 0, "drug", ["no", "yes"])
    frame = what_if.differences(*sides, courses.taxa, np.eye(TAXA), list("abcdef"), bootstraps=20, seed=0)
    frame = frame.assign(**{"field": "drug", "without": "no", "with": "yes"})
    positions = pd.DataFrame({"row": range(TAXA), "col": range(TAXA)}, index=courses.taxa)
    names = pd.Series(courses.taxa, index=courses.taxa)
    for name in "ab":
        figures.draw_errors(result, tmp_path / f"errors-{name}.png")
        figures.draw_coverage(result, tmp_path / f"coverage-{name}.png")
        figures.draw_what_if(frame, 1.2, "days", positions, names, tmp_path / f"what-{name}.png")
    for name in ("errors", "coverage", "what"):
        assert (tmp_path / f"{name}-a.png").read_bytes() == (tmp_path / f"{name}-b.png").read_bytes()


def test_horizons_stand_apart_below_the_errors(tmp_path, monkeypatch):
    written = written_figures(monkeypatch)
    figure = dict.fromkeys(METRICS, {"value": 1, "low": 0, "high": 2})
    entry = dataclasses.replace(compared(), models=dict.fromkeys(figures.COLOURS, figure))
    names = evaluate.bin_names([7, 140, 280], "days")
    parts = [dataclasses.replace(entry, name=name) for name in names]
    covered = dict.fromkeys(names, [0.5])
    result = Results(*["forecast"] * 4, parts, None, {"subjects": 9, "nominal": [0.5], "covered": covered})
    figures.draw_errors(result, tmp_path / "errors.png")
    for axis in written[0].axes:
        assert len(labels_below(axis)) == 5


def test_the_animation_is_one_page_without_outside_links(courses, found):
    shown = animation.frames(found, courses, "p1", [1.0, 3.0], 0)
    assert len(shown) == 4 + 2
    assert [frame["observed"] is None for frame in shown] == [False] * 4 + [True] * 2
    assert [frame["forecast"] is None for frame in shown] == [True] + [False] * 5
    positions = pd.DataFrame({"row": range(TAXA), "col": range(TAXA)}, index=courses.taxa)
    html = animation.page(
        ROOT / "workflow" / "report" / "course.html.j2",
        shown,
        positions,
        ["</script><b>"] * TAXA,
        ["#123456"] * TAXA,
        {"<i>clade": "#123456"},
        subject="<p1>",
        unit="days",
    )
    assert "http" not in html
    assert "</script><b>" not in html
    assert "<p1>" not in html
    text = html.split('type="application/json">')[1].split("</script>")[0]
    data = json.loads(text.replace("<\\/", "</"))
    assert len(data["frames"]) == 6
    np.testing.assert_allclose(data["frames"][0]["observed"], shown[0]["observed"], atol=1e-5)


def test_the_animated_subject_is_the_one_asked_for_or_has_most_samples(courses):
    more = courses.take(np.delete(np.arange(len(courses.names)), [0, 5, 9]))
    assert animation.subject_of(courses, "p7") == "p7"
    assert animation.subject_of(more, None) == "p3"


def test_the_report_shows_forecasts_or_why_there_are_none(courses, found, tmp_path):
    config = {**DEFAULTS, "metadata": DEFAULTS["metadata"] | {"time": {"column": "day", "unit": "days"}}}
    section = trajectories.forecasts({}, config)
    assert "metadata.group is empty" in section.lead
    assert "metadata.time is not set" in trajectories.forecasts({}, DEFAULTS).lead
    result = trial.results(trial.run(found, courses, [1.2], options(), 0), [1.2], "days", 20, 0)
    write_results(result, tmp_path / "metrics.json")
    plots = [tmp_path / "errors.png", tmp_path / "coverage.png"]
    for path in plots:
        save(Figure(), path)
    section = trajectories.forecasts({"forecast": tmp_path / "metrics.json", "forecast_plots": plots}, config)
    assert len(section.verdicts) == 1
    assert len(section.tables) == len(result.comparisons)
    assert list(section.tables[0].frame["model"]) == list(result.main.models)


# Settings


def study(folder, **changes: object) -> dict:
    """Config of a study of four subjects with two times."""
    rows = [[f"s{n}", f"p{n // 2}", n % 2, "yes" if n % 3 else "no"] for n in range(8)]
    write_tsv(pd.DataFrame(rows, columns=["sample_id", "subject", "day", "drug"]), folder / "metadata.tsv")
    metadata = DEFAULTS["metadata"] | {
        "file": str(folder / "metadata.tsv"),
        "group": ["subject"],
        "time": {"column": "day", "unit": "days"},
        "fields": {"drug": {"type": "categorical"}, "day": {"type": "continuous"}},
    }
    return DEFAULTS | {"metadata": metadata, "forecast": DEFAULTS["forecast"] | changes}


SAMPLES = [f"s{n}" for n in range(8)]


def test_a_sound_study_is_accepted(tmp_path):
    config = study(tmp_path, interventions=["drug"], what_if={"drug": ["no", "yes"]}, horizons=[1, 2.5], subject="p1")
    check_forecast(config, SAMPLES)
    assert why_not(config) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interventions": ["drugs"]}, r"forecast.interventions: 'drugs' is not among metadata.fields \(drug, day\)"),
        ({"interventions": ["day"]}, "forecast.interventions: 'day' is the time itself"),
        ({"horizons": [1, 0]}, "forecast.horizons: 0 is no time ahead"),
        ({"horizons": [-2.5]}, "forecast.horizons: -2.5 is no time ahead"),
        ({"width": 10}, "forecast.width=10: choose a multiple of 4"),
        ({"what_if": {"drug": ["no", "yes"]}}, "forecast.what_if: 'drug' is not among forecast.interventions"),
        ({"interventions": ["drug"], "what_if": {"drug": ["no"]}}, "give two values"),
        ({"interventions": ["drug"], "what_if": {"drug": ["no", "perhaps"]}}, "'perhaps' does not occur in"),
        ({"subject": "p9"}, "forecast.subject='p9' is no subject of"),
    ],
)
def test_settings_that_fit_no_study_are_refused_in_one_line(tmp_path, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        check_forecast(study(tmp_path, **changes), SAMPLES)
    assert "\n" not in str(caught.value)


def test_a_continuous_intervention_needs_numbers(tmp_path):
    config = study(tmp_path, interventions=["dose"], what_if={"dose": ["none", "much"]})
    config["metadata"]["fields"] = {"dose": {"type": "continuous"}}
    with pytest.raises(InputError, match="the field is continuous, give two numbers"):
        check_options(config)


def test_a_study_without_two_times_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(InputError, match=r"0 of 4 subjects \(subject\) have two time points in day.*enabled: false"):
        check_forecast(study(tmp_path), SAMPLES[::2])


@pytest.mark.parametrize(
    ("section", "changes", "reason"),
    [
        ("metadata", {"time": None}, "metadata.time is not set"),
        ("metadata", {"group": []}, "metadata.group is empty"),
        ("forecast", {"enabled": False}, "forecast.enabled is false"),
    ],
)
def test_studies_without_courses_are_skipped_with_the_reason(tmp_path, section, changes, reason):
    config = study(tmp_path, interventions=["nothing"])
    config[section] = config[section] | changes
    assert reason in why_not(config)
    check_forecast(config, SAMPLES)


def test_the_checks_need_no_torch():
    """They run in every command, before any job."""
    code = "import sys, taxoscape.forecast.check; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_template_needs_all_its_values():
    template = (ROOT / "workflow" / "report" / "course.html.j2").read_text()
    with pytest.raises(jinja2.UndefinedError):
        jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(template).render(subject="a")
