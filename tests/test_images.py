"""Laws of the images: training constants only, nothing lost on the way there and back."""

import numpy as np
import pandas as pd
import pytest

from bench._globalgut import prevalent_taxa, tree_distances
from taxoscape import images, raster, trees
from taxoscape.basis import check_images
from taxoscape.compositions import add_pseudocount, closure
from taxoscape.errors import InputError
from taxoscape.layout.place import lay_out

CONFIG = {"size": 16, "values": "clr", "pseudocount": 0.5, "min_bandwidth": 0.7, "max_bandwidth": 1.5}
CONFIG |= {"kernel": "point", "normalise": "fixed"}
TRAIN = np.arange(30) < 20


def study(samples=30, taxa=40, grid=16, seed=0):
    """Counts of 1,000 reads, distinct cells and profiles."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(1000, rng.dirichlet(np.full(taxa, 0.3), samples))
    row, col = np.divmod(rng.choice(grid * grid, taxa, replace=False), grid)
    names = [f"t{i}" for i in range(taxa)]
    positions = pd.DataFrame({"taxon": names, "row": row, "col": col})
    channels = pd.DataFrame(rng.dirichlet(np.ones(16), taxa), index=names, columns=[f"c{i}" for i in range(16)])
    return counts, positions, channels


def build(counts=None, train=TRAIN, grid=16, drop=(), **changes):
    first, positions, channels = study()
    counts = first if counts is None else counts
    return images.build_basis(counts, train, positions, grid, channels.drop(index=list(drop)), CONFIG | changes)


@pytest.mark.parametrize("values", ["clr", "abundance"])
@pytest.mark.parametrize("size", [10, 16, 31])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", ["point", "integrated"])
@pytest.mark.parametrize("normalise", ["fixed", "minmax"])
def test_compositions_return_from_their_images(values, size, dtype, kernel, normalise):
    counts, *_ = study()
    basis, standardised = build(values=values, size=size, kernel=kernel, normalise=normalise)
    normalised = raster.normalize(raster.rasterize(standardised, basis, dtype), basis)
    pairs = images.image_extremes(standardised, basis)
    returned = raster.invert(raster.denormalize(normalised, basis, pairs), basis)
    composition = add_pseudocount(counts, 0.5) if values == "clr" else closure(counts)
    error = np.abs(images.composition_of(returned, basis) - composition).sum(axis=1).max()
    assert error < (1e-4 if dtype == np.float32 else 1e-9)


def test_counts_return_from_images_zeros_included():
    counts, *_ = study()
    basis, values = build()
    composition = images.composition_of(raster.invert(raster.rasterize(values, basis, np.float32), basis), basis)
    total = counts.sum(axis=1, keepdims=True) + 0.5 * counts.shape[1]
    np.testing.assert_array_equal(np.rint(composition * total - 0.5), counts)


def test_samples_outside_training_change_no_constant():
    counts, *_ = study()
    basis, values = build(counts)
    counts = np.where(TRAIN[:, None], counts, counts[:, ::-1] * 3 + 1)
    other, changed = build(counts)
    for name, array in vars(basis).items():
        np.testing.assert_array_equal(getattr(other, name), array)
    np.testing.assert_array_equal(changed[TRAIN], values[TRAIN])
    assert not np.allclose(changed[~TRAIN], values[~TRAIN])


def test_training_values_and_training_images_are_standardised():
    basis, values = build()
    np.testing.assert_allclose(values[TRAIN].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(values[TRAIN].std(axis=0), 1)
    normalised = raster.normalize(raster.rasterize(values[TRAIN], basis), basis)
    np.testing.assert_allclose(normalised.mean(axis=(0, 2, 3)), 0, atol=1e-10)
    np.testing.assert_allclose(normalised.std(axis=(0, 2, 3)), 1, atol=1e-10)


def test_a_single_training_sample_gives_finite_values():
    _, values = build(train=np.arange(30) == 0)
    assert np.isfinite(values).all()


def test_bandwidth_is_half_the_distance_to_the_nearest_within_its_bounds():
    cells = np.array([[0, 0], [0, 1], [10, 0], [10, 2], [20, 20]])
    np.testing.assert_allclose(images.bandwidths(cells, 0.7, 1.5), [0.7, 0.7, 1.0, 1.0, 1.5])
    np.testing.assert_allclose(images.bandwidths(cells[:1], 0.7, 1.5), [1.5])


def test_a_smaller_image_still_gives_every_taxon_its_pixel():
    basis, _ = build(size=8)
    assert len(np.unique(np.stack([basis.row, basis.col]), axis=1).T) == 40
    assert max(basis.row.max(), basis.col.max()) < 8


def test_quality_counts_what_matters():
    counts, *_ = study()
    basis, values = build()
    quality = images.image_quality(values, np.linspace(0.5, 1, 30), basis, 0)
    assert quality["shared_pixels"] == 0
    assert 0 <= quality["inverse_l1_mean"] <= quality["inverse_l1_worst"] < 1e-4
    assert 1 < quality["condition_number"] < 100
    assert (quality["reads_kept_median"], quality["reads_kept_least"]) == (0.75, 0.5)
    assert len(quality["channels"]) == 16
    assert [row["share"] for row in quality["noise"]] == list(images.NOISE)
    errors = [row["l1_mean"] for row in quality["noise"]]
    assert errors == sorted(errors)
    assert errors[0] < 0.01 < quality["mean_composition_l1"]


def noise_of_one_percent(counts, positions, profiles, **changes):
    """Worst L1 distance of a sample's composition when pixels have noise of 1 % of the image's standard deviation."""
    train = np.arange(len(counts)) % 5 < 4
    basis, values = images.build_basis(counts, train, positions, 64, profiles, CONFIG | {"size": 64} | changes)
    return images.perturbed(values[:20], basis, [0.01], 0).max()


def profiles_of(taxa, channels, alike=1.0):
    shares = np.random.default_rng(0).dirichlet(np.full(channels, alike), len(taxa))
    return pd.DataFrame(shares, index=taxa, columns=[f"c{i}" for i in range(channels)])


NOISE_LIMIT = 0.03  # L1


@pytest.mark.parametrize("normalise", ["fixed", "minmax"])
@pytest.mark.parametrize("kernel", ["point", "integrated"])
def test_noise_of_one_percent_moves_the_composition_of_452_taxa_by_less_than_3_percent(normalise, kernel):
    counts, positions, channels = study(50, 452, 64)
    changes = {"normalise": normalise, "kernel": kernel}
    assert noise_of_one_percent(counts, positions, channels, **changes) < NOISE_LIMIT
    alike = profiles_of(list(positions["taxon"]), 16, alike=100.0)
    assert noise_of_one_percent(counts, positions, alike, **changes) < NOISE_LIMIT


def test_noise_moves_the_composition_of_452_real_taxa_by_less_than_3_percent(data):
    """Global gut, laid out on 64 cells by the tree; these taxa have no sequences: no functions, or made-up ones."""
    counts, tree, taxa = prevalent_taxa(data, 452)
    tree = trees.tree_arrays(tree)
    cells, _ = lay_out(tree_distances(tree, taxa), tree, taxa, "tsne", 64, 12, 0)
    positions = pd.DataFrame({"taxon": taxa, "row": cells[:, 0], "col": cells[:, 1]})
    counts = counts[::10]
    without, made_up = profiles_of(taxa, 16) * 0 + 1 / 16, profiles_of(taxa, 16)
    for profiles, normalise in [(without, "fixed"), (without, "minmax"), (made_up, "fixed"), (made_up, "minmax")]:
        for values in ("clr", "abundance"):
            error = noise_of_one_percent(counts, positions, profiles, normalise=normalise, values=values)
            assert error < NOISE_LIMIT, (normalise, values)


def test_what_noise_does_is_what_it_does_to_the_inverse():
    basis, values = build()
    (found,) = images.perturbed(values[:3], basis, [0.1], 5)
    seen = raster.normalize(raster.rasterize(values[:3], basis), basis)
    noise = np.random.default_rng(5).normal(size=seen.shape) * seen.std(axis=(1, 2, 3), keepdims=True)
    back = raster.invert(raster.denormalize(seen + 0.1 * noise, basis), basis)
    truth = images.composition_of(values[:3], basis)
    np.testing.assert_allclose(np.abs(images.composition_of(back, basis) - truth).sum(axis=1), found)
    np.testing.assert_array_equal(images.perturbed(values[:3], basis, [0.0], 5) < 1e-12, True)


def test_files_return_what_was_written_and_are_the_same_each_time(tmp_path):
    counts, *_ = study()
    basis, values = build()
    for name in ("first", "again"):
        images.save_basis(basis, tmp_path / f"{name}_basis.npz")
        images.save_composition(
            tmp_path / f"{name}.npz", list("ab"), basis, values[:2], counts[:2], np.array([1250, 1250])
        )
    for name in ("basis.npz", ".npz"):
        suffix = f"_{name}" if name == "basis.npz" else name
        assert (tmp_path / f"first{suffix}").read_bytes() == (tmp_path / f"again{suffix}").read_bytes()
    loaded = images.load_basis(tmp_path / "first_basis.npz")
    for name, array in vars(basis).items():
        np.testing.assert_array_equal(getattr(loaded, name), array)
    stored = images.load_composition(tmp_path / "first.npz")
    np.testing.assert_array_equal(stored["counts"], counts[:2])
    np.testing.assert_allclose(stored["kept"], 0.8)
    assert int(stored["depth"]) == 1250


def test_an_absent_composition_is_refused_with_the_rule_that_writes_it(tmp_path):
    with pytest.raises(InputError, match="no.npz does not exist"):
        images.load_composition(tmp_path / "no.npz")


def test_extremes_are_stored_where_images_need_them_to_turn_back(tmp_path):
    counts, *_ = study()
    for normalise in ("fixed", "minmax"):
        basis, values = build(normalise=normalise)
        path = tmp_path / f"{normalise}.npz"
        images.save_composition(path, [f"s{i}" for i in range(30)], basis, values, counts, np.full(30, 1250))
        assert ("extremes" in images.load_composition(path)) == (normalise == "minmax")
    raw = raster.rasterize(values, basis)
    np.testing.assert_array_equal(images.load_composition(path)["extremes"], raster.extremes(raw))


def test_bandwidths_that_no_kernel_can_have_are_refused_at_the_door():
    check_images(CONFIG)
    check_images(CONFIG | {"kernel": "integrated", "min_bandwidth": 0.5})
    with pytest.raises(InputError, match="min_bandwidth=2 is above images.max_bandwidth=1.5"):
        check_images(CONFIG | {"min_bandwidth": 2})
    with pytest.raises(InputError, match="min_bandwidth=0.6.*raise it to 0.7.*or set images.kernel: integrated"):
        check_images(CONFIG | {"min_bandwidth": 0.6})
    with pytest.raises(InputError, match="min_bandwidth=0.4.*raise it to 0.5 or more$"):
        check_images(CONFIG | {"min_bandwidth": 0.4, "kernel": "integrated"})


def test_what_does_not_fit_is_refused_by_name(tmp_path):
    counts, *_ = study()
    with pytest.raises(InputError, match="images.size=7 has room for 32 taxa, 40 are retained"):
        build(size=7)
    with pytest.raises(InputError, match="lacks 1 of 40 taxa: t3"):
        build(drop=["t3"])
    counts[3] = 0
    with pytest.raises(InputError, match="images.values=abundance"):
        build(counts, values="abundance")
    with pytest.raises(InputError, match="does not exist"):
        images.load_basis(tmp_path / "none.npz")
    np.savez(tmp_path / "old.npz", taxa=np.array(["a"]))
    with pytest.raises(InputError, match="another version"):
        images.load_basis(tmp_path / "old.npz")
