"""Images: standardised values of samples, and the basis that turns them into pictures and back.

v = (clr(counts + pseudocount) - mean) / std with the training samples' constants, or relative abundances as they are.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from threadpoolctl import threadpool_limits

from taxoscape import raster
from taxoscape.basis import Basis, load_basis, save_basis
from taxoscape.compositions import add_pseudocount, closure, clr, clr_inverse
from taxoscape.errors import InputError, examples
from taxoscape.files import read_npz, write_npz
from taxoscape.layout.select import check_room
from taxoscape.layout.snap import rescale

__all__ = ["Basis", "load_basis", "save_basis"]  # with the functions below, what other stages need of images

MIN_VALUE_STD = 0.05  # natural-log units; taxa that hardly vary in training are not blown up
MIN_CHANNEL_STD = 1e-12  # image units; below it a channel is blank
SPREAD = 0.5  # bandwidth as a share of the distance to the nearest taxon
BATCH = 64  # images in memory at a time
NOISE = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # standard deviation of noise as a share of that of an image's pixels
PROBED = 32  # samples whose images get noise


def raw_values(counts: np.ndarray, values: str, pseudocount: float) -> np.ndarray:
    """Values before standardisation [N, D] of counts [N, D]: `clr` (natural-log units) or `abundance` (shares)."""
    return clr(add_pseudocount(counts, pseudocount)) if values == "clr" else closure(counts)


def shares(counts: np.ndarray) -> np.ndarray:
    """Shares [N, D] of a sample's reads among the retained taxa; zeros for a sample without any."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def values_of(counts: np.ndarray, basis: Basis) -> np.ndarray:
    """Values [N, D] of counts [N, D] of other samples, by the basis' constants; without any read, abundances are 0."""
    raw = shares(counts) if basis.values == "abundance" else raw_values(counts, basis.values, basis.pseudocount)
    return (raw - basis.value_mean) / basis.value_std


def composition_of(values: np.ndarray, basis: Basis) -> np.ndarray:
    """Compositions [N, D] of values [N, D]; of `clr` values they hold the pseudocount and no zero."""
    raw = values * basis.value_std + basis.value_mean
    return clr_inverse(raw) if basis.values == "clr" else closure(np.maximum(raw, 0.0))


def build_basis(
    counts: np.ndarray, train: np.ndarray, positions: pd.DataFrame, grid: int, channels: pd.DataFrame, config: dict
) -> tuple[Basis, np.ndarray]:
    """Basis fitted on the training samples, and the values [N, D] of all samples.

    counts [N, D] of the retained taxa; train [N] bool; positions (taxon, row, col) in cells of a grid x grid raster;
    channels [taxa, C], index taxon; config: section `images`. Raises InputError when the taxa do not fit the image, a
    taxon has no profile or, for abundances, a sample has no read of them.
    """
    taxa, size = list(positions["taxon"]), config["size"]
    check_room(len(taxa), size, "images.size")
    missing = [taxon for taxon in taxa if taxon not in channels.index]
    if missing:
        raise InputError(f"functions/channels.tsv lacks {len(missing)} of {len(taxa)} taxa: {examples(missing)}")
    if config["values"] == "abundance" and (counts.sum(axis=1) == 0).any():
        raise InputError("images.values=abundance: a sample has no read of the retained taxa; lower layout.prevalence")
    cells = rescale(positions[["row", "col"]].to_numpy(dtype=np.int64), grid, size)
    raw = raw_values(counts, config["values"], config["pseudocount"])
    mean, std = standardisation(raw[train], config["values"])
    basis = Basis(
        taxa=np.array(taxa),
        row=cells[:, 0].astype(np.float64),
        col=cells[:, 1].astype(np.float64),
        sigma=bandwidths(cells, config["min_bandwidth"], config["max_bandwidth"]),
        channels=channels.loc[taxa].to_numpy(dtype=np.float64),
        channel_names=np.array(channels.columns, dtype=str),
        size=size,
        channel_mean=np.zeros(channels.shape[1]),
        channel_std=np.ones(channels.shape[1]),
        value_mean=mean,
        value_std=std,
        values=config["values"],
        pseudocount=float(config["pseudocount"]),
        kernel=config["kernel"],
        normalise=config["normalise"],
    )
    values = (raw - mean) / std
    channel_mean, channel_std = channel_constants(values[train], basis)
    return Basis(**{**vars(basis), "channel_mean": channel_mean, "channel_std": channel_std}), values


def standardisation(raw: np.ndarray, values: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation [D] of training values [N, D]; abundances stay as they are (0 and 1)."""
    if values == "abundance":
        return np.zeros(raw.shape[1]), np.ones(raw.shape[1])
    return raw.mean(axis=0), np.maximum(raw.std(axis=0), MIN_VALUE_STD)


def bandwidths(cells: np.ndarray, least: float, most: float) -> np.ndarray:
    """Kernel widths [D] in pixels: half the distance to the nearest other taxon, between `least` and `most`."""
    nearest = cKDTree(cells).query(cells, k=2)[0][:, 1] if len(cells) > 1 else np.array([np.inf])
    return np.clip(SPREAD * nearest, least, most)


def channel_constants(values: np.ndarray, basis: Basis) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation [C] of raw images over training samples and pixels; a blank channel gets std 1."""
    total, squares = 0.0, 0.0
    for start in range(0, len(values), BATCH):
        images = raster.rasterize(values[start : start + BATCH], basis)
        total = total + images.sum(axis=(0, 2, 3))
        squares = squares + (images**2).sum(axis=(0, 2, 3))
    pixels = len(values) * basis.size**2
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 0.0))
    return mean, np.where(std > MIN_CHANNEL_STD, std, 1.0)


