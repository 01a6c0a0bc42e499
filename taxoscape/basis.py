"""Basis of the images: where each taxon sits, how wide, what it can do, and the constants of the training samples."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from taxoscape import inputs
from taxoscape.errors import InputError
from taxoscape.files import read_npz, write_npz

# Least bandwidth (pixels) at which a kernel is a bell and not a lone pixel: sampled at pixel centres, or integrated
# over pixels, which blurs it once more (by 1 / 12 in variance).
FLOORS = {"point": 0.7, "integrated": 0.5}


@dataclass(frozen=True)
class Basis:
    """All that turns values [N, D] into images [N, C, size, size] and back; D taxa, C channels."""

    taxa: np.ndarray  # [D] ids
    row: np.ndarray  # [D] pixels; whole numbers are pixel centres, 0 is the top row
    col: np.ndarray  # [D] pixels, 0 is the left column
    sigma: np.ndarray  # [D] pixels, standard deviation of the kernel
    channels: np.ndarray  # [D, C] functional profile, rows sum to 1
    channel_names: np.ndarray  # [C]
    size: int  # pixels per side
    channel_mean: np.ndarray  # [C] over pixels and training images
    channel_std: np.ndarray  # [C] over pixels and training images
    value_mean: np.ndarray  # [D] of the training samples (0 for abundances)
    value_std: np.ndarray  # [D] of the training samples (1 for abundances)
    values: str  # clr | abundance
    pseudocount: float  # reads added to every count before the logarithm
    kernel: str  # point | integrated
    normalise: str  # fixed (channel_mean, channel_std) | minmax (each image by its own extremes)


def check_images(config: dict) -> None:
    """Raise InputError for bandwidths of section `images` that no kernel can have."""
    least, most, floor = config["min_bandwidth"], config["max_bandwidth"], FLOORS[config["kernel"]]
    if least > most:
        raise InputError(f"images.min_bandwidth={least} is above images.max_bandwidth={most}: exchange them")
    if least < floor:
        other = ", or set images.kernel: integrated (from 0.5)" if FLOORS["integrated"] <= least else ""
        raise InputError(
            f"images.min_bandwidth={least} is too narrow for images.kernel: {config['kernel']}: "
            f"raise it to {floor} or more{other}"
        )


def save_basis(basis: Basis, path: str | Path) -> None:
    """Write a basis as npz, one array per field."""
    write_npz(path, **{field.name: getattr(basis, field.name) for field in fields(Basis)})


def load_basis(path: str | Path) -> Basis:
    """Read a basis; raises InputError when the file is missing, broken or lacks a field."""
    arrays = read_npz(path, [field.name for field in fields(Basis)])
    scalars = {"size": int, "values": str, "pseudocount": float, "kernel": str, "normalise": str}
    with inputs.foreign(f"{path}, the basis of the images,", "remove it and run its stage again"):
        basis = Basis(**{name: scalars[name](array) if name in scalars else array for name, array in arrays.items()})
        _check_shapes(basis)
    return basis


def _check_shapes(basis: Basis) -> None:
    """Raise ValueError unless the arrays are of D taxa and C channels, their numbers finite."""
    taxa, channels = np.shape(basis.taxa), np.shape(basis.channel_names)
    shapes = dict.fromkeys(("taxa", "row", "col", "sigma", "value_mean", "value_std"), taxa)
    shapes |= dict.fromkeys(("channel_names", "channel_mean", "channel_std"), channels) | {"channels": taxa + channels}
    for name, shape in shapes.items():
        array = getattr(basis, name)
        if array.shape != shape or len(array) == 0 or not (array.dtype.kind == "U" or np.isfinite(array).all()):
            raise ValueError(f"{name} is of shape {array.shape} in place of {shape}, or not finite")
