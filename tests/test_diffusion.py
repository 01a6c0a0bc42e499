"""Laws of the generator: dequantisation, conditions, the denoiser, schedules, samplers, calibration, the copula."""

import dataclasses
import re
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy import stats
from skbio import TreeNode

from taxoscape import images, metadata, raster, tables
from taxoscape.basis import Basis
from taxoscape.compositions import closure, clr
from taxoscape.diffusion import asked, models, training
from taxoscape.diffusion.check import check_diffusion
from taxoscape.diffusion.denoiser import Denoiser
from taxoscape.diffusion.landscape import LandscapeDenoiser, Raster, canvas_of, place_rest
from taxoscape.diffusion.terms import RELATIVES, make_terms, read_relatives
from taxoscape.diffusion.transformer import TokenDenoiser
from taxoscape.diffusion.written import write_communities
from taxoscape.errors import InputError
from taxoscape.learning import checkpoint, copula, counts, dequantise
from taxoscape.learning import noise as sampling
from taxoscape.learning.communities import Samples, Study, condition_rows, generated_conditions, read_study
from taxoscape.learning.conditions import ConditionTokens, hide
from taxoscape.learning.layers import Attention
from taxoscape.learning.loop import Place
from tests.conftest import ROOT

torch.set_num_threads(1)
SECTION = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["diffusion"]
del SECTION["conditions"]
QUICK = SECTION | {"width": 32, "blocks": 1, "steps": 100, "sample_steps": 10, "samples": 20, "threads": 1}
DEPTH = 500
FEATURES = np.random.default_rng(0).standard_normal((12, 5))  # of the taxa of a cohort


