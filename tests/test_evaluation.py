"""Laws of the evaluation of generated communities: classifier, fidelity, copying, the verdict and the figures."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from taxoscape.errors import InputError
from taxoscape.evaluation import copying, fidelity, figures, generation, generators, study_sets, two_sample, utility
from taxoscape.evaluation.generators import Communities
from taxoscape.evaluation.verdict import verdict
from taxoscape.learning.communities import Samples, Study, condition_rows, generated_conditions
from taxoscape.scoring.bootstrap import bootstrap_weights, pair_auc
from taxoscape.scoring.results import METRICS, Comparison, read_results, write_results
from taxoscape.tables import write_table

DEPTH = 300
QUICK = generation.Options(trees=15, bootstraps=50, repeats=2)


def population(number: int, seed: int, shift: float = 0.0, taxa: int = 15) -> np.ndarray:
    """Counts [number, taxa] from one logistic-normal population; `shift` moves every other taxon."""
    rng = np.random.default_rng(seed)
    logits = np.linspace(2, -2, taxa) + rng.standard_normal((number, taxa)) + shift * (np.arange(taxa) % 2)
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return rng.multinomial(DEPTH, share)


def communities(counts: np.ndarray, fields: int = 1) -> Communities:
    features = np.random.default_rng(len(counts)).standard_normal((len(counts), fields))
    return Communities(counts, features, np.array([f"g{row}" for row in range(len(counts))]))


def area(scores: np.ndarray, folds: np.ndarray) -> float:
    return pair_auc(scores, np.arange(len(scores)) >= len(scores) / 2, folds, np.ones((1, len(scores))))[0]


def auc(real: np.ndarray, generated: np.ndarray, seed: int = 0) -> float:
    ids = np.arange(len(real)).astype(str)
    return area(*two_sample.forest_scores(real, generated, ids, np.char.add("x", ids), trees=100, seed=seed))


# The classifier


def test_auc_of_one_distribution_is_a_half():
    found = [auc(population(80, 2 * seed), population(80, 2 * seed + 1), seed) for seed in range(4)]
    assert 0.42 < np.mean(found) < 0.58


def test_auc_of_different_distributions_is_high():
    assert auc(population(80, 0), population(80, 1, shift=1.5)) > 0.9


def test_samples_of_one_group_do_not_betray_each_other():
    """Pairs of a real and a generated sample with one and the same condition: ungrouped, seeing one tells the other."""
    rng = np.random.default_rng(0)
    ages = rng.standard_normal((60, 1))
    groups = np.arange(60).astype(str)
    scores = two_sample.forest_scores(ages, ages, groups, groups, trees=50, seed=0)
    assert 0.4 < area(*scores) < 0.6
    ungrouped = two_sample.forest_scores(ages, ages, groups, np.char.add("x", groups), trees=50, seed=0)
    assert area(*ungrouped) < 0.3


def test_copies_of_a_training_sample_never_sit_on_both_sides():
    """Forty copies of ten samples: were they in several folds, a classifier would know them by their sisters."""
    real, training = communities(population(40, 0)), communities(population(10, 1))
    training = replace(training, groups=np.char.add("t", training.groups))
    found = []
    for seed in range(4):
        copies = generators.resample(training)(np.random.default_rng(seed), 40)
        scores, folds = two_sample.forest_scores(
            np.log1p(real.counts), np.log1p(copies.counts), real.groups, copies.groups, trees=50, seed=seed
        )
        for name in set(copies.groups):
            assert len(set(folds[40:][copies.groups == name])) == 1
        found.append(area(scores, folds))
    assert np.mean(found) < 0.6


def test_only_pairs_of_one_fold_are_compared_and_folds_of_one_side_are_left_out(monkeypatch):
    """The fold of real samples alone has no score: it is counted, and what the others say is all that counts."""
    folds = np.array([0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 1, 1])

    class Splitter:
        def __init__(self, *_, **__):
            pass

        def split(self, truth, *_):
            return [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(3)]

    monkeypatch.setattr(two_sample, "StratifiedGroupKFold", Splitter)
    table, ids = population(12, 0), np.arange(12).astype(str)
    scores, found = two_sample.forest_scores(table[:6], table[6:], ids[:6], ids[6:], trees=5, seed=0)
    np.testing.assert_array_equal(found, folds)
    assert (np.isnan(scores) == (folds == 2)).all()
    assert two_sample.left_out(scores, found) == 1
    pairs = [
        (scores[one] < scores[other]) + (scores[one] == scores[other]) / 2
        for one in range(6)
        for other in range(6, 12)
        if folds[one] == folds[other]
    ]
    assert area(scores, found) == pytest.approx(np.mean(pairs))


def test_too_few_samples_have_no_auc_and_unequal_numbers_are_refused():
    few = population(4, 0)
    ids = np.arange(4).astype(str)
    assert two_sample.forest_scores(few, few, ids, ids, trees=5, seed=0) is None
    with pytest.raises(ValueError, match="depends on the numbers"):
        two_sample.forest_scores(few, few[:3], ids, ids[:3], trees=5, seed=0)


# Fidelity


def test_a_table_against_itself_is_perfect():
    table = population(50, 0)
    w = bootstrap_weights(np.arange(50), 20, np.random.default_rng(0))
    found = {name: metric(table, table, w, w) for name, metric in fidelity.METRICS.items()}
    for name in ("prevalence_correlation", "abundance_correlation"):
        np.testing.assert_allclose(found[name], 1)
    for name in ("sparsity_difference", "shannon_ks", "richness_ks"):
        np.testing.assert_allclose(found[name], 0, atol=1e-12)


def test_metrics_equal_their_definitions():
    real, generated = population(30, 0), population(25, 1, shift=0.5)
    w, v = np.ones((1, 30)), np.ones((1, 25))
    found = {name: metric(real, generated, w, v)[0] for name, metric in fidelity.METRICS.items()}
    prevalence = np.corrcoef((real > 0).mean(axis=0), (generated > 0).mean(axis=0))[0, 1]
    np.testing.assert_allclose(found["prevalence_correlation"], prevalence)
    np.testing.assert_allclose(found["sparsity_difference"], (generated == 0).mean() - (real == 0).mean())
    shannon = [[stats.entropy(row) for row in table] for table in (real, generated)]
    np.testing.assert_allclose(found["shannon_ks"], stats.ks_2samp(*shannon).statistic)
    richness = [(table > 0).sum(axis=1) for table in (real, generated)]
    np.testing.assert_allclose(found["richness_ks"], stats.ks_2samp(*richness).statistic)


def test_energy_distance_leaves_out_bootstrap_copies():
    """Weights 2, 0, 1 equal the average over pairs of different samples in the sample repeated so."""
    real, generated = population(3, 0), population(3, 1)
    weights = np.array([[2.0, 0.0, 1.0]])
    found = fidelity.energy_distance(real, generated, weights, weights)[0]
    between, within, of_generated = (
        cdist(x, y, "braycurtis") for x, y in ((real, generated), (real, real), (generated, generated))
    )
    cross = (weights @ between @ weights.T).item() / 9
    assert found == pytest.approx(2 * cross - within[0, 2] - of_generated[0, 2])


def test_energy_distance_is_about_zero_for_one_population_and_grows():
    ones = np.ones((1, 150))
    near, far = (
        fidelity.energy_distance(population(150, 0), population(150, 1, shift), ones, ones)[0] for shift in (0.0, 1.0)
    )
    assert abs(near) < 0.01
    assert far > 0.05


# Copying


def test_chance_of_the_nearest_is_the_mean_over_all_choices_of_as_many_competitors():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 6, (5, 6)), rng.integers(0, 6, (5, 3))
    wanted = np.mean(
        [
            (one[:, chosen].min(axis=1) < other.min(axis=1)) + 0.5 * (one[:, chosen].min(axis=1) == other.min(axis=1))
            for chosen in map(list, combinations(range(6), 3))
        ],
        axis=0,
    )
    np.testing.assert_allclose(copying.nearest_chance(one, other), wanted)
    np.testing.assert_allclose(copying.nearest_chance(other, one), 1 - wanted)


def copier(training: Communities, number: int, seed: int) -> Communities:
    """Training samples with their reads drawn anew."""
    drawn = generators.resample(training)(np.random.default_rng(seed), number)
    return replace(drawn, counts=np.random.default_rng(seed).multinomial(DEPTH, drawn.counts / DEPTH))


def copied(generated: Communities, training: Communities, held_out: Communities) -> tuple[float, float]:
    """Copying, and the raw share nearer to training."""
    yardstick = copying.make_yardstick(training, held_out, copier(training, 200, 9), 0, 0)
    found = copying.measure(generated, np.ones((1, len(generated.counts))), yardstick)
    return found["copying"][0], found["nearer_to_training"][0]


@pytest.mark.parametrize("training_number", [150, 300])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_copying_is_the_share_of_copies_among_fresh_draws(share, training_number):
    """However many training samples there are, so that of some copies the source does not compete."""
    training = communities(population(training_number, 0))
    training = replace(training, groups=np.char.add("t", training.groups))
    held_out, fresh = communities(population(150, 1)), communities(population(400, 2))
    copies = copier(training, int(share * 400), 3)
    mixed = np.concatenate([copies.counts, fresh.counts[len(copies.counts) :]])
    found = copied(Communities(mixed, np.zeros((400, 0)), held_out.groups[np.arange(400) % 150]), training, held_out)
    assert found[0] == pytest.approx(share, abs=0.12)


def test_a_fresh_draw_of_other_subjects_than_those_of_training_does_not_copy():
    """Held-out subjects differ from training subjects: the raw share is low, the scale says 0."""
    training = communities(population(150, 0, shift=1.5))
    held_out, fresh = communities(population(150, 1)), communities(population(150, 2))
    scaled, raw = copied(fresh, training, held_out)
    assert raw < 0.35
    assert abs(scaled) < 0.12


def test_of_large_studies_some_samples_compete(monkeypatch):
    held_out, training = communities(population(60, 0)), communities(population(90, 1))
    monkeypatch.setattr(copying, "MOST", 40)
    found = copying.make_yardstick(training, held_out, copier(training, 30, 0), 5, 0)
    assert (len(found.training.counts), len(found.references.counts)) == (40, 40)
    assert found.fresh.shape == found.copier.shape == (6,)


def test_samples_compete_with_references_of_other_groups_only():
    """Generated samples that repeat the held-out sample whose conditions they have do not look like fresh draws."""
    held_out, training = communities(population(60, 0)), communities(population(60, 1))
    folds = copying.fold_groups(held_out.groups, np.random.default_rng(0))
    assert 0.35 < copying.nearer_to_training(held_out, training, held_out, folds).mean() < 0.65
    strangers = replace(held_out, groups=np.char.add("t", held_out.groups))
    assert copying.nearer_to_training(strangers, training, held_out, folds).mean() < 0.15
    few = held_out.take(np.arange(3))
    assert copying.make_yardstick(training, few, training, 5, 0) is None


# Depth, generators, verdict


def test_samples_are_compared_at_one_depth():
    real = np.array([[50, 40], [100, 80], [2, 1], [90, 90]])
    depth = generators.common_depth(real)
    assert depth == 67  # half the median of 90, 180, 3, 180
    thinned = generators.thin(communities(real), depth, (0,))
    assert (thinned.counts.sum(axis=1) == depth).all()
    assert list(thinned.groups) == ["g0", "g1", "g3"]


def test_resampling_gives_training_samples_with_their_conditions_and_groups():
    training = communities(population(30, 0))
    drawn = generators.resample(training)(np.random.default_rng(0), 50)
    for counts, features, group in zip(drawn.counts, drawn.features, drawn.groups, strict=True):
        (row,) = np.flatnonzero((training.counts == counts).all(axis=1))
        np.testing.assert_array_equal(features, training.features[row])
        assert group == training.groups[row]


def sides() -> tuple[Communities, Communities, dict[str, generators.Generator]]:
    """Held-out and training samples of one population, a good and a bad generator, and resampling."""
    real, training = communities(population(60, 0)), communities(population(60, 1))
    training = replace(training, groups=np.char.add("t", training.groups))
    made = {
        "diffusion": generators.subset(communities(population(90, 2))),
        "copula": generators.subset(communities(population(90, 3, shift=1.5))),
        "resampling": generators.resample(training),
    }
    return real, training, made


def test_better_generators_come_out_better_and_draws_are_paired():
    real, training, made = sides()
    measured = generation.compare(real, training, made, 200, QUICK, most=90, seed=0)
    found = generation.summary(measured, "held-out samples", "diffusion")
    assert found == generation.summary(
        generation.compare(real, training, made, 200, QUICK, most=90, seed=0), "held-out samples", "diffusion"
    )
    assert (found.n, found.groups) == (60, 60)
    auc = {name: entries["two_sample_auc"]["value"] for name, entries in found.models.items()}
    assert list(auc) == ["diffusion", "copula", "resampling", "other_real"]
    assert max(auc["diffusion"], auc["resampling"], auc["other_real"]) < 0.65 < auc["copula"]
    assert found.models["resampling"]["copying"]["low"] > found.models["diffusion"]["copying"]["high"]
    assert found.models["resampling"]["copying"]["value"] == pytest.approx(1, abs=0.2)
    assert "copying" not in found.models["other_real"]
    assert found.differences["copula"]["two_sample_auc"]["high"] < 0
    assert measured.draws["diffusion"]["two_sample_auc_given_conditions"].shape == (2, 51)
    assert measured.nearer["copier"].mean() > measured.nearer["fresh"].mean() + 0.2
    assert all(key in METRICS for entries in found.models.values() for key in entries)


def test_areas_below_a_half_are_ties():
    draws = {name: {"two_sample_auc": np.full((2, 21), value)} for name, value in (("a", 0.3), ("b", 0.45), ("c", 0.6))}
    found = generation.summary(generation.Measured(50, 12, draws, {}, {}), "held-out samples", "b").differences
    assert found["a"]["two_sample_auc"] == {"value": 0, "low": 0, "high": 0}
    assert found["c"]["two_sample_auc"]["value"] == pytest.approx(-0.1)


def test_a_subject_is_drawn_with_what_was_generated_for_it():
    real = communities(population(6, 0))
    made = real.take(np.array([3, 3, 5]))
    own, other = generation._weights(real, made, 20, 0)
    np.testing.assert_array_equal(other, own[:, [3, 3, 5]])
    apart = replace(made, groups=np.array(["t1", "t1", "t2"]))
    again, other = generation._weights(real, apart, 20, 0)
    np.testing.assert_array_equal(again, own)
    assert (other[:, 0] == other[:, 1]).all()


@pytest.mark.parametrize(("made_number", "training_number"), [(25, 60), (90, 30)])
def test_every_generator_is_compared_with_as_many_samples(monkeypatch, made_number, training_number):
    """Of a large study more are held out than a model has generated, or than there are to train on."""
    sizes = []

    def measure(real, drawn, *_):
        sizes.extend((len(real.counts), len(drawn.counts)))
        return {"two_sample_auc": np.full(51, 0.5)}, 0

    monkeypatch.setattr(generation, "measure", measure)
    real, training, made = sides()
    training = training.take(np.arange(training_number))
    found = generation.compare(real, training, made, 200, QUICK, most=made_number, seed=0)
    assert set(sizes) == {found.n} == {min(made_number, training_number)}


def compared(model: float, resampling: float, copula: float, n: int = 100, groups: int = 50) -> Comparison:
    """A comparison with these AUCs, each +- 0.02."""
    aucs = {"diffusion": model, "copula": copula, "resampling": resampling, "other_real": 0.48}

    def spread(value: float) -> dict:
        return {"two_sample_auc": {"value": value, "low": value - 0.02, "high": value + 0.02}}

    above = {name: spread(max(model, 0.5) - max(auc, 0.5)) for name, auc in aucs.items() if name != "diffusion"}
    models = {name: spread(auc) | {"copying": {"value": 0.12, "low": 0, "high": 0.3}} for name, auc in aucs.items()}
    return Comparison("held-out samples", "diffusion", "two_sample_auc", n, groups, models, above)


@pytest.mark.parametrize(
    ("aucs", "kind", "mark", "message"),
    [
        (
            (0.55, 0.48, 0.7),
            "better",
            "better than a Gaussian copula",
            "samples): better than a Gaussian copula (0.70)",
        ),
        ((0.69, 0.48, 0.7), "level", "level with a Gaussian copula", "not distinguishable from a Gaussian copula"),
        ((0.45, 0.30, 0.48), "level", "level with a Gaussian copula", "not distinguishable from a Gaussian copula"),
        ((0.80, 0.81, 0.70), "worse", "worse than a Gaussian copula", "Set diffusion.model: copula"),
    ],
)
def test_verdict_says_what_the_intervals_allow(aucs, kind, mark, message):
    found = verdict(compared(*aucs), "mlp")
    assert (found.kind, found.mark) == (kind, mark)
    assert message in found.text
    assert "Copying is 0.12" in found.text
    assert "0.48 for other real samples" in found.text


@pytest.mark.parametrize(("n", "groups"), [(8, 8), (100, 2)])
def test_verdict_of_few_samples_or_few_groups_ranks_nothing(n, groups):
    found = verdict(compared(0.5, 0.9, 0.9, n, groups), "mlp")
    assert found.kind == "open"
    assert f"{n} held-out samples of {groups} groups are too few" in found.text
    assert "better" not in found.text


@pytest.mark.parametrize(("auc", "kind"), [(0.65, "worse"), (0.49, "level")])
def test_a_copula_is_compared_with_other_real_samples_and_not_with_itself(auc, kind):
    found = verdict(compared(auc, 0.48, 0.6), "copula")
    assert (found.kind, found.mark) == (kind, f"{'worse than' if kind == 'worse' else 'level with'} other real samples")
    assert "communities of the Gaussian copula (diffusion.model: copula)" in found.text


# The study and its figures


def study(n_test: int = 24) -> Study:
    number = 60 + n_test
    values = np.random.default_rng(9).standard_normal((number, 1))
    samples = Samples(population(number, 5), values, np.zeros(values.shape, bool))
    return Study(
        names=np.array([f"s{row}" for row in range(number)]),
        taxa=np.array([f"t{taxon}" for taxon in range(15)]),
        depth=DEPTH,
        samples=samples,
        split=np.array(["train"] * 50 + ["validation"] * 10 + ["test"] * n_test),
        groups=np.array([f"p{row // 2}" for row in range(number)]),
        conditions=pd.DataFrame({"age": values[:, 0]}, index=[f"s{row}" for row in range(number)]),
        categories=[0],
    )


@pytest.mark.parametrize("n_test", [24, 2])
def test_evaluation_of_a_study_fills_the_report(n_test, tmp_path):
    whole = study(n_test)
    rows = condition_rows(whole, 40, 0)
    asked = generated_conditions(whole, rows)
    asked.to_csv(tmp_path / "generated.tsv", sep="\t", index=False)
    write_table(population(40, 6), whole.taxa, asked["sample"], tmp_path / "generated.biom")
    sets = study_sets.gather(whole, tmp_path / "generated.biom", tmp_path / "generated.tsv")
    assert set(sets.generated.groups) <= set(sets.real.groups)
    found = study_sets.evaluate(sets, whole, QUICK, kind="mlp", seed=0)
    write_results(found, tmp_path / "generation.json")
    again = read_results(tmp_path / "generation.json")
    assert (again.details["n_real"], again.details["groups"]) == (n_test, n_test // 2)
    assert set(again.main.models) == {"diffusion", "copula", "resampling", "other_real"}
    assert ("two_sample_auc" in again.main.models["diffusion"]) == (n_test > 4)
    assert ("copying" in again.main.models["diffusion"]) == (n_test > 4)
    names = [entry.name for entry in again.comparisons[1:]]
    assert names == (["learned from generated samples: age"] if n_test >= utility.FEWEST else [])
    assert (again.verdict.kind == "open") == (n_test == 2)
    for name in ("a.png", "b.png"):
        figures.plot_metrics(again.main, tmp_path / name)
        figures.plot_taxa(*study_sets.at_common_depth(sets, 0), tmp_path / f"taxa_{name}")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "taxa_a.png").read_bytes() == (tmp_path / "taxa_b.png").read_bytes()


def test_pairs_are_held_out_samples_and_what_was_generated_at_their_conditions(tmp_path):
    whole = study(12)
    whole.samples.counts[60] = 0  # the first held-out sample has no read in a retained taxon
    rows = np.tile(np.arange(60, 70), 2)
    asked = generated_conditions(whole, rows)
    asked.to_csv(tmp_path / "generated.tsv", sep="\t", index=False)
    made = population(20, 6)
    write_table(made, whole.taxa, asked["sample"], tmp_path / "generated.biom")
    sets = study_sets.gather(whole, tmp_path / "generated.biom", tmp_path / "generated.tsv")
    fields = {"age": {"type": "continuous", "unit": "years"}}
    found, names, labels = study_sets.pairs(sets, whole, fields, 4)
    real = [int(name[1:]) for name in names[::2]]
    assert names[1::2] == ["generated"] * 4
    assert set(real) <= set(range(61, 70))
    ages = whole.conditions["age"].iloc[real]
    assert (ages.diff().dropna() > 0).all()
    assert {ages.min(), ages.max()} == {fun(whole.conditions["age"].iloc[61:70]) for fun in (min, max)}
    assert labels[::2] == labels[1::2] == [f"age {age:.4g} years" for age in ages]
    np.testing.assert_array_equal(found[::2], whole.samples.counts[real])
    np.testing.assert_array_equal(found[1::2], made[[row - 60 for row in real]])


def carrying(study: Study, rows: np.ndarray, strength: float, seed: int) -> Communities:
    """Communities whose first taxon grows with the age of rows of the study, by so much, and a category's second."""
    rng = np.random.default_rng(seed)
    share = np.full((len(rows), 15), 1 / 15)
    share[:, 0] *= np.exp(strength * study.conditions["age"].to_numpy()[rows])
    share[:, 1] *= np.where(study.conditions["diet"].to_numpy()[rows] == "a", 1 + 3 * strength, 1)
    counts = np.stack([rng.multinomial(DEPTH, row / row.sum()) for row in share])
    return Communities(counts, np.zeros((len(rows), 0)), study.groups[rows])


