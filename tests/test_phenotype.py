"""Laws of phenotype diffusion: it learns from the community, knows how sure it is, and is judged as baselines are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
import yaml
from scipy import stats

from taxoscape import taxa, trees
from taxoscape.errors import InputError
from taxoscape.learning import HEADS, checkpoint, device
from taxoscape.learning.loop import Place
from taxoscape.learning.noise import noised, sample
from taxoscape.learning.task import Task
from taxoscape.phenotype import ensemble, evaluate, study, training
from taxoscape.phenotype.options import Options, check_phenotype, regressions
from taxoscape.phenotype.study import Study
from taxoscape.scoring import distributions as scores
from taxoscape.scoring import figures
from taxoscape.scoring.baselines import DISTRIBUTIONS
from taxoscape.scoring.readings import read_counts
from taxoscape.taxonomy.lineages import lineage
from tests.conftest import ROOT

CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
QUICK = CONFIG["phenotype"] | {
    "width": 16,
    "members": 2,
    "steps": 50,
    "batch_size": 16,
    "sample_steps": 10,
    "draws": 40,
    "rarefactions": 2,
    "trees": 10,
    "bootstraps": 50,
}
TAXA = 12
SEED = 3


@pytest.fixture(autouse=True)
def settled():
    device.settle("cpu", 1, "device")


def options(**changes) -> Options:
    return Options(**(QUICK | changes))


def make_sources(seed: int = 0) -> taxa.Sources:
    """Twelve taxa of three genera on a random tree; the last one is in no tree and has no lineage."""
    rng = np.random.default_rng(seed)
    names = [f"asv{number}" for number in range(TAXA)]
    newick = (
        "((asv0:1,(asv1:1,asv2:2):1):1,((asv3:1,asv4:1):2,(asv5:1,(asv6:1,asv7:1):1):1):1,"
        "(asv8:1,(asv9:1,asv10:1):1):1);"
    )
    genera = [
        lineage(["Bacteria", "Firmicutes", None, None, None, None, None][: 2 + number % 2]) for number in range(11)
    ]
    return taxa.Sources(
        tips=pd.Index(names[:-1]),
        coordinates=rng.normal(size=(TAXA - 1, 4)),
        channels=pd.DataFrame(rng.dirichlet(np.ones(3), TAXA), index=names),
        lineages=pd.Series(genera, index=names[:-1]),
        tree=trees.tree_arrays(trees.TreeNode.read([newick])),
    )


def make_study(number: int = 48, seed: int = 0, targets: int = 1) -> Study:
    """Samples of pairs of visits; the first phenotype follows the first taxa, with an error of 0.3."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=number)
    logits = np.linspace(1, -1, TAXA) + 0.3 * rng.normal(size=(number, TAXA))
    logits[:, :3] += level[:, None]
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    phenotypes = [10 + 5 * (level + 0.3 * rng.normal(size=number)), -level]
    groups = np.array([f"g{place // 2}" for place in range(number)])
    fold = (np.arange(number) // 2) % 3
    tasks = [Task(f"y{place}", "years", None, phenotypes[place], groups, fold) for place in range(targets)]
    return Study(
        samples=np.array([f"s{place}" for place in range(number)]),
        taxa=np.array([f"asv{place}" for place in range(TAXA)]),
        counts=scipy.sparse.csr_matrix(rng.multinomial(500, share)),
        depth=200,
        tasks=tasks,
        fields={},
        values=np.zeros((number, 0)),
        missing=np.zeros((number, 0), bool),
    )


def make_samples(data: Study, rows: np.ndarray) -> tuple[training.Samples, taxa.Taxa]:
    kept = np.arange(TAXA)
    return ensemble.make_samples(data, kept, study.scales(data, rows)), taxa.gather(make_sources(), data.taxa[kept])


def awake(network: torch.nn.Module) -> torch.nn.Module:
    """A network as after some training: what starts at zero no longer is."""
    torch.manual_seed(1)
    for name, weight in network.named_parameters():
        if name.endswith(("leave.weight", "modulation.weight")):
            torch.nn.init.normal_(weight, std=0.3)
    return network.eval()


def small_network(categories: tuple = (), phenotypes: int = 1) -> torch.nn.Module:
    torch.manual_seed(0)
    found = taxa.gather(make_sources(), [f"asv{number}" for number in range(TAXA)])
    return awake(training.make_network(found, list(categories), phenotypes, options(dropout=0.0, layers=1)))


@pytest.fixture(scope="module")
def fitted() -> tuple:
    """A member trained on 16 samples (two batches) without anything hidden, and one after its first round."""
    torch.use_deterministic_algorithms(True)
    chosen = options(dropout=0.0, asv_dropout=0.0, batch_size=8, steps=300, patience=50, lr=0.005, weight_decay=0.0)
    data, rows = replace(make_study(16), depth=500), np.arange(16)
    samples, known = make_samples(data, rows)
    network, history = training.train(samples, known, (rows, rows), [], chosen, (0,))
    early, _ = training.train(samples, known, (rows, rows), [], replace(chosen, steps=training.ROUND), (0,))
    return network, early, samples, history, chosen


# The three checks of the source


def test_it_overfits_two_batches(fitted):
    network, _, samples, history, chosen = fitted
    assert history[-1]["simple_loss"] < 0.2 * history[0]["simple_loss"]
    drawn = ensemble.draw([network], samples, np.arange(16), 3.0, chosen, 0)[..., 0].mean(axis=1)
    truth = samples.phenotypes[:, 0].numpy()
    assert np.corrcoef(drawn, truth)[0, 1] > 0.97
    assert abs(drawn.std() / truth.std() - 1) < 0.2


def test_shuffled_conditions_change_the_prediction_and_worsen_the_loss(fitted):
    network, _, samples, _, chosen = fitted
    rows = np.arange(16)
    shuffled = replace(samples, phenotypes=samples.phenotypes.roll(5, 0))
    losses = []
    for case in (samples, shuffled):
        batch = training.read(case, rows, chosen, (0, 9))
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            losses.append(training.loss(network, case, batch, 16, training.schedule(chosen), generator).item())
    assert losses[1] > 3 * losses[0]
    true = ensemble.draw([network], samples, rows, 3.0, chosen, 0).mean(axis=1)
    other = replace(samples, counts=samples.counts[np.roll(rows, 5)])
    assert np.abs(ensemble.draw([network], other, rows, 3.0, chosen, 0).mean(axis=1) - true).mean() > 0.3


def test_draws_vary_and_less_so_after_training(fitted):
    late, early, samples, _, chosen = fitted
    spread = [ensemble.draw([one], samples, np.arange(16), 3.0, chosen, 0).std(axis=1).mean() for one in (late, early)]
    assert spread[0] > 1e-3
    assert spread[0] < 0.5 * spread[1]


# The network


def tokens(network: torch.nn.Module, fields: int = 0, batch: int = 3, size: int = 5) -> tuple:
    generator = torch.Generator().manual_seed(2)
    places = torch.stack([torch.randperm(TAXA, generator=generator)[:size] for _ in range(batch)])
    present = torch.ones(batch, size) > 0
    present[0, 3:] = False
    values = torch.ones(batch, fields)
    return places, -4 * torch.rand(batch, size, generator=generator), present, values, values < 0


@pytest.mark.parametrize("size", [1, 5])
def test_query_and_key_projections_have_gradients(size):
    """Also in a sample of a single taxon: over one key the softmax would be constant."""
    network = small_network()
    said, present = network.tokens(*tokens(network, size=size, batch=1) if size == 1 else tokens(network))
    noisy, level = torch.randn(len(said), 4, 1), torch.full((len(said), 4), 0.5**0.5)
    network.denoiser(noisy, level, level, said, present).square().sum().backward()
    for attention in network.denoiser.attentions:
        assert attention.query.weight.grad.abs().max() > 1e-7
        assert attention.key_value.weight.grad[: attention.query.out_features].abs().max() > 1e-7


def test_what_is_known_of_taxa_reaches_the_output():
    """Features, neighbours in the tree, channels and the parts of their own all have gradients."""
    network = small_network()
    said, present = network.tokens(*tokens(network))
    level = torch.full((3, 4), 0.5**0.5)
    network.denoiser(torch.randn(3, 4, 1), level, level, said, present).square().sum().backward()
    graph = network.tokens.taxa
    last = graph.layers[-1]
    for weight in (
        graph.enter.weight,
        graph.own,
        graph.ancestor,
        graph.channel,
        last.relatives.weight,
        last.genes.weight,
    ):
        assert weight.grad.abs().max() > 1e-8


def test_the_order_of_taxa_and_what_stands_under_padding_change_nothing():
    network = small_network()
    places, abundance, present, values, missing = tokens(network)
    noisy, level = torch.randn(3, 4, 1), torch.full((3, 4), 0.5**0.5)
    order = torch.tensor([3, 0, 4, 2, 1])
    hidden = abundance.masked_fill(~present, -1.0)
    with torch.no_grad():
        one = network.denoiser(noisy, level, level, *network.tokens(places, abundance, present, values, missing))
        turned = network.tokens(places[:, order], hidden[:, order], present[:, order], values, missing)
        torch.testing.assert_close(network.denoiser(noisy, level, level, *turned), one, atol=1e-5, rtol=1e-5)


def test_abundance_and_fields_are_read():
    network = small_network(categories=(0, 3))
    places, abundance, present, values, missing = tokens(network, fields=2)
    noisy, level = torch.randn(3, 4, 1), torch.full((3, 4), 0.5**0.5)

    def out(*changed):
        return network.denoiser(noisy, level, level, *network.tokens(places, *changed))

    with torch.no_grad():
        one = out(abundance, present, values, missing)
        for changed in (
            (abundance - 1, present, values, missing),
            (abundance, present, values + 1, missing),
            (abundance, present, values, ~missing),
        ):
            assert (out(*changed) - one).abs().max() > 1e-4


def test_heads_divide_every_width_that_the_schema_allows():
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())
    assert schema["properties"]["phenotype"]["properties"]["width"]["multipleOf"] % HEADS == 0