def make_basis(taxa: int = 12, size: int = 16, kernel: str = "point") -> Basis:
    """Taxa in cells of their own, wide enough to overlap."""
    rng = np.random.default_rng(0)
    cells = rng.permutation((size // 2) ** 2)[:taxa]
    row, col = 2.0 * (cells // (size // 2)) + 0.5, 2.0 * (cells % (size // 2)) + 0.5
    channels = rng.dirichlet(np.ones(3), taxa)
    names, one = np.array(["x", "y", "z"]), np.ones(3)
    own = np.zeros(taxa), np.ones(taxa)
    taxa_names = np.array([f"t{n}" for n in range(taxa)])
    sigma = rng.uniform(0.7, 1.2, taxa)
    return Basis(taxa_names, row, col, sigma, channels, names, size, 0 * one, one, *own, "clr", 0.5, kernel, "fixed")


KNOWN = {"transformer": FEATURES, "unet": canvas_of(make_basis())}  # what the models are told of the taxa


def options(**changes) -> models.Options:
    return models.Options(**(QUICK | changes))


def cohort(number: int, taxa: int = 12, seed: int = 0, fields: int = 2) -> Samples:
    """Communities whose first taxa follow a continuous field and whose last follow a category."""
    rng = np.random.default_rng(seed)
    values = np.stack([rng.standard_normal(number), rng.integers(0, 3, number)], axis=1)[:, :fields]
    logits = np.linspace(2, -2, taxa) + 0.4 * rng.standard_normal((number, taxa))
    if fields:
        logits[:, :3] += 1.5 * values[:, :1]
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Samples(rng.multinomial(DEPTH, share), values, np.zeros(values.shape, bool))


def token_network(features: torch.Tensor) -> TokenDenoiser:
    """A transformer over taxa, as after some training."""
    torch.manual_seed(0)
    network = TokenDenoiser(features, [0, 3], 16, 2, 0.0)
    for linear in (network.leave, network.through, *(layer.modulation for layer in network.layers)):
        torch.nn.init.normal_(linear.weight, std=0.2)
    return network.eval()


def small_network(taxa: int = 6) -> Denoiser:
    torch.manual_seed(0)
    network = Denoiser(taxa, [0, 3], 16, 2, 0.0)
    torch.nn.init.normal_(network.leave.weight)  # as after some training
    for layer in network.layers:
        torch.nn.init.normal_(layer.modulation.weight, std=0.2)
    return network.eval()


def inputs(batch: int = 5, taxa: int = 6) -> tuple:
    generator = torch.Generator().manual_seed(1)
    angle = torch.rand(batch, generator=generator) * 1.4 + 0.1
    values = torch.stack([torch.randn(batch, generator=generator), torch.arange(batch) % 3], dim=1)
    return torch.randn(batch, taxa, generator=generator), angle.cos(), angle.sin(), values, torch.zeros(batch, 2) > 0


# Dequantisation and counts


def test_rounding_down_undoes_dequantisation():
    table = cohort(30).counts
    amounts = dequantise.dequantise(table, np.random.default_rng(0))
    assert (amounts > 0).all()
    np.testing.assert_array_equal(np.floor(amounts), table)


def test_scaled_logratios_are_standard_and_decode_to_centred_ones():
    table = cohort(300).counts
    scaler = dequantise.fit_scaler(table, np.random.default_rng(0))
    values = dequantise.encode(table, scaler, np.random.default_rng(1))
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(values.std(axis=0), 1, atol=0.1)
    np.testing.assert_allclose(dequantise.decode(values, scaler).sum(axis=1), 0, atol=1e-9)


def test_counts_sum_to_the_depth_and_are_whole():
    rng = np.random.default_rng(0)
    for depth in (1, 7, 2000):
        found = counts.to_counts(rng.lognormal(sigma=3, size=(50, 40)), depth, np.ones(40, bool))
        assert found.dtype == np.int64
        assert (found >= 0).all()
        assert (found.sum(axis=1) == depth).all()


def test_counts_of_dequantised_counts_are_those_counts():
    table = cohort(40).counts
    amounts = dequantise.dequantise(table, np.random.default_rng(3))
    found = counts.to_counts(amounts, DEPTH, np.ones(table.shape[1], bool))
    np.testing.assert_array_equal(found, table)


def test_zeros_stay_zeros_at_a_larger_depth():
    table = cohort(40).counts
    found = counts.to_counts(dequantise.dequantise(table, np.random.default_rng(3)), 3 * DEPTH, np.ones(12, bool))
    assert (found.sum(axis=1) == 3 * DEPTH).all()
    np.testing.assert_array_equal(found == 0, table == 0)


def test_a_sample_of_zeros_only_goes_to_its_largest_amount():
    found = counts.to_counts(np.array([[0.2, 0.9, 0.1]]), 10, np.ones(3, bool))
    np.testing.assert_array_equal(found, [[0, 10, 0]])


def test_taxa_unseen_in_training_stay_zero():
    seen = np.array([True, False, True, True])
    found = counts.to_counts(np.full((3, 4), 5.0), 100, seen)
    assert (found[:, 1] == 0).all()
    assert (found.sum(axis=1) == 100).all()


def test_calibration_gives_the_training_marginals():
    rng = np.random.default_rng(0)
    table = rng.negative_binomial(0.4, 0.05, size=(400, 5)) + (rng.random((400, 5)) < 0.5) * 3
    generated = rng.normal(1.0, 0.7, size=(3000, 5))
    calibration = counts.fit_calibration(generated, table, rng)
    mapped = np.exp(counts.calibrate(generated, calibration))
    for taxon in range(5):
        real = table[:, taxon] + rng.uniform(size=400)
        assert stats.ks_2samp(mapped[:, taxon], real).statistic < 0.06
    np.testing.assert_allclose((mapped < 1).mean(axis=0), (table == 0).mean(axis=0), atol=0.02)


def test_a_perfect_network_gives_whole_communities_without_calibration(monkeypatch):
    """What the network is made to say are the training samples themselves, encoded."""
    rng = np.random.default_rng(0)
    shares = np.exp(2.5 * rng.standard_normal((300, 60)))
    table = np.stack([rng.multinomial(DEPTH, row) for row in shares / shares.sum(axis=1, keepdims=True)])
    train = unconditional(table[:, 1:])
    fitted, _ = models.fit(train, train.take(np.arange(0)), DEPTH, [], options(calibrate=False, steps=1), 0)
    perfect = torch.tensor(dequantise.encode(counts.with_rest(train.counts, DEPTH), fitted.scaler, rng))
    monkeypatch.setattr(models.noise, "sample", lambda *_, **__: perfect)
    found = models.generate(fitted, train.values, train.missing, 0)
    richness = [(part > 0).sum(axis=1).mean() for part in (found, train.counts)]
    assert richness[0] == pytest.approx(richness[1], rel=0.03)
    assert (found != train.counts).mean() < 0.05


def test_calibration_is_frozen_so_that_conditions_still_move_samples():
    rng = np.random.default_rng(0)
    calibration = counts.fit_calibration(rng.normal(size=(1000, 2)), rng.poisson(20, (200, 2)), rng)
    low, high = (counts.calibrate(rng.normal(shift, 0.2, (200, 2)), calibration) for shift in (-1, 1))
    assert (low.mean(axis=0) < high.mean(axis=0) - 0.2).all()


# Conditions and the denoiser


@pytest.mark.parametrize("categories", [[0], [3], [0, 3]])
def test_query_and_key_projections_have_gradients(categories):
    """One token alone would make the softmax constant: also a single field must be attended to against something."""
    torch.manual_seed(0)
    tokens, attention = ConditionTokens(categories, 16), Attention(16)
    values, missing = torch.ones(4, len(categories)), torch.zeros(4, len(categories)) > 0
    attention(torch.randn(4, 1, 16), tokens(values, missing)).square().sum().backward()
    assert attention.query.weight.grad.abs().max() > 1e-6
    assert attention.key_value.weight.grad[:16].abs().max() > 1e-6


def test_conditions_change_the_output():
    network, (noisy, signal, noise, values, missing) = small_network(), inputs()
    before = network(noisy, signal, noise, values, missing)
    for field in range(2):
        changed = values.clone()
        changed[:, field] = (changed[:, field] + 1) % 3
        assert (network(noisy, signal, noise, changed, missing) - before).abs().max() > 1e-4


def test_the_transformer_knows_taxa_by_what_is_known_of_them_and_not_by_their_place():
    features, (noisy, *rest) = torch.tensor(FEATURES[:6]).float(), inputs()
    network, order = token_network(features), torch.tensor([3, 0, 5, 1, 2, 4])
    found = network(noisy, *rest)
    network.features, network.own.data = features[order], network.own.data[order]
    torch.testing.assert_close(network(noisy[:, order], *rest), found[:, order])
    network.features = features.flip(0)
    assert (network(noisy[:, order], *rest) - found[:, order]).abs().max() > 1e-3


def landscape_network() -> LandscapeDenoiser:
    """A U-Net over landscapes, as after some training."""
    torch.manual_seed(0)
    network = LandscapeDenoiser(canvas_of(make_basis()), [0, 3], 16, 2, 0.0, 4).eval()
    torch.nn.init.normal_(network.unet.conv_out.weight, std=0.1)
    return network


@pytest.mark.parametrize("kind", ["transformer", "unet"])
def test_every_taxon_hears_every_other_the_conditions_and_the_noise(kind):
    noisy, signal, noise, values, missing = inputs(taxa=12)
    network = token_network(torch.tensor(FEATURES).float()) if kind == "transformer" else landscape_network()
    noisy.requires_grad_()
    heard = torch.autograd.functional.jacobian(lambda x: network(x, signal, noise, values, missing)[0], noisy)[:, 0]
    assert (heard.abs() > 1e-9).all()
    found = network(noisy, signal, noise, values, missing)
    for changed in (
        (signal, noise, values + torch.tensor([1.0, 0.0]), missing),
        (signal, noise, values, ~missing),
        (noise, signal, values, missing),
    ):
        assert ((network(noisy, *changed) - found).abs().amax(dim=1) > 1e-6).all()
    found.square().sum().backward()
    projections = ("query.weight", "key_value.weight", "to_q.weight", "to_k.weight")
    asked = [weight for name, weight in network.named_parameters() if name.endswith(projections)]
    assert asked
    assert all(weight.grad.abs().sum() > 0 for weight in asked)


@pytest.mark.parametrize("kernel", ["point", "integrated"])
def test_the_unet_sees_the_landscape_and_its_image_is_read_back_by_least_squares(kernel):
    basis = make_basis(kernel=kernel)
    drawer, values = Raster(canvas_of(basis)), torch.randn(4, 12, generator=torch.Generator().manual_seed(0))
    norms = np.sqrt(np.diag(raster.gram(basis)))
    drawn = raster.rasterize(values.numpy() / norms, basis)
    np.testing.assert_allclose(drawer.draw(values).numpy(), drawer.scale * drawn, atol=1e-5)
    torch.testing.assert_close(drawer.read(drawer.draw(values)), values, atol=1e-4, rtol=1e-4)
    noisy = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    columns = drawer.draw(torch.eye(12)).flatten(1).T.double()
    wanted = torch.linalg.lstsq(columns, noisy.flatten(1).T.double()).solution.T
    torch.testing.assert_close(drawer.read(noisy), wanted.float(), atol=1e-4, rtol=1e-4)


def test_independent_values_make_pixels_of_unit_variance():
    drawer = Raster(canvas_of(make_basis()))
    values = torch.randn(4000, 12, generator=torch.Generator().manual_seed(0))
    assert drawer.draw(values).square().mean().item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("diffusion", "size", "said"),
    [
        ({"width": 30}, 64, "width=30: choose a multiple of 4"),
        ({"model": "unet"}, 40, "images.size=40 is no multiple of 16, which patches of 4 pixels and 3 blocks need"),
        ({"model": "copula", "width": 30}, 40, None),
        ({"model": "unet"}, 64, None),
    ],
)
def test_widths_and_image_sizes_are_checked_before_anything_runs(diffusion, size, said):
    config = {"diffusion": SECTION | diffusion, "images": {"size": size}}
    with pytest.raises(InputError, match=said) if said else nullcontext():
        check_diffusion(config)


def test_missing_is_a_state_of_its_own():
    """The value under a missing flag says nothing; missing differs from 0 (the mean) and from category 0."""
    network, (noisy, signal, noise, values, _) = small_network(), inputs()
    gone = torch.ones_like(values) > 0
    hidden = network(noisy, signal, noise, values, gone)
    torch.testing.assert_close(hidden, network(noisy, signal, noise, values * 0 + 2, gone))
    assert (hidden - network(noisy, signal, noise, values * 0, ~gone)).abs().max() > 1e-4


def test_hiding_all_conditions_is_the_missing_state_and_none_without_dropout():
    missing = torch.zeros(2000, 3) > 0
    generator = torch.Generator().manual_seed(0)
    assert not hide(missing, 0.0, generator).any()
    hidden = hide(missing, 0.2, generator)
    assert 0.17 < hidden.all(dim=1).float().mean() < 0.25
    assert 0.32 < hidden.float().mean() < 0.40  # 1 - 0.8^2
    assert hide(~missing, 0.2, generator).all()


def test_a_network_without_fields_runs():
    network = Denoiser(4, [], 16, 1, 0.0)
    found = network(torch.randn(3, 4), torch.ones(3), torch.zeros(3), torch.zeros(3, 0), torch.zeros(3, 0) > 0)
    assert found.shape == (3, 4)


# Schedules and samplers


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_schedule_ends_without_signal(name):
    """The plain linear schedule (1e-4 to 0.02) leaves a signal of 0.006 at the last of 1,000 times."""
    signal, noise = sampling.levels(sampling.Schedule(name, 1000, "v"))
    assert signal[-1] < 1e-4
    assert signal[0] > 0.99
    torch.testing.assert_close(signal**2 + noise**2, torch.ones(1000))


def perfect(data: torch.Tensor, prediction: str):
    """A network that knows its data: the exact target for the sample that belongs in each row."""

    def network(noisy, signal, noise, values, missing):
        a, s = signal[:, None], noise[:, None]
        epsilon = (noisy - a * data) / s
        return {"x0": data, "epsilon": epsilon, "v": a * epsilon - s * data}[prediction]

    return network


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize("prediction", ["v", "x0", "epsilon"])
def test_sampler_with_a_perfect_network_recovers_the_data(sampler, schedule, prediction):
    """Also beyond +-1, where diffusers clips by default."""
    data = torch.tensor([[3.0, -4.0, 0.5, 0.0], [1.0, 2.0, -0.2, 5.0]])
    found = sampling.sample(
        perfect(data, prediction),
        torch.randn(2, 4, generator=torch.Generator().manual_seed(0)),
        torch.zeros(2, 0),
        torch.zeros(2, 0) > 0,
        sampling.Schedule(schedule, 1000, prediction),
        sampler=sampler,
        steps=20,
        guidance=1.0,
        bound=10.0,
    )
    # 20 steps end at a noise of 0.01-0.1, where the last step goes straight to the estimate.
    torch.testing.assert_close(found, data, atol=0.02, rtol=0)


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
def test_sampling_starts_at_the_last_time(sampler):
    """Spacing other than "trailing" starts where signal is left that pure noise has not."""
    signals = []

    def network(noisy, signal, noise, values, missing):
        signals.append(signal[0].item())
        return torch.zeros_like(noisy)

    empty = torch.zeros(1, 0)
    schedule = sampling.Schedule("cosine", 1000, "x0")
    sampling.sample(
        network, torch.ones(1, 2), empty, empty > 0, schedule, sampler=sampler, steps=10, guidance=1.0, bound=1.0
    )
    assert len(signals) == 10
    assert signals[0] == sampling.levels(schedule)[0][-1]
    assert signals == sorted(signals)


def narrow(std: float):
    """A network that knows that its values are Gaussian with a small standard deviation (v-prediction)."""

    def network(noisy, signal, noise, values, missing):
        a, s = signal[:, None], noise[:, None]
        clean = a * std**2 / (a**2 * std**2 + s**2) * noisy
        return a * (noisy - a * clean) / s - s * clean

    return network


@pytest.mark.parametrize(("spacing", "low", "high"), [(None, 0.2, 0.6), (2.0, 0.9, 1.1)])
def test_what_hardly_varies_keeps_its_spread_where_times_are_dense_near_the_data(spacing, low, high):
    empty, schedule = torch.zeros(4000, 0), sampling.Schedule("cosine", 1000, "v")
    noise = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    settings = {"sampler": "dpm", "steps": 12, "guidance": 1.0, "bound": 9.0, "spacing": spacing}
    found = sampling.sample(narrow(0.1), noise, empty, empty > 0, schedule, **settings)
    assert low < found.std().item() / 0.1 < high


def test_sampling_times_fall_from_the_last_to_near_the_data():
    times = sampling.times(sampling.Schedule("cosine", 1000, "v"), 10, 2.0)
    assert times[0] == 999
    assert times == sorted(set(times), reverse=True)
    assert times[-1] == 10


def test_guidance_moves_away_from_the_unconditional_estimate():
    def network(noisy, signal, noise, values, missing):
        return torch.where(missing, torch.zeros_like(noisy), values)

    arguments = (torch.ones(1, 1), torch.full((1, 1), 0.5), torch.zeros(1, 1) > 0)
    schedule = sampling.Schedule("cosine", 100, "x0")
    ends = [
        sampling.sample(network, *arguments, schedule, sampler="ddim", steps=5, guidance=strength, bound=9.0).item()
        for strength in (0.0, 1.0, 2.0)
    ]
    np.testing.assert_allclose(ends, [0.0, 0.5, 1.0], atol=0.02)


# Training


@pytest.mark.parametrize("prediction", ["v", "x0", "epsilon"])
def test_weights_are_min_snr_of_the_x0_error(prediction):
    """An error d in x0 weighs min(SNR, 5) d^2 whatever is predicted."""
    angle = torch.linspace(0.05, 1.5, 20)
    a, s = angle.cos(), angle.sin()
    per_x0 = {"x0": torch.ones(20), "epsilon": a / s, "v": 1 / s}[prediction]  # change of the target per change of x0
    weighted = sampling.snr_weights(a, s, prediction) * per_x0**2
    torch.testing.assert_close(weighted, (a**2 / s**2).clamp(max=5.0))


TREE = "((a:0.1,b:0.1):0.5,((c:0.2,d:0.2):0.1,(e:0.3,f:0.05):0.2):0.4);"


@pytest.fixture
def terms_of(tmp_path):
    """Terms of weights (compositional, phylogenetic) over taxa a to f, two of them in another order."""
    (tmp_path / "tree.nwk").write_text(TREE)
    scaler = dequantise.Scaler(np.zeros(6), np.ones(6))
    return lambda *weights: make_terms(weights, scaler, read_relatives(tmp_path / "tree.nwk", list("bacdef")))


def test_relatives_are_the_nearest_in_the_tree_and_count_by_their_closeness(tmp_path):
    (tmp_path / "tree.nwk").write_text(TREE)
    names = ["b", "a", "c", "d", "e", "f", "not in the tree"]
    pairs, closeness = read_relatives(tmp_path / "tree.nwk", names)
    tree = TreeNode.read([TREE])
    assert pairs.shape == (2, 6 * RELATIVES)
    apart = np.array([tree.find(names[i]).distance(tree.find(names[j])) for i, j in pairs.T])
    np.testing.assert_allclose(closeness, np.exp(-apart / 0.1) / np.exp(-apart / 0.1).sum())
    for taxon in range(6):
        every = [tree.find(names[taxon]).distance(tree.find(names[j])) for j in range(6) if j != taxon]
        np.testing.assert_allclose(np.sort(apart[pairs[0] == taxon]), np.sort(every)[:RELATIVES])


def test_terms_are_those_of_the_formula_and_count_for_nothing_in_noise(terms_of):
    clean = torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0, 0.0, -2.0]])
    sure, lost = (torch.full((2,), level) for level in (1.0, 1e-6))
    found = terms_of(1.0, 0.0)(clean, sure, lost)
    assert found["compositional_loss"].item() == pytest.approx((2 / 6 + 0) / 2)
    assert found["phylogenetic_loss"].item() == 0
    assert sum(terms_of(1.0, 1.0)(clean, lost, sure).values()).item() == pytest.approx(0.0, abs=1e-9)
    term = terms_of(0.0, 1.0)
    one = term(clean[:1], sure[:1], lost[:1])["phylogenetic_loss"].item()
    assert one == pytest.approx(
        (term.closeness * (clean[0, term.pairs[0]] - clean[0, term.pairs[1]]).abs()).sum().item()
    )
    assert one < term(clean[1:], sure[1:], lost[1:])["phylogenetic_loss"]  # a and b are close