def image_extremes(values: np.ndarray, basis: Basis) -> np.ndarray:
    """Least and largest value [N, 2] of the raw images of values [N, D], a batch in memory at a time."""
    starts = range(0, len(values), BATCH)
    return np.concatenate([raster.extremes(raster.rasterize(values[at : at + BATCH], basis)) for at in starts])


def perturbed(values: np.ndarray, basis: Basis, levels: Sequence[float], seed: int) -> np.ndarray:
    """L1 distances [levels, N] between compositions and those read off images with noise in every pixel.

    values [N, D]. Normal noise, independent between pixels and channels, is added to the images as models see them
    (normalised); its standard deviation is `level` times that of the image's own pixels. The inverse is linear: what
    one draw of noise does to the values of a sample is computed once and scaled.
    """
    raw = raster.rasterize(values, basis)
    seen = raster.normalize(raw, basis)
    noise = np.random.default_rng(seed).normal(size=seen.shape) * seen.std(axis=(1, 2, 3), keepdims=True)
    shift = raster.invert(raster.denormalize(seen + noise, basis, raster.extremes(raw)), basis) - values
    truth = composition_of(values, basis)
    returned = [composition_of(values + level * shift, basis) for level in levels]
    return np.abs(np.array(returned) - truth).sum(axis=2)


@threadpool_limits.wrap(limits=1)  # sums of more threads differ in their last digits
def image_quality(values: np.ndarray, kept: np.ndarray, basis: Basis, seed: int) -> dict:
    """Figures of the images: how exactly they turn back, conditioning, reads kept, and each channel's statistics.

    values [N, D], kept [N] (share of a sample's reads in retained taxa). The inverse error is the L1 distance between
    a sample's composition and the one computed back from its float32 image; `noise` has that distance for images with
    noise (`perturbed`; at most PROBED samples, drawn by the seed), beside that to the mean composition.
    """
    factor, errors = raster.factorize(basis), []
    for start in range(0, len(values), BATCH):
        batch = values[start : start + BATCH]
        returned = raster.invert(raster.rasterize(batch, basis, np.float32), basis, factor=factor)
        errors.append(np.abs(composition_of(returned, basis) - composition_of(batch, basis)).sum(axis=1))
    errors = np.concatenate(errors)
    probed = values[np.random.default_rng(seed).permutation(len(values))[:PROBED]]
    noisy = np.concatenate(
        [perturbed(probed[at : at + 8], basis, NOISE, seed + at) for at in range(0, PROBED, 8)], axis=1
    )
    truth = composition_of(values, basis)
    pixels = np.stack([basis.row, basis.col], axis=1)
    return {
        "samples": len(values),
        "taxa": len(basis.taxa),
        "pixels_per_side": basis.size,
        "shared_pixels": len(pixels) - len(np.unique(pixels, axis=0)),
        "inverse_l1_mean": errors.mean(),
        "inverse_l1_worst": errors.max(),
        "condition_number": raster.condition_number(basis),
        "mean_composition_l1": np.abs(truth - truth.mean(axis=0)).sum(axis=1).mean(),
        "noise": [
            {"share": share, "l1_mean": row.mean(), "l1_worst": row.max()}
            for share, row in zip(NOISE, noisy, strict=True)
        ],
        "reads_kept_median": np.median(kept),
        "reads_kept_least": kept.min(),
        "channels": [
            {"channel": name, "profile_mean": profile.mean(), "image_mean": mean, "image_std": std}
            for name, profile, mean, std in zip(
                basis.channel_names, basis.channels.T, basis.channel_mean, basis.channel_std, strict=True
            )
        ],
    }


def save_composition(
    path: str | Path, samples: list[str], basis: Basis, values: np.ndarray, counts: np.ndarray, depths: np.ndarray
) -> None:
    """Write composition.npz: samples [N], taxa [D], values [N, D], counts [N, D], depth (reads), kept [N] (share).

    depths [N]: all rarefied reads of each sample, the same for all. Where images are normalised by their own extremes,
    these come along: extremes [N, 2] of the raw images.
    """
    kept = counts.sum(axis=1) / depths
    arrays = {"samples": np.array(samples), "taxa": basis.taxa, "values": values, "counts": counts}
    if basis.normalise == "minmax":
        arrays["extremes"] = image_extremes(values, basis)
    write_npz(path, **arrays, depth=np.int64(depths[0]), kept=kept)


def load_composition(path: str | Path) -> dict[str, np.ndarray]:
    """Read composition.npz as arrays by name."""
    return read_npz(path)
