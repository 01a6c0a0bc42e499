"""Laws of the raster map and of its inverse."""

from dataclasses import replace
from math import erf, sqrt

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from taxoscape import raster, raster_torch
from taxoscape.basis import Basis
from taxoscape.errors import InputError

KERNELS = ["point", "integrated"]


def make_basis(taxa=40, size=16, channels=5, seed=0, shift=0.0, kernel="point", normalise="fixed"):
    """Taxa on distinct random cells (moved by up to `shift` pixels), random profiles."""
    rng = np.random.default_rng(seed)
    row, col = np.divmod(rng.choice(size * size, taxa, replace=False), size)
    moved = [np.clip(axis + rng.uniform(-shift, shift, taxa), 0, size - 1) for axis in (row, col)]
    return Basis(
        taxa=np.array([f"t{i}" for i in range(taxa)]),
        row=moved[0],
        col=moved[1],
        sigma=rng.uniform(0.7, 1.0, taxa),
        channels=rng.dirichlet(np.ones(channels), taxa),
        channel_names=np.array([f"c{i}" for i in range(channels)]),
        size=size,
        channel_mean=rng.normal(size=channels),
        channel_std=rng.uniform(1, 2, channels),
        value_mean=np.zeros(taxa),
        value_std=np.ones(taxa),
        values="clr",
        pseudocount=0.5,
        kernel=kernel,
        normalise=normalise,
    )


def values_of(basis, samples=3, seed=1):
    return np.random.default_rng(seed).normal(size=(samples, len(basis.taxa)))


def tensors(basis):
    return [torch.tensor(array) for array in (basis.row, basis.col, basis.sigma, basis.channels)]


def under_the_bell(distance, sigma):
    """Integral of the Gaussian over the pixel at a distance."""
    return (erf((distance + 0.5) / sigma / sqrt(2)) - erf((distance - 0.5) / sigma / sqrt(2))) / 2


WEIGHTS = {
    "point": lambda dh, dw, sigma: np.exp(-(dh**2 + dw**2) / (2 * sigma**2)),
    "integrated": lambda dh, dw, sigma: under_the_bell(dh, sigma) * under_the_bell(dw, sigma),
}