@pytest.mark.parametrize("prediction", ["v", "x0", "epsilon"])
@pytest.mark.parametrize("weights", [(0.1, 0.0), (0.0, 0.05)])
def test_each_term_has_a_gradient_of_its_own(terms_of, prediction, weights):
    """The source computed its phylogenetic term on the data: it taught nothing."""
    network, samples = small_network(), cohort(40, taxa=6)
    schedule = sampling.Schedule("cosine", 1000, prediction)
    scaler = dequantise.fit_scaler(samples.counts, np.random.default_rng(0))
    batch = training.encoded(samples, scaler, np.random.default_rng(1))
    seen = sampling.noised(batch.clean, schedule, torch.Generator().manual_seed(1))
    gradients = []
    for term in (None, terms_of(*weights)):
        network.zero_grad()
        sum(training.loss(network, batch, seen, prediction, term).values()).backward()
        gradients.append(network.leave.weight.grad.clone())
    assert (gradients[0] - gradients[1]).abs().max() > 1e-6


def test_the_phylogenetic_term_makes_relatives_alike(tmp_path):
    (tmp_path / "tree.nwk").write_text(TREE)
    relatives = read_relatives(tmp_path / "tree.nwk", list("bacdef"))
    train, validation = cohort(80, taxa=6, seed=1), cohort(20, taxa=6, seed=2)
    apart = []
    for weight in (0.0, 20.0):
        settings = options(phylogenetic=weight, steps=200, calibrate=False)
        model, _ = models.fit(train, validation, DEPTH, [0, 3], settings, 0, relatives=relatives)
        found = clr(models.generate(model, train.values, train.missing, 0) + 0.5)
        apart.append(np.abs(found[:, 0] - found[:, 1]).mean())
    assert apart[1] < 0.7 * apart[0]


