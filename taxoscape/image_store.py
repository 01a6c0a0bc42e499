"""Image store: the images of all samples as a zarr array, for tools that read pixels and not compositions.

results/images/images.zarr is a zarr group (format 3) with `images` [N, C, size, size] float32, normalised as the basis
says, one chunk a sample and many samples a shard, and where normalise is minmax `extremes` [N, 2]. Shards are written
one after another, each whole or absent; progress.json counts them, complete.json is written at the very end. A killed
job goes on where it was, if basis, values and samples are the same ones.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import zarr

from taxoscape import raster
from taxoscape.basis import Basis
from taxoscape.errors import InputError
from taxoscape.files import write_json

SHARD = 2**26  # bytes of images in a shard, about
MOST_SAMPLES = 256  # of a shard
PROGRESS, COMPLETE = "progress.json", "complete.json"


def write_store(folder: str | Path, values: np.ndarray, basis: Basis, samples: list[str]) -> None:
    """Write the images of values [N, D] into `folder`, or what a killed run has left to write.

    A store of other values, samples or another basis is removed first.
    """
    folder = Path(folder)
    shape = (len(values), basis.channels.shape[1], basis.size, basis.size)
    step = samples_per_shard(shape)
    same = fingerprint(values, basis, samples)
    done = shards_done(folder, same)
    if done:
        group = zarr.open_group(folder, mode="r+")
        print(f"{done} of {-(-shape[0] // step)} shards are there: going on")
    else:
        group = new_store(folder, shape, step, basis, samples)
    (folder / COMPLETE).unlink(missing_ok=True)
    for shard in range(done, -(-shape[0] // step)):
        part = slice(shard * step, min((shard + 1) * step, shape[0]))
        raw = raster.rasterize(values[part], basis, np.float32)
        group["images"][part] = raster.normalize(raw, basis)
        if basis.normalise == "minmax":
            group["extremes"][part] = raster.extremes(raw)
        write_json({"fingerprint": same, "shards": shard + 1}, folder / PROGRESS)
    content = {"fingerprint": same, "shape": shape, "samples_per_shard": step, "normalise": basis.normalise}
    write_json(content, folder / COMPLETE)


def open_store(folder: str | Path) -> zarr.Group:
    """Open a complete store for reading; raises InputError where it is absent or half written."""
    if not (Path(folder) / COMPLETE).is_file():
        raise InputError(f"image store {folder} is absent or not complete: run snakemake with images.store: zarr")
    return zarr.open_group(folder, mode="r")


def new_store(folder: Path, shape: tuple, step: int, basis: Basis, samples: list[str]) -> zarr.Group:
    """Empty store of images of `shape`, with what a reader needs to know as attributes."""
    shutil.rmtree(folder, ignore_errors=True)
    attributes = {
        "samples": list(samples),
        "channels": [str(name) for name in basis.channel_names],
        "normalise": basis.normalise,
        "values": basis.values,
    }
    group = zarr.create_group(folder, attributes=attributes, overwrite=True)
    group.create_array("images", shape=shape, chunks=(1, *shape[1:]), shards=(step, *shape[1:]), dtype="float32")
    if basis.normalise == "minmax":
        group.create_array("extremes", shape=(shape[0], 2), chunks=(step, 2), dtype="float32")
    return group


def samples_per_shard(shape: tuple) -> int:
    """Samples whose float32 images [N, C, H, W] fill a shard, one at least."""
    return int(np.clip(SHARD // (4 * np.prod(shape[1:])), 1, min(MOST_SAMPLES, shape[0])))


def shards_done(folder: Path, same: str) -> int:
    """Shards that a run with this fingerprint has written whole; 0 where there was none."""
    path = folder / PROGRESS
    found = json.loads(path.read_text()) if path.is_file() else {}
    return found["shards"] if found.get("fingerprint") == same else 0


def fingerprint(values: np.ndarray, basis: Basis, samples: list[str]) -> str:
    """Hex digest of all that decides the bytes of a store."""
    digest = hashlib.sha256(json.dumps([zarr.__version__, list(samples)]).encode())
    for name, array in sorted((vars(basis) | {"sample_values": values}).items()):
        array = np.ascontiguousarray(array)
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:16]