def literal_loop(values, basis):
    """The defining sum, written out."""
    images = np.zeros((len(values), basis.channels.shape[1], basis.size, basis.size))
    pixels = [(h, w) for h in range(basis.size) for w in range(basis.size)]
    for i in range(len(basis.taxa)):
        reach = raster.TRUNCATE * basis.sigma[i] + 0.5 * (basis.kernel == "integrated")
        kernel = np.zeros((basis.size, basis.size))
        for h, w in pixels:
            dh, dw = h - basis.row[i], w - basis.col[i]
            if abs(dh) <= reach and abs(dw) <= reach:
                kernel[h, w] = WEIGHTS[basis.kernel](dh, dw, basis.sigma[i])
        kernel /= kernel.sum()
        for n in range(len(values)):
            for c in range(basis.channels.shape[1]):
                images[n, c] += values[n, i] * kernel * basis.channels[i, c]
    return images


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(8, 24), st.sampled_from(KERNELS))
def test_channel_sums_are_values_times_profiles_also_at_the_edges(seed, taxa, size, kernel):
    basis = make_basis(min(taxa, size * size // 2), size, seed=seed, shift=0.4, kernel=kernel)
    values = values_of(basis, seed=seed)
    np.testing.assert_allclose(
        raster.rasterize(values, basis).sum(axis=(2, 3)), values @ basis.channels, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shift", [0.0, 0.45])
def test_splat_equals_dense_product_and_the_literal_loop(shift, kernel):
    basis = make_basis(shift=shift, kernel=kernel)
    values = values_of(basis)
    splat = raster.rasterize(values, basis)
    np.testing.assert_allclose(splat, literal_loop(values, basis), atol=1e-13)
    np.testing.assert_allclose(splat, np.einsum("ni,ihw,ic->nchw", values, raster.kernels(basis), basis.channels))
    dense = raster_torch.rasterize(torch.tensor(values), *tensors(basis), basis.size, kernel)
    np.testing.assert_allclose(dense.numpy(), splat, atol=1e-13)
    np.testing.assert_allclose(raster.rasterize(values, basis, np.float32), splat, atol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_the_dense_product_in_short_floats_stays_within_its_tolerance(dtype, tolerance):
    """Of the root mean square error over the image's standard deviation, 452 taxa on 64 pixels."""
    basis = make_basis(taxa=452, size=64, channels=16)
    values = values_of(basis)
    exact = raster.rasterize(values, basis)
    rest = [tensor.float() for tensor in tensors(basis)]
    dense = raster_torch.rasterize(torch.tensor(values).to(dtype), *rest, basis.size)
    assert dense.dtype == dtype
    assert np.sqrt(((dense.double().numpy() - exact) ** 2).mean()) < tolerance * exact.std()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_images_and_their_inverse_are_the_same_bytes_each_time_and_on_any_number_of_threads(dtype):
    basis = make_basis(shift=0.3)
    values, found = values_of(basis, 9), []
    before = numba.get_num_threads()
    for threads in (1, 1, numba.config.NUMBA_NUM_THREADS):
        numba.set_num_threads(threads)
        images = raster.rasterize(values, basis, dtype)
        found.append((images.tobytes(), raster.invert(images, basis).tobytes()))
    numba.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("size", [5, 8, 11])
@pytest.mark.parametrize("sigma", [0.7, 1.3, 4.0])
def test_kernels_as_wide_as_the_image_are_summed_whole(size, sigma):
    """Loops that take several columns at a time miss none and take none twice, whatever the width."""
    basis = replace(make_basis(taxa=7, size=size, shift=0.4), sigma=np.full(7, sigma))
    values = values_of(basis)
    images = raster.rasterize(values, basis)
    np.testing.assert_allclose(images, literal_loop(values, basis), atol=1e-13)
    expected = np.einsum("nchw,ihw,ic->ni", images, raster.kernels(basis), basis.channels)
    np.testing.assert_allclose(raster.adjoint(images, basis), expected, atol=1e-13)
    np.testing.assert_allclose(raster.adjoint(images.astype(np.float32), basis), expected, atol=1e-6)


def test_the_adjoint_and_the_gram_matrix_are_those_of_the_map():
    basis = make_basis(shift=0.3)
    single = raster.rasterize(np.eye(len(basis.taxa)), basis).reshape(len(basis.taxa), -1)
    np.testing.assert_allclose(raster.gram(basis), single @ single.T, atol=1e-14)
    images = np.random.default_rng(2).normal(size=(2, 5, 16, 16))
    np.testing.assert_allclose(raster.adjoint(images, basis), images.reshape(2, -1) @ single.T, atol=1e-13)
    assert raster.condition_number(basis) == pytest.approx(np.linalg.cond(single), rel=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 120), st.sampled_from(KERNELS))
def test_the_inverse_returns_the_values(seed, taxa, kernel):
    basis = make_basis(taxa, seed=seed, kernel=kernel)
    values = values_of(basis, seed=seed)
    np.testing.assert_allclose(raster.invert(raster.rasterize(values, basis), basis), values, atol=1e-8)


def test_the_inverse_survives_float32_and_normalisation():
    basis = make_basis()
    values = values_of(basis)
    images = raster.normalize(raster.rasterize(values, basis, np.float32), basis)
    assert images.dtype == np.float32
    np.testing.assert_allclose(raster.invert(raster.denormalize(images, basis), basis), values, atol=1e-4)


def test_images_stretched_by_their_own_extremes_span_0_to_1_and_turn_back_with_them():
    basis = make_basis(normalise="minmax")
    values = values_of(basis) * np.array([[1.0], [1e-3], [50.0]])
    raw = raster.rasterize(values, basis)
    stretched = raster.normalize(raw, basis)
    np.testing.assert_array_equal(raster.extremes(stretched), [[0, 1]] * 3)
    np.testing.assert_array_equal(raster.normalize(7 * raw - 2, basis).round(9), stretched.round(9))  # scale is lost
    pairs = raster.extremes(raw)
    returned = raster.invert(raster.denormalize(stretched, basis, pairs), basis)
    np.testing.assert_allclose(returned, values, rtol=1e-7, atol=1e-9)
    with pytest.raises(ValueError, match="extremes"):
        raster.denormalize(stretched, basis)
    flat = np.full((1, 5, 16, 16), 3.0)
    np.testing.assert_array_equal(raster.denormalize(raster.normalize(flat, basis), basis, raster.extremes(flat)), flat)


def test_an_integrated_kernel_has_the_moments_of_a_bell_seen_through_pixels():
    """Its mean is the centre and its variance sigma^2 + 1/12, wherever in the pixel it stands; point samples drift."""
    pixels, centre = np.arange(41), np.array([20.0, 20.25, 20.5])
    drift = {}
    for kernel in KERNELS:
        profile = raster.profiles(centre, np.full(3, 0.5), 41, kernel)
        mean = profile @ pixels
        variance = profile @ pixels**2 - mean**2
        drift[kernel] = (np.abs(mean - centre).max(), np.abs(variance - 0.25 - (kernel == "integrated") / 12).max())
    assert max(drift["integrated"]) < 0.02
    assert max(drift["point"]) > 2 * max(drift["integrated"])


def test_kernels_narrower_than_a_pixel_keep_their_mass():
    basis = replace(make_basis(kernel="integrated", shift=0.4), sigma=np.full(40, 1e-3))
    np.testing.assert_allclose(raster.kernels(basis).sum(axis=(1, 2)), 1)


def test_the_non_negative_inverse_returns_abundances_and_never_goes_below_zero():
    basis = make_basis()
    values = np.maximum(values_of(basis), 0)
    images = raster.rasterize(values, basis)
    np.testing.assert_allclose(raster.invert(images, basis, nonnegative=True), values, atol=1e-8)
    noisy = images + np.random.default_rng(3).normal(scale=0.05, size=images.shape)
    assert raster.invert(noisy, basis).min() < 0 <= raster.invert(noisy, basis, nonnegative=True).min()


def test_the_order_of_taxa_changes_nothing():
    basis = make_basis()
    values = values_of(basis)
    order = np.random.default_rng(4).permutation(len(basis.taxa))
    fields = {name: getattr(basis, name)[order] for name in ("taxa", "row", "col", "sigma", "channels")}
    shuffled = Basis(**{**vars(basis), **fields})
    images = raster.rasterize(values[:, order], shuffled)
    np.testing.assert_allclose(images, raster.rasterize(values, basis), atol=1e-14)
    np.testing.assert_allclose(raster.invert(images, shuffled), values[:, order], atol=1e-8)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("wanted", ["values", "row", "col", "sigma", "channels"])
def test_gradients_are_right(wanted, kernel):
    basis = make_basis(taxa=6, size=6, channels=2, shift=0.3)
    names = ["values", "row", "col", "sigma", "channels"]
    inputs = [torch.tensor(values_of(basis, 2)), *tensors(basis)]
    inputs = [tensor.requires_grad_(name == wanted) for name, tensor in zip(names, inputs, strict=True)]
    assert torch.autograd.gradcheck(lambda *arguments: raster_torch.rasterize(*arguments, 6, kernel), inputs)


def test_taxa_on_one_pixel_cannot_be_inverted():
    basis = make_basis(taxa=2)
    same = {"row": np.full(2, 3.0), "col": np.full(2, 4.0), "sigma": np.ones(2), "channels": np.full((2, 5), 0.2)}
    shared = Basis(**{**vars(basis), **same})
    with pytest.raises(InputError, match="images.size"):
        raster.invert(raster.rasterize(values_of(basis), shared), shared)


def test_what_does_not_fit_is_refused():
    basis = make_basis()
    with pytest.raises(ValueError, match="do not fit"):
        raster.rasterize(np.zeros((1, 3)), basis)
    with pytest.raises(ValueError, match="outside"):
        raster.profiles(np.array([16.0]), np.ones(1), 16)
    with pytest.raises(ValueError, match="sigma"):
        raster.profiles(np.array([3.0]), np.zeros(1), 16)
    with pytest.raises(ValueError, match="neither point nor integrated"):
        raster.profiles(np.array([3.0]), np.ones(1), 16, "box")