def test_training_in_bfloat16_learns_the_same_within_its_rounding():
    train, validation = cohort(80, seed=1), cohort(20, seed=2)
    losses = [
        models.fit(train, validation, DEPTH, [0, 3], options(mixed_precision=kind), 0)[1][-1]["val_score"]
        for kind in ("none", "bf16")
    ]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_held_out_noise_is_always_the_same():
    samples, rng = cohort(10), np.random.default_rng(0)
    scaler = dequantise.fit_scaler(samples.counts, rng)
    schedule = sampling.Schedule("cosine", 1000, "v")
    (_, first), (_, second) = (training._held_out(samples, scaler, schedule, 3, "cpu") for _ in range(2))
    torch.testing.assert_close(first.noisy, second.noisy)
    assert len(first.noisy) >= training.HELD_OUT


def test_noised_batch_is_consistent():
    samples = cohort(64)
    scaler = dequantise.fit_scaler(samples.counts, np.random.default_rng(0))
    for prediction in ("v", "x0", "epsilon"):
        schedule = sampling.Schedule("cosine", 1000, prediction)
        clean = training.encoded(samples, scaler, np.random.default_rng(1)).clean
        seen = sampling.noised(clean, schedule, torch.Generator().manual_seed(1))
        found = sampling.estimate(seen.target, seen.noisy, seen.signal[:, None], seen.noise[:, None], prediction)
        usable = seen.signal > 0.2
        np.testing.assert_allclose(found[usable], clean[usable], atol=1e-3)
        process = sampling.forward_process(schedule)  # diffusers' own, at the same times
        time = torch.tensor([int((sampling.levels(schedule)[0] == a).nonzero()[0]) for a in seen.signal])
        noise = (seen.noisy - seen.signal[:, None] * clean) / seen.noise[:, None]
        torch.testing.assert_close(process.add_noise(clean, noise, time), seen.noisy, atol=1e-4, rtol=1e-4)
        if prediction == "v":
            torch.testing.assert_close(process.get_velocity(clean, noise, time), seen.target, atol=1e-2, rtol=1e-2)


