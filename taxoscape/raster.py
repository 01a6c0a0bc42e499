"""Raster: the linear map from values of taxa to an image, and its exact inverse.

    I(h, w, c) = sum_i v_i K_i(h, w) f_ic

v values [D], f functional profiles [D, C], K_i a Gaussian of sigma_i pixels around taxon i, sampled at pixel centres
or integrated over pixels, cut off TRUNCATE sigmas away and then divided by its sum over the pixels of the image, so
that sum_hw I(h, w, c) = sum_i v_i f_ic also at the edges. The cut is a square, so K_i(h, w) = a_i(h) b_i(w) with both
factors of sum 1: the Gram matrix of the map is the elementwise product (a a^T) (b b^T) (f f^T), and no [D, H W] matrix
is ever needed.
"""

import numba
import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.special

from taxoscape.basis import Basis
from taxoscape.compiled import compiled
from taxoscape.errors import InputError

TRUNCATE = 5.0  # sigmas; what is cut off is below 4e-6 of the peak
ONE, TWO, THREE, STRIDE = (np.uintp(columns) for columns in (1, 2, 3, 4))
SINGULAR = 1e-12  # smallest pivot of the Gram matrix, as a share of its largest entry, that float64 can invert


def profiles(centre: np.ndarray, sigma: np.ndarray, size: int, kernel: str = "point") -> np.ndarray:
    """Gaussian profiles [D, size] along one axis, cut off and divided by their sums; `centre`, `sigma` [D] in pixels.

    `point`: the density at each pixel's centre; `integrated`: its integral over each pixel, Phi((x + 1/2 - c) / sigma)
    - Phi((x - 1/2 - c) / sigma), which stays faithful below a sigma of 0.7. Raises ValueError for a centre outside the
    image, a sigma of 0 or less and an unknown kernel.
    """
    centre, sigma = np.asarray(centre, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    if not ((centre > -0.5) & (centre < size - 0.5)).all():
        raise ValueError(f"a taxon lies outside the image of {size} pixels")
    if not (sigma > 0).all():
        raise ValueError("kernels need a sigma above 0")
    if kernel == "integrated":
        return _integrated(centre, sigma, size)
    if kernel != "point":
        raise ValueError(f"kernel {kernel!r} is neither point nor integrated")
    distance = np.arange(size)[None, :] - centre[:, None]
    # Half a pixel is the least reach at which the nearest pixel centre is always inside.
    reach = np.maximum(TRUNCATE * sigma, 0.5)[:, None]
    exponent = np.where(np.abs(distance) <= reach, -0.5 * (distance / sigma[:, None]) ** 2, -np.inf)
    profile = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return profile / profile.sum(axis=1, keepdims=True)


def _integrated(centre: np.ndarray, sigma: np.ndarray, size: int) -> np.ndarray:
    distance = np.arange(size)[None, :] - centre[:, None]
    # Mirrored onto the left tail, where the integral keeps its digits.
    near, far = (scipy.special.ndtr((-np.abs(distance) + half) / sigma[:, None]) for half in (0.5, -0.5))
    profile = np.where(np.abs(distance) <= (TRUNCATE * sigma)[:, None] + 0.5, near - far, 0.0)
    return profile / profile.sum(axis=1, keepdims=True)


def kernels(basis: Basis) -> np.ndarray:
    """Kernels [D, size, size], each of sum 1."""
    rows, columns = factors(basis)
    return rows[:, :, None] * columns[:, None, :]


def factors(basis: Basis) -> tuple[np.ndarray, np.ndarray]:
    """Profiles [D, size] of all kernels along rows and along columns."""
    rows, columns = (profiles(centre, basis.sigma, basis.size, basis.kernel) for centre in (basis.row, basis.col))
    return rows, columns


def rasterize(values: np.ndarray, basis: Basis, dtype: type = np.float64) -> np.ndarray:
    """Images [N, C, size, size] of values [N, D], raw (not normalised): channel sums = values @ basis.channels.

    Sparse splat, in parallel over samples; each pixel is summed over taxa in their order, whatever the threads.
    """
    values = np.ascontiguousarray(np.atleast_2d(values), dtype=dtype)
    if values.shape[1] != len(basis.taxa):
        raise ValueError(f"values of {values.shape[1]} taxa do not fit a basis of {len(basis.taxa)}")
    rows, columns = factors(basis)
    images = np.zeros((len(values), basis.channels.shape[1], basis.size, basis.size), dtype=dtype)
    _splat(
        values,
        basis.channels.astype(dtype),
        rows.astype(dtype),
        columns.astype(dtype),
        *_windows(rows, columns),
        images,
    )
    return images


def standardize(images: np.ndarray, basis: Basis) -> np.ndarray:
    """Images standardised by channel with the training constants: mean 0, std 1 over the training pixels."""
    mean, std = _constants(images, basis)
    return (images - mean) / std


def extremes(images: np.ndarray) -> np.ndarray:
    """Least and largest value [N, 2] of each raw image [N, C, H, W], over all its channels."""
    return np.stack([images.min(axis=(1, 2, 3)), images.max(axis=(1, 2, 3))], axis=1)


def normalize(images: np.ndarray, basis: Basis) -> np.ndarray:
    """Images [N, C, H, W] as models see them: `fixed`, standardised; `minmax`, each stretched to 0-1 by its extremes.

    minmax takes the scale away from every image; only its `extremes`, kept beside it, give it back.
    """
    if basis.normalise == "fixed":
        return standardize(images, basis)
    low, span = _spans(extremes(images), images.dtype)
    return (images - low) / span


def denormalize(images: np.ndarray, basis: Basis, pairs: np.ndarray | None = None) -> np.ndarray:
    """Raw images of normalised ones: the inverse of `normalize`; minmax needs the `extremes` [N, 2] of the raw ones."""
    if basis.normalise == "fixed":
        mean, std = _constants(images, basis)
        return images * std + mean
    if pairs is None:
        raise ValueError("images stretched by their own extremes turn back with these only")
    low, span = _spans(pairs, images.dtype)
    return images * span + low


def _constants(images: np.ndarray, basis: Basis) -> list[np.ndarray]:
    return [constant.astype(images.dtype)[:, None, None] for constant in (basis.channel_mean, basis.channel_std)]


def _spans(pairs: np.ndarray, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Least value and extent [N, 1, 1, 1]; an image of one value has extent 1."""
    low, high = np.asarray(pairs, dtype=dtype).T[:, :, None, None, None]
    return low, np.where(high > low, high - low, np.ones_like(high))


def gram(basis: Basis) -> np.ndarray:
    """Gram matrix [D, D] of the raster map: inner products of the images of single taxa."""
    rows, columns = factors(basis)
    return (rows @ rows.T) * (columns @ columns.T) * (basis.channels @ basis.channels.T)


def condition_number(basis: Basis) -> float:
    """Condition number of the raster map: how much relative noise an inversion can amplify, at worst."""
    eigenvalues = np.linalg.eigvalsh(gram(basis))
    return float(np.sqrt(eigenvalues[-1] / eigenvalues[0])) if eigenvalues[0] > 0 else float("inf")


def adjoint(images: np.ndarray, basis: Basis) -> np.ndarray:
    """Inner products [N, D] of images [N, C, H, W] with the images of single taxa, summed in float64."""
    rows, columns = factors(basis)
    images = np.ascontiguousarray(images)
    products = np.zeros((len(images), len(basis.taxa)))
    _gather(images, basis.channels.astype(np.float64), rows, columns, *_windows(rows, columns), products)
    return products


def factorize(basis: Basis) -> np.ndarray:
    """Lower Cholesky factor [D, D] of the Gram matrix, for `invert`.

    Raises InputError when images do not determine the values: taxa share a pixel, or a channel profile is 0.
    """
    products = gram(basis)
    try:
        factor = np.linalg.cholesky(products)
        singular = np.diagonal(factor).min() ** 2 < SINGULAR * products.diagonal().max()
    except np.linalg.LinAlgError:
        singular = True
    if singular:
        raise InputError(
            f"images of {basis.size} pixels do not determine the values of {len(basis.taxa)} taxa "
            "(shared pixels or wide kernels): raise images.size or lower images.max_bandwidth"
        )
    return factor


def invert(images: np.ndarray, basis: Basis, nonnegative: bool = False, factor: np.ndarray | None = None) -> np.ndarray:
    """Values [N, D] whose images are nearest to raw images [N, C, H, W], by least squares over all channels.

    Exact for images in the range of the map. `nonnegative` keeps values >= 0 (abundances); `factor` is what
    `factorize` returns, to invert many batches with one factorization.
    """
    factor = factorize(basis) if factor is None else factor
    whitened = scipy.linalg.solve_triangular(factor, adjoint(images, basis).T, lower=True)
    if not nonnegative:
        return scipy.linalg.solve_triangular(factor, whitened, lower=True, trans="T").T
    return np.array([scipy.optimize.nnls(factor.T, column)[0] for column in whitened.T])


def _windows(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and one past the last pixel [D, 2] that a kernel touches, for rows and for columns.

    Columns are rounded up to a multiple of STRIDE where the image is wide enough: the kernel is 0 in what is added.
    """
    spans = []
    for profile in (rows, columns):
        touched = profile > 0
        spans.append(np.stack([touched.argmax(axis=1), profile.shape[1] - touched[:, ::-1].argmax(axis=1)], axis=1))
    size, (first, last) = columns.shape[1], spans[1].T
    width = np.minimum(-(-(last - first) // int(STRIDE)) * int(STRIDE), size)
    first = np.minimum(first, size - width)
    return spans[0].astype(np.uintp), np.stack([first, first + width], axis=1).astype(np.uintp)


# Both loops: channels outside, taxa inside, so that one channel's plane stays in the cache; STRIDE columns at a time,
# written out, so that their weights stay in registers down all rows (about twice as fast as a loop over the columns).
# Unsigned indices spare the compiler the look for negative ones.
@compiled(parallel=True)
def _splat(values, channels, rows, columns, row_span, column_span, images):  # images [N, C, H, W], added to
    for n in numba.prange(values.shape[0]):
        for c in range(channels.shape[1]):
            plane = images[n, c]
            for i in range(values.shape[1]):
                amount = values[n, i] * channels[i, c]
                if amount == 0:
                    continue
                w, last = column_span[i]
                while w + STRIDE <= last:
                    x, y, z = w + ONE, w + TWO, w + THREE
                    at_w, at_x, at_y, at_z = columns[i, w], columns[i, x], columns[i, y], columns[i, z]
                    for h in range(row_span[i, 0], row_span[i, 1]):
                        strip = amount * rows[i, h]
                        plane[h, w] += strip * at_w
                        plane[h, x] += strip * at_x
                        plane[h, y] += strip * at_y
                        plane[h, z] += strip * at_z
                    w += STRIDE
                while w < last:  # what is left of an image whose width is no multiple of STRIDE
                    for h in range(row_span[i, 0], row_span[i, 1]):
                        plane[h, w] += amount * rows[i, h] * columns[i, w]
                    w += ONE


@compiled(parallel=True)
def _gather(images, channels, rows, columns, row_span, column_span, products):  # products [N, D], added to
    for n in numba.prange(images.shape[0]):
        for c in range(channels.shape[1]):
            plane = images[n, c]
            for i in range(products.shape[1]):
                w, last = column_span[i]
                seen = 0.0
                while w + STRIDE <= last:
                    x, y, z = w + ONE, w + TWO, w + THREE
                    at_w, at_x, at_y, at_z = 0.0, 0.0, 0.0, 0.0
                    for h in range(row_span[i, 0], row_span[i, 1]):
                        weight = rows[i, h]
                        at_w += plane[h, w] * weight
                        at_x += plane[h, x] * weight
                        at_y += plane[h, y] * weight
                        at_z += plane[h, z] * weight
                    seen += at_w * columns[i, w] + at_x * columns[i, x] + at_y * columns[i, y] + at_z * columns[i, z]
                    w += STRIDE
                while w < last:
                    for h in range(row_span[i, 0], row_span[i, 1]):
                        seen += plane[h, w] * rows[i, h] * columns[i, w]
                    w += ONE
                products[n, i] += seen * channels[i, c]
