"""Images: our splat against the literal loop and against reading a store, our inverse against the weighted average."""

import time
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory

import numba
import numpy as np
import torch
import zarr

from taxoscape import image_store, images, raster
from taxoscape.basis import Basis

TAXA, SIZE, CHANNELS, SAMPLES, DEPTH = 452, 256, 16, 32, 10_000
LOADED, LOADED_SIZE, BATCH = 2000, 64, 64  # samples, pixels, samples of a batch, of the training loader
LOOPED = 2  # taxa that the literal loop is timed on; its time grows with their number
THREADS = 2
SMOKE = {"TAXA": 10, "SIZE": 16, "CHANNELS": 3, "SAMPLES": 2, "LOADED": 12, "LOADED_SIZE": 16, "BATCH": 4}


def rows() -> list[dict]:
    """Measured here and now, medians of repeats."""
    basis, values = landscape(SIZE, SAMPLES)
    numba.set_num_threads(min(THREADS, numba.config.NUMBA_NUM_THREADS))
    raster.rasterize(values[:1], basis, np.float32)  # compiles
    splat = seconds(lambda: raster.rasterize(values, basis, np.float32)) / SAMPLES
    start = time.perf_counter()
    literal_loop(values[0], basis, LOOPED)
    loop = (time.perf_counter() - start) * TAXA / LOOPED
    floor = seconds(lambda: np.full((SAMPLES, CHANNELS, SIZE, SIZE), 1, dtype=np.float32)) / SAMPLES
    stack = raster.rasterize(values, basis)
    raster.invert(stack[:1], basis)
    inverse = seconds(lambda: raster.invert(stack, basis), 3) / SAMPLES
    start = time.perf_counter()
    averaged = weighted_average(stack[0], basis)
    average = time.perf_counter() - start
    truth = images.composition_of(values, basis)
    ours = l1(images.composition_of(raster.invert(stack, basis), basis), truth)
    theirs = l1(images.composition_of(averaged[None], basis), truth[:1])
    size = f"{TAXA} taxa, {SIZE} px x {CHANNELS}"
    loop_note = f"{size}; loop timed on {LOOPED} taxa and scaled; ours float32, {THREADS} threads"
    return [
        row("rasterize, against the literal loop", splat, loop, loop / splat, "s/image", loop_note),
        row(
            "rasterize, against writing the memory",
            splat,
            floor,
            splat / floor,
            "s/image",
            f"{size}; ratio: ours/floor",
        ),
        row("inverse, error against weighted average", ours, theirs, theirs / ours, "L1", f"{size}; float64"),
        row("inverse, time against weighted average", inverse, average, average / inverse, "s/image", size),
        *loading(),
    ]


def loading() -> list[dict]:
    """Batches of normalised images as torch tensors: rasterized from values, against read from the image store."""
    basis, values = landscape(LOADED_SIZE, LOADED)
    orders = {"in order": np.arange(LOADED), "shuffled": np.random.default_rng(0).permutation(LOADED)}
    found = []
    with TemporaryDirectory() as folder:
        image_store.write_store(folder, values, basis, [str(sample) for sample in range(LOADED)])
        stored = image_store.open_store(folder)["images"]
        for name, order in orders.items():
            batches = np.split(order, range(BATCH, LOADED, BATCH))
            read = seconds(partial(tensors, batches, lambda batch: read_batch(stored, batch)), 3)
            ours = seconds(partial(tensors, batches, lambda batch: rasterized(values[batch], basis)), 3)
            note = (
                f"{LOADED:,} images of {TAXA} taxa, {LOADED_SIZE} px x {CHANNELS}, float32, batches of {BATCH}, "
                f"{THREADS} threads; other: zarr, files cached by the system"
            )
            what = f"loading images {name}, against reading them"
            found.append(row(what, ours / LOADED, read / LOADED, read / ours, "s/image", note))
    return found


def tensors(batches: list[np.ndarray], images_of: Callable) -> list[torch.Tensor]:
    return [torch.from_numpy(images_of(batch)) for batch in batches]


def rasterized(values: np.ndarray, basis: Basis) -> np.ndarray:
    return raster.normalize(raster.rasterize(values, basis, np.float32), basis)


def read_batch(stored: zarr.Array, batch: np.ndarray) -> np.ndarray:
    """Images at the places of a batch; a batch in order is read as one slice, which is faster."""
    in_order = (np.diff(batch) == 1).all()
    return stored[batch[0] : batch[-1] + 1] if in_order else stored.oindex[batch]


def row(name: str, ours: float, other: float, ratio: float, unit: str, note: str) -> dict:
    return {"name": name, "ours": ours, "other": other, "ratio": ratio, "unit": unit, "note": note}


def seconds(call: Callable, repeats: int = 7) -> float:
    """Median wall time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def landscape(side: int, samples: int) -> tuple[Basis, np.ndarray]:
    """Taxa on distinct random cells and the values of sparse made-up communities."""
    rng = np.random.default_rng(0)
    row_, col = np.divmod(rng.choice(side * side, TAXA, replace=False), side)
    counts = rng.multinomial(DEPTH, rng.dirichlet(np.full(TAXA, 0.1), samples))
    raw = images.raw_values(counts, "clr", 0.5)
    mean, std = images.standardisation(raw, "clr")
    basis = Basis(
        taxa=np.arange(TAXA).astype(str),
        row=row_.astype(float),
        col=col.astype(float),
        sigma=images.bandwidths(np.stack([row_, col], axis=1), 0.7, 1.5),
        channels=rng.dirichlet(np.ones(CHANNELS), TAXA),
        channel_names=np.arange(CHANNELS).astype(str),
        size=side,
        channel_mean=np.zeros(CHANNELS),
        channel_std=np.ones(CHANNELS),
        value_mean=mean,
        value_std=std,
        values="clr",
        pseudocount=0.5,
        kernel="point",
        normalise="fixed",
    )
    return basis, (raw - mean) / std


def literal_loop(values: np.ndarray, basis: Basis, taxa: int) -> np.ndarray:
    """The defining sum over taxa and pixels, channels at once, as one writes it first."""
    image = np.zeros((basis.size, basis.size, basis.channels.shape[1]))
    for i in range(taxa):
        for h in range(basis.size):
            for w in range(basis.size):
                squared = (h - basis.row[i]) ** 2 + (w - basis.col[i]) ** 2
                image[h, w] += values[i] * np.exp(-squared / (2 * basis.sigma[i] ** 2)) * basis.channels[i]
    return image


def weighted_average(image: np.ndarray, basis: Basis) -> np.ndarray:
    """Values [D] read off an image [C, H, W] as its kernel- and profile-weighted average at each taxon."""
    pixels = np.arange(basis.size)
    values = np.empty(len(basis.taxa))
    for i, profile in enumerate(basis.channels):
        squared = (pixels[:, None] - basis.row[i]) ** 2 + (pixels[None, :] - basis.col[i]) ** 2
        kernel = np.exp(-squared / (2 * basis.sigma[i] ** 2))
        weight = profile[:, None, None] * kernel
        values[i] = (weight * image).sum() / weight.sum()
    return values


def l1(a: np.ndarray, b: np.ndarray) -> float:
    """Mean L1 distance between compositions."""
    return float(np.abs(a - b).sum(axis=1).mean())