def test_held_out_loss_stops_training_and_the_best_network_is_kept():
    train, validation = cohort(8, seed=1), cohort(8, seed=2)
    _, history = models.fit(train, validation, DEPTH, [0, 3], options(steps=3000, patience=2, lr=0.01), 0)
    assert history[-1]["step"] < 3000
    assert np.argmin([row["val_score"] for row in history]) == len(history) - 3


# The whole generator


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"prediction": "x0"},
        {"prediction": "epsilon"},
        {"schedule": "linear"},
        {"sampler": "dpm"},
        {"guidance": 1.5},
        {"calibrate": False},
        {"model": "copula"},
        {"model": "transformer", "width": 8, "sampler": "dpm"},
        {"model": "unet", "width": 16, "blocks": 2, "lr": 0.003, "sample_steps": 5},
    ],
    ids=str,
)
def test_generated_counts_are_whole_sum_to_depth_and_resemble_training(changes):
    train, validation, asked = cohort(60, seed=1), cohort(20, seed=2), cohort(40, seed=3)
    model, _ = models.fit(
        train, validation, DEPTH, [0, 3], options(**changes), 0, known=KNOWN.get(changes.get("model"))
    )
    found = models.generate(model, asked.values, asked.missing, 0)
    assert found.dtype == np.int64
    assert (found >= 0).all()
    assert (found.sum(axis=1) == DEPTH).all()
    assert np.corrcoef(np.log1p(found.mean(axis=0)), np.log1p(train.counts.mean(axis=0)))[0, 1] > 0.9


@pytest.mark.parametrize("model", ["mlp", "transformer", "unet", "copula"])
def test_conditions_act_as_in_training(model):
    """Taxa 0-2 grow with the first field."""
    train, validation = cohort(150, seed=1), cohort(40, seed=2)
    settings = options(model=model, steps=300 if model == "unet" else 400, lr=0.003, width=16)
    fitted, _ = models.fit(train, validation, DEPTH, [0, 3], settings, 0, known=KNOWN.get(model))
    shares = []
    for age in (-1.5, 1.5):
        values = np.tile([age, 1.0], (100, 1))
        found = models.generate(fitted, values, np.zeros(values.shape, bool), 0)
        shares.append(found[:, :3].sum(axis=1).mean() / DEPTH)
    assert shares[1] > shares[0] + 0.15