def test_noise_levels_are_spread_over_the_whole_schedule():
    clean = torch.zeros(50, 1)
    times = training.schedule(options())
    seen = noised(clean[:, None].expand(-1, 8, -1), times, torch.Generator().manual_seed(0))
    noisy, signal, noise = seen.noisy, seen.signal, seen.noise
    torch.testing.assert_close(signal**2 + noise**2, torch.ones(50, 8))
    angle = torch.atan2(noise, signal).flatten().sort().values / (np.pi / 2)
    np.testing.assert_allclose(angle, np.linspace(0, 1, 400), atol=0.02)
    np.testing.assert_allclose((noisy[..., 0] / noise).std(), 1, atol=0.1)


@pytest.mark.parametrize("steps", [10, 20, 50, 100])
def test_sampling_with_a_perfect_network_gives_its_distribution(steps):
    """x_0 of N(m, s) given a noisy value is known in closed form: m + a s^2 (x - a m) / (a^2 s^2 + b^2)."""
    mean, sd = 0.7, 0.4

    def perfect(noisy, signal, noise, *_):
        a, b = signal[:, None], noise[:, None]
        return mean + a * sd**2 * (noisy - a * mean) / (a**2 * sd**2 + b**2)

    noise = torch.tensor(ensemble.stratified_normal(400, 1, (0,))).float()
    none = torch.zeros(400, 0)
    schedule = training.schedule(options())
    found = sample(perfect, noise, none, none > 0, schedule, sampler="ddim", steps=steps, guidance=1.0, bound=9.0)
    assert abs(found.mean() - mean) < 0.02
    assert abs(found.std() / sd - 1) < 2 / steps  # few steps make the spread too narrow


