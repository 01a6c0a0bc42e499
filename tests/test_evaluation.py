"""Laws of the evaluation of generated communities: classifier, fidelity, copying, the verdict and the figures."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from taxoscape.errors import InputError
from taxoscape.evaluation import copying, fidelity, figures, generation, study_sets, two_sample, utility
from taxoscape.evaluation.generation import Communities
from taxoscape.files import write_json
from taxoscape.learning.communities import Samples, Study, condition_rows, generated_conditions
from taxoscape.scoring.bootstrap import bootstrap_weights, pair_auc
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


def area(scores: np.ndarray) -> float:
    ones = np.ones((1, len(scores)))
    return pair_auc(scores, np.arange(len(scores)) >= len(scores) / 2, np.zeros(len(scores)), ones)[0]


def auc(real: np.ndarray, generated: np.ndarray, seed: int = 0) -> float:
    ids = np.arange(len(real)).astype(str)
    return area(two_sample.forest_scores(real, generated, ids, np.char.add("x", ids), trees=100, seed=seed))


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
    assert 0.4 < area(scores) < 0.6
    ungrouped = two_sample.forest_scores(ages, ages, groups, np.char.add("x", groups), trees=50, seed=0)
    assert area(ungrouped) < 0.3


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


def test_a_copier_is_caught_and_a_fresh_draw_is_not():
    training, held_out, fresh = (population(100, seed) for seed in range(3))
    copied = np.random.default_rng(0).multinomial(DEPTH, training / DEPTH)
    shares = [
        copying.nearer_to_training(drawn, training, held_out, np.random.default_rng(1)).mean()
        for drawn in (copied, fresh)
    ]
    assert shares[0] > 0.9
    assert 0.4 < shares[1] < 0.6


def test_more_training_samples_alone_do_not_count_as_copying():
    training, held_out, fresh = population(400, 0), population(60, 1), population(100, 2)
    assert 0.38 < copying.nearer_to_training(fresh, training, held_out, np.random.default_rng(1)).mean() < 0.62


# Intervals, depth, verdict


def test_samples_are_compared_at_one_depth():
    real = np.array([[50, 40], [100, 80], [2, 1], [90, 90]])
    depth = generation.common_depth(real)
    assert depth == 67  # half the median of 90, 180, 3, 180
    thinned = generation.thin(communities(real), depth, (0,))
    assert (thinned.counts.sum(axis=1) == depth).all()
    assert list(thinned.groups) == ["g0", "g1", "g3"]


def test_resampling_gives_training_samples_with_their_conditions():
    training = communities(population(30, 0))
    drawn = generation.resample(training)(np.random.default_rng(0), 50)
    assert len(np.unique(drawn.groups)) == 50
    for counts, features in zip(drawn.counts, drawn.features, strict=True):
        (row,) = np.flatnonzero((training.counts == counts).all(axis=1))
        np.testing.assert_array_equal(features, training.features[row])


def test_better_generators_come_out_better_and_draws_are_paired():
    real, training = communities(population(60, 0)), communities(population(60, 1))
    generators = {
        "diffusion": generation.subset(communities(population(90, 2))),
        "copula": generation.subset(communities(population(90, 3, shift=1.5))),
        "resampling": generation.resample(training),
    }
    measured = generation.compare(real, training, generators, 200, QUICK, most=90, seed=0)
    again = generation.compare(real, training, generators, 200, QUICK, most=90, seed=0)
    models, differences = generation.summarize(measured), generation.differences(measured)
    assert models == generation.summarize(again)
    assert models["diffusion"]["auc"]["value"] < 0.65 < models["copula"]["auc"]["value"]
    assert models["resampling"]["copying"]["low"] > models["diffusion"]["copying"]["high"]
    assert differences["copula"]["high"] < 0
    assert measured["diffusion"]["auc_given_conditions"].shape == (2, 51)


def test_every_generator_is_held_against_as_many_samples(monkeypatch):
    """Of a large study more are held out than a model has generated."""
    sizes = []

    def measure(real, drawn, *_, **__):
        sizes.extend((len(real.counts), len(drawn.counts)))
        return {"auc": [0.5]}

    monkeypatch.setattr(generation, "measure", measure)
    real, training = communities(population(60, 0)), communities(population(60, 1))
    made = communities(population(25, 2))
    generators = {"diffusion": generation.subset(made), "resampling": generation.resample(training)}
    generation.compare(real, training, generators, 200, QUICK, most=25, seed=0)
    assert set(sizes) == {25}


def verdict_of(model: float, resampling: float, copula: float, n_real: int = 100, kind: str = "mlp") -> str:
    aucs = {"diffusion": model, "copula": copula, "resampling": resampling}
    entry = {"value": 0.55, "low": 0.5, "high": 0.6}
    models = {name: {"auc": entry | {"value": auc}, "copying": entry} for name, auc in aucs.items()}
    differences = {
        name: {"value": model - aucs[name], "low": model - aucs[name] - 0.05, "high": model - aucs[name] + 0.05}
        for name in ("copula", "resampling")
    }
    return generation.verdict(models, differences, n_real, kind)


def test_verdict_says_who_is_better():
    assert "the model is better. 55%" in verdict_of(0.55, 0.65, 0.7)
    assert "within chance" in verdict_of(0.62, 0.65, 0.7)
    assert "the baseline is better; set diffusion.model: copula" in verdict_of(0.8, 0.75, 0.7)
    assert "the baseline is better; resampling comes nearer" in verdict_of(0.8, 0.6, 0.7)
    assert "better (a difference within chance)" in verdict_of(0.71, 0.75, 0.7)


def test_verdict_of_few_samples_ranks_nobody():
    for said in (verdict_of(0.5, 0.9, 0.9, n_real=8), generation.verdict({"diffusion": {}}, {}, 50, "mlp")):
        assert "too few" in said
        assert "better" not in said


def test_copula_as_generator_is_not_compared_with_itself():
    said = verdict_of(0.65, 0.75, 0.64, kind="copula")
    assert "Gaussian copula (diffusion.model: copula)" in said
    assert "the model is better" in said


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
    write_json(found, tmp_path / "generation.json")
    assert json.loads((tmp_path / "generation.json").read_text())["n_real"] == n_test
    assert set(found["models"]) == {"diffusion", "copula", "resampling"}
    assert ("auc" in found["models"]["diffusion"]) == (n_test > 4)
    assert ("age" in found["utility"]) == (n_test >= utility.FEWEST)
    for name in ("a.png", "b.png"):
        figures.draw_metrics(found["models"], found["n_real"], tmp_path / name)
        figures.draw_taxa(*study_sets.at_common_depth(sets, 0), tmp_path / f"taxa_{name}")
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


def carrying(study: Study, rows: np.ndarray, strength: float, seed: int) -> generation.Communities:
    """Communities whose first taxon grows with the age of rows of the study, by so much, and a category's second."""
    rng = np.random.default_rng(seed)
    share = np.full((len(rows), 15), 1 / 15)
    share[:, 0] *= np.exp(strength * study.conditions["age"].to_numpy()[rows])
    share[:, 1] *= np.where(study.conditions["diet"].to_numpy()[rows] == "a", 1 + 3 * strength, 1)
    counts = np.stack([rng.multinomial(DEPTH, row / row.sum()) for row in share])
    return generation.Communities(counts, np.zeros((len(rows), 0)), study.groups[rows])


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
    found = utility.measure(sources, whole, DEPTH, QUICK, 0)
    assert set(found) == {"age", "diet"}  # a constant cannot be learned
    for field, metric in (("age", "r2"), ("diet", "accuracy")):
        value = {name: entry[metric]["value"] for name, entry in found[field]["models"].items()}
        assert abs(value["training"] - value["faithful"]) < 0.2, field
        assert value["blind"] < value["training"] - 0.2, field
    assert found["age"]["paired"]["blind"]["high"] < 0  # the real source errs less


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