def test_generated_samples_teach_what_they_carry():
    """Those whose age and diet show in their taxa teach as much as the real ones; those that show nothing, nothing."""
    plain, rows = study(), np.arange(84)
    conditions = plain.conditions.assign(diet=np.where(rows % 3 == 0, "a", "b"), constant="x")
    whole = replace(plain, conditions=conditions)
    whole = replace(whole, samples=replace(whole.samples, counts=carrying(whole, rows, 1.0, 0).counts))
    train = np.arange(50)
    sources = {
        "training": (utility.communities(whole, train), train),
        "faithful": (carrying(whole, train, 1.0, 1), train),
        "blind": (carrying(whole, train, 0.0, 2), train),
    }
    found = {entry.name.split()[-1]: entry for entry in utility.measure(sources, whole, DEPTH, QUICK, 0)}
    assert set(found) == {"age", "diet"}  # a constant cannot be learned
    for field, metric in (("age", "r2"), ("diet", "accuracy")):
        value = {name: entry[metric]["value"] for name, entry in found[field].models.items()}
        assert abs(value["training"] - value["faithful"]) < 0.2, field
        assert value["blind"] < value["training"] - 0.2, field
    assert found["age"].differences["blind"]["mae"]["high"] < 0  # the real source errs less


def test_sources_have_the_conditions_of_their_rows():
    whole = study()
    asked = condition_rows(whole, 30, 0)
    generated = utility.communities(whole, asked)
    made = utility.sources(whole, generated, asked, study_sets.fit_copula(whole, 0), 0)
    assert list(made) == ["training", "diffusion", "copula", "resampling"]
    for communities, rows in made.values():
        assert len(communities.counts) == len(rows)
        np.testing.assert_array_equal(communities.groups, whole.groups[rows])
    np.testing.assert_array_equal(made["resampling"][0].counts, whole.samples.counts[made["resampling"][1]])
    assert set(whole.split[made["training"][1]]) == {"train"}


def test_a_study_with_no_held_out_sample_is_refused(tmp_path):
    whole = study(0)
    asked = generated_conditions(study(), condition_rows(study(), 5, 0))
    asked.to_csv(tmp_path / "generated.tsv", sep="\t", index=False)
    write_table(population(5, 6), whole.taxa, asked["sample"], tmp_path / "generated.biom")
    with pytest.raises(InputError, match="no sample is held out for the evaluation: raise metadata.test"):
        study_sets.gather(whole, tmp_path / "generated.biom", tmp_path / "generated.tsv")


def test_a_table_of_other_taxa_is_refused(tmp_path):
    whole = study()
    asked = generated_conditions(whole, condition_rows(whole, 5, 0))
    asked.to_csv(tmp_path / "generated.tsv", sep="\t", index=False)
    write_table(population(5, 6), [f"other{t}" for t in range(15)], asked["sample"], tmp_path / "generated.biom")
    with pytest.raises(InputError, match="generate again"):
        study_sets.gather(whole, tmp_path / "generated.biom", tmp_path / "generated.tsv")