def test_stratified_noise_is_normal_and_each_sample_has_its_own():
    drawn = ensemble.stratified_normal(100, 2, (0, 5))
    part = np.floor(stats.norm.cdf(drawn) * 100)
    np.testing.assert_array_equal(np.sort(part, axis=0), np.tile(np.arange(100)[:, None], 2))
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.35
    assert (drawn != ensemble.stratified_normal(100, 2, (0, 6))).all()


# Taxa


def test_branches_are_those_of_the_tree_cut_down():
    """((a:1,b:2)x:3,(c:1,d:1)y:1)r cut down to a, b, c: x stays, y and d go, c hangs on the root by 1 + 1."""
    tree = trees.tree_arrays(trees.TreeNode.read(["((a:1,b:2):3,(c:1,d:1):1);"]))
    edges, weight, nodes = taxa.branches(tree, ["a", "b", "c", "no tip"])
    assert nodes == 7  # four taxa, the rest, the root, the ancestor of a and b
    found = {(int(one), int(two)) for one, two in edges.T}
    assert found == {(0, 6), (1, 6), (2, 5), (6, 5)} | {(6, 0), (6, 1), (5, 2), (5, 6)}
    length = dict(zip(map(tuple, edges.T[:4]), [1.0, 2.0, 2.0, 3.0], strict=True))
    close = {edge: 1 / (own + 2.0) for edge, own in length.items()}
    total = close[0, 6] + close[1, 6] + close[6, 5]
    by_edge = dict(zip(map(tuple, edges.T), weight, strict=True))
    np.testing.assert_allclose(by_edge[0, 6], close[0, 6] / total)
    np.testing.assert_allclose(np.bincount(edges[1], weight, 7), [1, 1, 1, 0, 0, 1, 1])