@pytest.mark.parametrize("model", ["mlp", "transformer", "unet", "copula"])
def test_same_seed_same_bytes(model, tmp_path):
    train, validation = cohort(20, seed=1), cohort(8, seed=2)
    for name in ("a", "b"):
        settings = options(model=model, width=8, steps=20 if model == "unet" else 100, calibrate=model != "unet")
        fitted, _ = models.fit(train, validation, DEPTH, [0, 3], settings, 7, known=KNOWN.get(model))
        checkpoint.save(fitted, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    draws = [
        models.generate(models.read_model(tmp_path / name, "cpu"), train.values, train.missing, seed)
        for name, seed in (("a", 0), ("b", 0), ("b", 1))
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


def test_communities_are_written_block_by_block_as_counts_and_landscapes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(models, "BLOCK", 8)
    train, basis = cohort(60), make_basis()
    model, _ = models.fit(train, train.take(np.arange(0)), DEPTH, [0, 3], options(model="copula"), 0)
    names = [f"s{row}" for row in range(20)]
    frame = pd.DataFrame({"a": np.zeros(60), "b": ["x"] * 60})
    split, own = np.repeat("train", 60), np.arange(60).astype(str)
    study = Study(own, basis.taxa, DEPTH, train, split, own, frame, [0, 3])
    asked = train.values[:20], train.missing[:20]
    write_communities(model, asked, names, study, 0, basis, tmp_path / "asked.biom", tmp_path / "asked.npz")
    assert capsys.readouterr().out.splitlines()[-3:] == [f"{n} of 20 communities" for n in (8, 16, 20)]
    counts = tables.counts(tables.read_table(tmp_path / "asked.biom"), names, basis.taxa)
    np.testing.assert_array_equal(counts, models.generate(model, *asked, 0))
    stored = images.load_composition(tmp_path / "asked.npz")
    np.testing.assert_array_equal(stored["counts"], counts)
    found = images.composition_of(raster.invert(raster.rasterize(stored["values"], basis), basis), basis)
    np.testing.assert_allclose(found, closure(counts + basis.pseudocount), atol=1e-6)


def test_eight_samples_absent_taxa_and_missing_values_are_enough():
    train, validation = cohort(8, seed=1), cohort(2, seed=2)
    train.counts[:, 4] = 0
    train.counts[0] = 0  # a sample with no read in any retained taxon
    train.missing[:, 0] = True
    model, _ = models.fit(train, validation, DEPTH, [0, 3], options(), 0)
    found = models.generate(model, validation.values, validation.missing, 0)
    assert (found[:, 4] == 0).all()
    assert (found.sum(axis=1) <= DEPTH).all()


def test_no_fields_and_no_validation_samples():
    train = cohort(20, fields=0)
    model, history = models.fit(train, train.take(np.zeros(20, bool)), DEPTH, [], options(), 0)
    assert history[-1]["step"] == QUICK["steps"]
    assert models.generate(model, train.values, train.missing, 0).shape == train.counts.shape
    found = models.quality(model, history, train, train.take(np.zeros(20, bool)), [])
    assert found["best_step"] is None


def test_too_few_samples_are_refused():
    with pytest.raises(InputError, match="training samples"):
        models.fit(cohort(1), cohort(1), DEPTH, [0, 3], options(), 0)


# Copula and study


def unconditional(table: np.ndarray) -> Samples:
    return Samples(table, np.zeros((len(table), 0)), np.zeros((len(table), 0), bool))


def test_copula_reproduces_marginals_and_correlations():
    rng = np.random.default_rng(0)
    common = rng.standard_normal((600, 1))
    table = rng.poisson(np.exp(1.0 + 0.9 * common * [1, 1, -1, 0] + 0.3 * rng.standard_normal((600, 4))))
    table[:, 3] *= rng.random(600) < 0.3
    samples = unconditional(table)
    found = copula.sample(copula.fit(samples, [], rng), samples.values, samples.missing, rng)
    for taxon in range(4):
        assert stats.ks_2samp(np.floor(found[:, taxon]), table[:, taxon]).pvalue > 0.001
    wanted, got = (stats.spearmanr(values).statistic for values in (table, np.floor(found)))
    np.testing.assert_allclose(got, wanted, atol=0.12)


def companions(number: int) -> Samples:
    """Two taxa whose latent scores correlate by 0.9, each absent from 60 % of the samples, and one of no relation."""
    rng = np.random.default_rng(0)
    latent = rng.multivariate_normal(np.zeros(3), [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], number)
    table = np.floor(np.exp(1.5 * (latent - stats.norm.ppf(0.6)) * [1, 1, 0.5] + [0, 0, 3])).astype(int)
    return unconditional(table)


def test_zeros_hide_no_correlation_from_the_copula():
    fitted = copula.fit(companions(600), [], np.random.default_rng(0))
    scale = np.sqrt(np.diag(fitted.covariance))
    found = (fitted.covariance / np.outer(scale, scale))[np.triu_indices(3, 1)]
    np.testing.assert_allclose(found, [0.9, 0, 0], atol=0.07)


def test_scores_are_the_same_however_many_taxa_are_drawn_together(monkeypatch):
    rng = np.random.default_rng(0)
    table = rng.poisson(rng.gamma(0.5, 3, (300, 1)) * rng.gamma(0.5, 1, (1, 30)))
    drawn = []
    for block in (1, 7, 128):
        monkeypatch.setattr(copula, "BLOCK", block)
        fitted = copula.fit(unconditional(table), [], np.random.default_rng(1))
        drawn.append(copula.impute(fitted, unconditional(table), np.random.default_rng(2)))
    assert drawn[0].std() > 0.5
    np.testing.assert_allclose(drawn[1], drawn[0], atol=1e-5)
    np.testing.assert_allclose(drawn[2], drawn[0], atol=1e-5)


def test_scores_of_zeros_are_truncated_normal_given_the_other_taxa():
    reference = np.stack([np.repeat([0, 1], [500, 500]), np.arange(1000)], axis=1)
    covariance = np.array([[1, 0.8], [0.8, 1]])
    none, flat = (np.zeros(0, int), np.zeros((0, 0))), np.zeros((2, 2))
    known = copula.Copula(*none, np.zeros((1, 2)), covariance, reference, flat, flat)
    drawn = copula.impute(known, unconditional(np.tile([0, 899], (500, 1))), np.random.default_rng(0))
    given, spread = 0.8 * stats.norm.ppf(0.9), 0.6
    wanted = stats.truncnorm(-np.inf, -given / spread, loc=given, scale=spread)
    np.testing.assert_allclose(drawn[..., 0].mean(), wanted.mean(), atol=0.02)
    np.testing.assert_allclose(drawn[..., 0].std(), wanted.std(), atol=0.02)


def test_places_keep_every_count_are_uniform_and_share_what_their_taxa_share(monkeypatch):
    samples = companions(400)
    fitted = copula.fit(samples, [], np.random.default_rng(0))
    placed, few = copula.place(fitted, [samples, samples.take(np.arange(3))], np.random.default_rng(2))
    amounts = dequantise.dequantise(placed.counts, np.random.default_rng(1), placed.places)
    np.testing.assert_array_equal(np.floor(amounts), samples.counts)
    absent = (samples.counts[:, :2] == 0).all(axis=1)
    where = amounts[absent] % 1
    assert stats.spearmanr(where[:, 0], where[:, 1]).statistic > 0.3  # by uniform noise: 0
    for taxon in (0, 1):
        every = placed.places[samples.counts[:, taxon] == 0, :, taxon] / 256
        assert stats.kstest(every.ravel(), "uniform").statistic < 0.01
    assert few.places.shape == (3, copula.DRAWS, 3)
    monkeypatch.setattr(copula, "ENOUGH", 1200)
    assert copula.place(fitted, [samples], np.random.default_rng(2))[0].places.shape == (400, 3, 3)


def test_the_copula_follows_a_condition_that_bends():
    """A taxon that is common at both ends of a condition; a linear effect has no slope there."""
    rng = np.random.default_rng(0)
    age = rng.uniform(-2, 2, (800, 1))
    samples = Samples(rng.poisson(np.exp(1 + age**2 * [1, 0])), age, np.zeros((800, 1), bool))
    fitted = copula.fit(samples, [0], rng)
    drawn = np.floor(copula.sample(fitted, age, samples.missing, rng))
    for low in np.arange(-2, 2, 0.5):
        within = (age[:, 0] >= low) & (age[:, 0] < low + 0.5)
        real, found = (np.log1p(table[within, 0]).mean() for table in (samples.counts, drawn))
        assert found == pytest.approx(real, abs=0.35), low
    middle = copula.sample(fitted, np.zeros((200, 1)), np.zeros((200, 1), bool), rng)[:, 0]
    assert np.median(middle) < 5  # the knots are those of the training also where all conditions are alike


def test_knots_are_training_quantiles_of_what_is_known_and_fewer_where_little_is():
    rng = np.random.default_rng(0)
    values = np.stack(
        [rng.standard_normal(300), rng.integers(0, 4, 300), rng.integers(0, 2, 300), rng.integers(0, 3, 300)], 1
    )
    missing = np.zeros(values.shape, bool)
    missing[::2, 0] = True
    values[::2, 0] = 1e6  # of no meaning
    knots = copula.place_knots(values, missing, [0, 0, 0, 3])
    np.testing.assert_allclose(knots[0], np.quantile(values[1::2, 0], [0, 0.25, 0.5, 0.75, 1]))
    assert list((~np.isnan(knots)).sum(axis=1)) == [5, 2, 0, 0]
    features = copula.condition_features(values, missing, [0, 0, 0, 3], knots)
    assert features.shape == (300, (6 + 1) + (3 + 1) + (1 + 1) + (3 + 1))
    assert not features[::2, :6].any()
    assert np.isnan(copula.place_knots(values[:15], missing[:15], [0, 0, 0, 3])).all()  # too few samples: linear


@pytest.mark.parametrize("model", ["mlp", "copula"])
def test_reads_of_other_taxa_take_the_share_that_they_have_in_training(model):
    """The taxa that follow the continuous field are not retained: the more of it, the fewer reads are left."""
    whole = cohort(300)
    known = dataclasses.replace(whole, counts=whole.counts[:, 3:])
    settings = options(model=model, steps=600, width=64, lr=0.003)
    fitted, _ = models.fit(known, known.take(np.arange(0)), DEPTH, [0, 3], settings, 0)
    totals = models.generate(fitted, known.values, known.missing, 0).sum(axis=1)
    wanted = known.counts.sum(axis=1)
    assert abs(totals.mean() - wanted.mean()) < 0.1 * wanted.std() + 0.02 * DEPTH
    assert 0.7 < totals.std() / wanted.std() < 1.3
    assert stats.spearmanr(totals, known.values[:, 0]).statistic < -0.5


def test_the_rest_has_a_pixel_of_its_own_in_the_landscape():
    canvas = canvas_of(make_basis())
    wider = place_rest(canvas)
    assert len(wider.row) == len(canvas.row) + 1
    cells = torch.stack([wider.row, wider.col], dim=1)
    assert torch.cdist(cells[-1:], cells[:-1]).min() >= 1
    values = torch.randn(5, 13)
    read = Raster(wider)
    torch.testing.assert_close(read.read(read.draw(values)), values, atol=1e-4, rtol=1e-4)
    everywhere = torch.cartesian_prod(torch.arange(2), torch.arange(2)).float()
    full = dataclasses.replace(canvas, row=everywhere[:, 0], col=everywhere[:, 1], size=2)
    with pytest.raises(InputError, match="images.size=2 leaves no pixel free"):
        place_rest(full)


def test_condition_features_are_numbers_one_hot_and_missing_flags():
    values, missing = np.array([[0.5, 2.0], [1.0, 1.0]]), np.array([[False, False], [True, True]])
    found = copula.condition_features(values, missing, [0, 3])
    np.testing.assert_array_equal(found, [[0.5, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1]])


def test_conditions_come_from_the_test_samples_evenly():
    samples = cohort(10)
    study = Study(
        names=np.array([f"s{row}" for row in range(10)]),
        taxa=np.arange(12).astype(str),
        depth=DEPTH,
        samples=samples,
        split=np.array(["train"] * 6 + ["test"] * 4),
        groups=np.array(["g"] * 10),
        conditions=pd.DataFrame({"age": samples.values[:, 0]}),
        categories=[0],
    )
    rows = condition_rows(study, 10, 0)
    assert set(rows) == {6, 7, 8, 9}
    assert np.ptp(np.bincount(rows)[6:]) <= 1
    frame = generated_conditions(study, rows)
    assert list(frame.columns) == ["sample", "conditions_of", "age"]
    assert frame["sample"].is_unique
    assert (frame["age"].to_numpy() == samples.values[rows, 0]).all()


def test_every_option_of_the_section_is_a_field():
    assert {field.name for field in dataclasses.fields(models.Options)} == set(SECTION)


def test_files_of_different_samples_are_refused_by_name(tmp_path):
    arrays = {"samples": np.array(["a", "b"]), "taxa": np.array(["t"]), "counts": np.ones((2, 1)), "depth": np.int64(1)}
    np.savez(tmp_path / "composition.npz", **arrays)
    pd.DataFrame({"sample": ["a", "c"], "group": ["a", "c"]}).to_csv(tmp_path / "design.tsv", sep="\t", index=False)
    (tmp_path / "encoding.json").write_text('{"fields": {}, "targets": {}}')
    pd.DataFrame({"sample": ["a"], "split": ["train"], "fold": [0]}).to_csv(tmp_path / "splits.tsv", sep="\t")
    files = [tmp_path / name for name in ("composition.npz", "design.tsv", "encoding.json", "splits.tsv")]
    with pytest.raises(InputError, match="1 samples of .*composition.npz are not in .*design.tsv: b"):
        read_study(*files)


# What a user asks for


FIELDS = {"age": {"type": "continuous"}, "diet": {"type": "categorical"}}


def asked_of(tmp_path, text: str) -> pd.DataFrame:
    (tmp_path / "asked.tsv").write_text(text)
    return asked.read_asked(tmp_path / "asked.tsv", FIELDS)


def test_conditions_are_read_with_copies_and_what_is_left_open(tmp_path):
    made = asked_of(tmp_path, "sample\tage\tcopies\nyoung\t1.5\t2\nopen\t\t1\n")
    assert list(made["sample"]) == ["young_1", "young_2", "open"]
    assert list(made["age"][:2]) == [1.5, 1.5]
    assert made.loc[2, ["age", "diet"]].isna().all()
    values, missing = metadata.encode(made, ENCODING)
    np.testing.assert_allclose(values[:, 0], [0.25, 0.25, 0])
    assert missing.tolist() == [[False, True], [False, True], [True, True]]
    assert list(asked_of(tmp_path, "diet\nmilk\nsolid\n")["sample"]) == ["asked1", "asked2"]


ENCODING = {
    "fields": {
        "age": {"type": "continuous", "mean": 1.0, "std": 2.0},
        "diet": {"type": "categorical", "categories": ["milk", "solid"]},
    }
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("age\n", "asked.tsv asks for no community: give one row for each, or a column copies"),
        ("agee\n1\n", "asked.tsv has columns that are no field: agee; fields are age, diet"),
        ("age\nold\n", "asked.tsv: age is a number, but old is none"),
        ("sample\tage\na\t1\na\t2\n", "asked.tsv: names of samples must differ and not be empty: a"),
        ("age\tcopies\n1\t0\n", "asked.tsv: copies must be whole numbers from 1 on, not 0"),
        ("age\tcopies\n1\t900000\n2\t900000\n", "asks for 1,800,000 communities, 1,000,000 at most: split it"),
    ],
)
def test_conditions_that_cannot_be_had_are_refused(tmp_path, text, said):
    with pytest.raises(InputError, match=re.escape(said)):
        asked_of(tmp_path, text)


def test_a_category_that_nobody_had_is_refused_and_a_far_number_is_said(tmp_path, capsys):
    made = asked_of(tmp_path, "diet\nmeat\n")
    with pytest.raises(InputError, match="no training sample has diet=meat; known are milk, solid"):
        asked.check_known(tmp_path / "asked.tsv", made, ENCODING)
    asked.check_known("asked.tsv", asked_of(tmp_path, "age\n99\n1\n"), ENCODING)
    assert "age: 1 values lie over 3 standard deviations from the training mean" in capsys.readouterr().out


# Interrupted training


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path, monkeypatch):
    """Killed after the first round, then again: the same command goes on, and nothing differs."""
    train, validation = cohort(60, seed=1), cohort(20, seed=2)
    quick, place, save = options(steps=150, width=16), Place(tmp_path), checkpoint.save
    whole, losses = models.fit(train, validation, DEPTH, [0, 3], quick, 0)

    def killed(record, path):
        save(record, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            models.fit(train, validation, DEPTH, [0, 3], quick, 0, place)
    monkeypatch.undo()
    again, repeated = models.fit(train, validation, DEPTH, [0, 3], quick, 0, place)
    assert repeated == losses
    assert all(weights.equal(again.network[name]) for name, weights in whole.network.items())
