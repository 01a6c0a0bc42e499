"""Images: our splat against the literal loop, our inverse against the weighted average, on one made-up landscape."""

import time
from collections.abc import Callable

import numba
import numpy as np

from taxoscape import images, raster
from taxoscape.basis import Basis

TAXA, SIZE, CHANNELS, SAMPLES, DEPTH = 452, 256, 16, 32, 10_000
LOOPED = 2  # taxa that the literal loop is timed on; its time grows with their number
THREADS = 2


def rows() -> list[dict]:
    """Measured here and now, medians of repeats."""
    basis, values = landscape()
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
    ]


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


def landscape() -> tuple[Basis, np.ndarray]:
    """Taxa on distinct random cells and the values of sparse made-up communities."""
    rng = np.random.default_rng(0)
    row_, col = np.divmod(rng.choice(SIZE * SIZE, TAXA, replace=False), SIZE)
    counts = rng.multinomial(DEPTH, rng.dirichlet(np.full(TAXA, 0.1), SAMPLES))
    raw = images.raw_values(counts, "clr", 0.5)
    mean, std = images.standardisation(raw, "clr")
    basis = Basis(
        taxa=np.arange(TAXA).astype(str),
        row=row_.astype(float),
        col=col.astype(float),
        sigma=images.bandwidths(np.stack([row_, col], axis=1), 0.7, 1.5),
        channels=rng.dirichlet(np.ones(CHANNELS), TAXA),
        channel_names=np.arange(CHANNELS).astype(str),
        size=SIZE,
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