def test_a_taxon_of_which_nothing_is_known_is_the_mean_of_the_others():
    found = taxa.gather(make_sources(), ["asv0", "asv5", "asv11"])
    assert found.features.shape[0] == 4
    np.testing.assert_allclose(found.features[2, :4], 0)  # in no tree
    np.testing.assert_allclose(found.features[3], 0)  # the rest
    np.testing.assert_allclose(found.features[:2, :4].mean(axis=0), 0, atol=1e-6)


def test_clades_are_whole_paths_that_some_but_not_all_taxa_share():
    sources = replace(
        make_sources(),
        lineages=pd.Series({"a": "k__B; p__X; c__U", "b": "k__B; p__X", "c": "k__B; p__Y; c__U", "d": "Unassigned"}),
    )
    np.testing.assert_array_equal(taxa.clades(sources, list("abcd")), [[1, 1], [1, 1], [1, 0], [0, 0]])


def test_studies_without_functions_or_a_tree_of_their_taxa_are_read():
    sources = replace(make_sources(), channels=pd.DataFrame(index=["asv0"]))
    found = taxa.gather(sources, ["asv11", "asv10"])
    assert found.channels.shape == (3, 0)
    assert found.edges.shape == (2, 0)
    network = training.make_network(found, [], 1, options())
    assert torch.isfinite(network.tokens.taxa()).all()


def test_rare_taxa_are_read_as_one_and_no_read_is_lost():
    data = make_study()
    kept = study.common_taxa(data, np.arange(10), 0.5)
    found = study.of_taxa(data, kept[:3])
    assert found.shape[1] == 4
    np.testing.assert_array_equal(found.sum(axis=1), data.counts.sum(axis=1))
    np.testing.assert_array_equal(found[:, :3].toarray(), data.counts[:, kept[:3]].toarray())


# Folds


@pytest.fixture(scope="module")
def trained() -> ensemble.PhenotypeModel:
    torch.use_deterministic_algorithms(True)
    return ensemble.train_fold(make_study(), make_sources(), 0, options(), SEED)[0]


def test_a_fold_keeps_test_samples_out(trained):
    """Neither scales nor taxa nor weights change with what the test samples hold."""
    data = make_study()
    test = data.tasks[0].rows(0)[1]
    counts = data.counts.tolil()
    counts[test] = np.roll(counts[test].toarray(), 3, axis=1)
    values = data.tasks[0].values.copy()
    values[test] = 1e6
    other = replace(data, counts=counts.tocsr(), tasks=[replace(data.tasks[0], values=values)])
    again = ensemble.train_fold(other, make_sources(), 0, options(), SEED)[0]
    assert again.targets == trained.targets
    assert again.stretch == trained.stretch
    assert again.error == trained.error
    for one, two in zip(trained.members, again.members, strict=True):
        for ours, theirs in zip(one.values(), two.values(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_predictions_do_not_depend_on_the_order_of_samples_or_taxa(trained):
    data, rows = make_study(), np.arange(9)
    one = ensemble.predict(trained, data, rows, options(), SEED)
    np.testing.assert_allclose(
        ensemble.predict(trained, data, rows[::-1].copy(), options(), SEED)[::-1], one, atol=1e-4
    )
    order = np.random.default_rng(0).permutation(TAXA)
    turned = replace(data, taxa=data.taxa[order], counts=data.counts[:, order])
    np.testing.assert_allclose(ensemble.predict(trained, turned, rows, options(), SEED), one, atol=1e-4)


def test_a_taxon_that_the_table_no_longer_has_counts_as_absent(trained):
    data = make_study()
    fewer = replace(data, taxa=data.taxa[:-2], counts=data.counts[:, :-2])
    assert np.isfinite(ensemble.predict(trained, fewer, np.arange(4), options(), SEED)).all()


def test_the_same_seed_gives_the_same_bytes_and_a_run_that_was_cut_goes_on_to_them(tmp_path, monkeypatch):
    data, sources = make_study(30), make_sources()

    def write(name: str, place: Place = Place()) -> bytes:
        done = ensemble.train_fold(data, sources, 1, options(), SEED, place)[0]
        checkpoint.save(done, tmp_path / name)
        return (tmp_path / name).read_bytes()

    whole = write("whole.pt")
    assert write("again.pt") == whole
    save, place, members = checkpoint.save, Place(tmp_path / "resume"), ["member1.pt", "member0.pt"]

    def killed(record, path):
        save(record, path)
        if members and path.name == members[-1]:
            members.pop()
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            ensemble.train_fold(data, sources, 1, options(), SEED, place)
    monkeypatch.undo()
    assert not members
    assert write("resumed.pt", place) == whole
    checkpoint.remove(tmp_path / "resume")
    assert not (tmp_path / "resume").exists()


def test_a_saved_model_draws_the_same_values(trained, tmp_path):
    data, rows = make_study(), np.arange(5)
    checkpoint.save(trained, tmp_path / "model.pt")
    again = ensemble.read_model(tmp_path / "model.pt")
    assert again.learned == trained.learned
    np.testing.assert_array_equal(
        ensemble.predict(again, data, rows, options(), SEED), ensemble.predict(trained, data, rows, options(), SEED)
    )


def test_another_checkpoint_is_refused(trained, tmp_path):
    checkpoint.save(trained.targets[0], tmp_path / "model.pt")
    with pytest.raises(
        InputError, match=r"another kind \(target, not phenotype model\): give a results/phenotype/TARGET"
    ):
        ensemble.read_model(tmp_path / "model.pt")


def test_a_single_training_group_is_refused():
    data = make_study(12)
    task = replace(data.tasks[0], groups=np.array(["a"] * 8 + ["b"] * 4), fold=np.repeat([0, 1], [8, 4]))
    with pytest.raises(InputError, match="metadata.targets.y0: the 8 training samples of fold 1 are one group"):
        ensemble.train_fold(replace(data, tasks=[task]), make_sources(), 1, options(), SEED)


def test_several_phenotypes_are_learned_together_from_samples_that_have_them_all():
    data = make_study(30, targets=2)
    lacking = replace(data.tasks[1], fold=np.where(np.arange(30) < 6, -1, data.tasks[1].fold))
    data = replace(data, tasks=[data.tasks[0], lacking])
    assert data.known(0).min() >= 6
    done = ensemble.train_fold(data, make_sources(), 0, options(steps=75), SEED)[0]
    found = ensemble.predict(done, data, np.arange(30), options(), SEED)
    assert found.shape == (30, 40, 2)
    mean = found.mean(axis=1)
    assert np.corrcoef(mean.T)[0, 1] < -0.5  # one is the other turned round
    none = replace(lacking, fold=np.full(30, -1))
    with pytest.raises(InputError, match="metadata.targets.y1: no training sample of fold 0"):
        replace(data, tasks=[data.tasks[0], none]).known(0)
    apart = [replace(task, fold=np.where(np.arange(30) % 2 == place, 1, -1)) for place, task in enumerate(data.tasks)]
    with pytest.raises(InputError, match="no training sample of fold 0 has all of y0, y1: set phenotype.joint: false"):
        replace(data, tasks=apart).known(0)


def test_spread_that_is_too_narrow_is_mended_on_held_out_samples():
    rng = np.random.default_rng(0)
    centre, keys = rng.normal(size=300), np.arange(300)
    truth = centre + 0.5 * rng.normal(size=300)
    draws = (centre[:, None] + 0.1 * rng.normal(size=(300, 100)))[..., None]
    assert scores.inside(truth, draws[..., 0], 0.9).mean() < 0.4
    stretch, error = ensemble.fit_spread(truth[:, None], draws, keys, 0)
    middle, apart, noise = ensemble.parts(draws, keys, 0)
    mended = (middle + stretch * apart + error * noise)[..., 0]
    assert abs(scores.inside(truth, mended, 0.9).mean() - 0.9) < 0.05
    assert abs(scores.inside(truth, mended, 0.5).mean() - 0.5) < 0.08


def test_spread_that_is_right_stays():
    rng = np.random.default_rng(1)
    centre, sd = rng.normal(size=(2, 400))
    sd = np.exp(sd)[:, None]  # some samples are surer than others: an added error would blur that
    draws = (centre[:, None] + sd * rng.normal(size=(400, 200)))[..., None]
    truth = centre[:, None] + sd * rng.normal(size=(400, 1))
    stretch, error = ensemble.fit_spread(truth, draws, np.arange(400), 0)
    assert 0.8 <= stretch[0] <= 1.2
    assert error[0] <= 0.1


# Fields


def test_fields_that_give_a_target_away_are_never_read(capsys):
    rng = np.random.default_rng(0)
    age = rng.uniform(0, 24, 40)
    design = pd.DataFrame({"age": age, "day": 30 * age + rng.normal(size=40), "mass": rng.normal(size=40), "sex": "a"})
    kinds = {"age": "continuous", "day": "continuous", "mass": "continuous", "sex": "categorical"}
    encoding = {"fields": {name: {"type": kind} for name, kind in kinds.items()}}
    assert study.usable(design, encoding, ["age"]) == ["mass", "sex"]
    assert "metadata fields read: mass, sex of age, day, mass, sex" in capsys.readouterr().out


# A study as files


def judged(tmp_path: Path, data: Study, **changes) -> evaluate.Judged:
    chosen = options(**changes)
    paths = []
    for fold in range(3):
        done = ensemble.train_fold(data, make_sources(), fold, chosen, SEED)[0]
        paths.append(tmp_path / f"fold{fold}.pt")
        checkpoint.save(done, paths[-1])
    dealt = data.tasks[0].fold[:, None]
    return evaluate.judge(data, "y0", dealt, paths, chosen, SEED)


def test_every_sample_is_judged_once_beside_the_baselines_in_the_same_order(tmp_path):
    data = make_study(48)
    found = judged(tmp_path, data)
    assert list(found.table.columns) == [
        *("sample", "fold", "truth", "prediction", "sd", "low50", "high50", "low90", "high90")
    ]
    assert sorted(found.table["sample"]) == sorted(data.samples)
    assert list(found.table["sample"]) == list(found.baselines["sample"])
    values = dict(zip(data.samples, data.tasks[0].values, strict=True))
    assert list(found.table["truth"]) == [values[name] for name in found.table["sample"]]
    ordered = found.table[["low90", "low50", "high50", "high90"]].diff(axis=1).iloc[:, 1:]
    assert (ordered >= 0).all().all()
    main = found.results.main
    assert set(main.models) == {"diffusion", *DISTRIBUTIONS}
    assert main.models["diffusion"]["crps"]["value"] < main.models["mean"]["crps"]["value"]
    assert sum(found.results.details["readings"]["quantile_forest"].values()) == 3
    first, _ = evaluate.baselines(data.tasks[0], 0, read_counts(data.counts, data.depth, SEED), options(), SEED)
    rows = found.baselines["fold"] == 0
    names = data.samples[data.tasks[0].fold == 0]
    assert list(found.baselines.loc[rows, "sample"]) == list(names)
    np.testing.assert_array_equal(found.baselines.loc[rows, "random_forest"], first["random_forest"].value)
    for name in ("one.png", "two.png"):
        figures.plot_predictions(found.table, None, "y0", "years", tmp_path / f"scatter-{name}")
        figures.plot_calibration(found.held.truth, found.predictions, "y0", tmp_path / f"calibration-{name}")
    for kind in ("scatter", "calibration"):
        assert (tmp_path / f"{kind}-one.png").read_bytes() == (tmp_path / f"{kind}-two.png").read_bytes()


def test_a_model_is_not_judged_by_what_it_has_learned_from(tmp_path):
    data = make_study(24)
    done = ensemble.train_fold(data, make_sources(), 0, options(), SEED)[0]
    checkpoint.save(replace(done, learned=data.samples.tolist()), tmp_path / "model.pt")
    dealt = data.tasks[0].fold[:, None]
    with pytest.raises(InputError, match="model.pt has learned from 8 samples that it is to be judged by"):
        evaluate.judge(data, "y0", dealt, [tmp_path / "model.pt"], options(), SEED)


def test_every_repeat_of_the_folds_is_judged_by_its_own_models():
    task = make_study(12).tasks[0]
    task = replace(task, fold=np.where(np.arange(12) == 0, -1, task.fold))  # the target of the first is missing
    dealt = np.stack([make_study(12).tasks[0].fold, 3 + (np.arange(12) // 4)], axis=1)
    found = evaluate.folds_of(task, dealt)
    assert [fold for _, fold in found] == [0, 1, 2, 3, 4, 5]
    tested = [own.rows(fold)[1] for own, fold in found]
    for part in (tested[:3], tested[3:]):
        assert sorted(np.concatenate(part)) == list(range(1, 12))
    np.testing.assert_array_equal(tested[4], [4, 5, 6, 7])


# The config


def test_only_numbers_are_targets():
    assert regressions({"age": "regression", "diet": "classification"}) == ["age"]


def config(targets: dict, known: dict | None = None, **changes) -> dict:
    metadata = CONFIG["metadata"] | {"targets": targets, "fields": known or {}}
    return CONFIG | {"metadata": metadata, "phenotype": CONFIG["phenotype"] | changes}


def test_options_that_do_not_go_together_are_refused():
    age = {"age": "regression"}
    check_phenotype(config(age))
    with pytest.raises(InputError, match="phenotype.fields is true, but metadata.fields names nothing besides"):
        check_phenotype(config(age, {"age": {"type": "continuous"}}, fields=True))
    check_phenotype(config(age, {"sex": {"type": "categorical"}}, fields=True))
    with pytest.raises(InputError, match="phenotype.draws=20 cannot be spread over phenotype.rarefactions=21"):
        check_phenotype(config(age, draws=20, rarefactions=21))


@pytest.mark.parametrize("changes", [{"enabled": False}, {}])
def test_nothing_is_refused_where_the_stage_does_not_run(changes):
    targets = {"diet": "classification"} if not changes else {"age": "regression"}
    check_phenotype(config(targets, draws=20, rarefactions=21, **changes))
