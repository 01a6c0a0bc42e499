"""The image store: it holds the images, survives a kill at any moment, and never mixes two studies."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from test_raster import make_basis, values_of

from taxoscape import image_store, raster
from taxoscape.digest import ROOT
from taxoscape.errors import InputError

NAMES = [f"s{i}" for i in range(11)]

# Writes the store in another process that dies, without a word, when it begins its third shard.
KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[1:3]
from test_image_store import NAMES, make_basis, values_of
from taxoscape import image_store, raster
image_store.SHARD = 4 * 5 * 16 * 16 * 3
calls, rasterize = [], raster.rasterize
def dying(*arguments):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return rasterize(*arguments)
raster.rasterize = dying
basis = make_basis(normalise="minmax")
image_store.write_store(sys.argv[3], values_of(basis, 11), basis, NAMES)
"""


@pytest.fixture(autouse=True)
def three_samples_a_shard(monkeypatch):
    monkeypatch.setattr(image_store, "SHARD", 4 * 5 * 16 * 16 * 3)


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("normalise", ["fixed", "minmax"])
def test_the_store_holds_the_images_and_they_turn_back(tmp_path, normalise):
    basis = make_basis(normalise=normalise)
    values = values_of(basis, 11)
    image_store.write_store(tmp_path / "images.zarr", values, basis, NAMES)
    group = image_store.open_store(tmp_path / "images.zarr")
    stored = group["images"][:]
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, raster.normalize(raster.rasterize(values, basis, np.float32), basis))
    pairs = group["extremes"][:] if normalise == "minmax" else None
    np.testing.assert_allclose(raster.invert(raster.denormalize(stored, basis, pairs), basis), values, atol=1e-4)
    assert group.attrs["samples"] == NAMES
    assert group["images"].shards == (3, 5, 16, 16)
    assert group["images"].chunks == (1, 5, 16, 16)


def test_a_killed_run_goes_on_and_ends_with_the_bytes_of_one_that_was_not(tmp_path, monkeypatch):
    basis = make_basis(normalise="minmax")
    values = values_of(basis, 11)
    image_store.write_store(tmp_path / "whole", values, basis, NAMES)
    command = [sys.executable, "-c", KILLED, str(ROOT), str(ROOT / "tests"), str(tmp_path / "killed")]
    assert subprocess.run(command, cwd=tmp_path).returncode == -9
    assert json.loads((tmp_path / "killed" / "progress.json").read_text())["shards"] == 2
    with pytest.raises(InputError, match="absent or not complete"):
        image_store.open_store(tmp_path / "killed")
    rasterized, rasterize = [], raster.rasterize
    monkeypatch.setattr(raster, "rasterize", lambda v, *rest: rasterized.append(len(v)) or rasterize(v, *rest))
    image_store.write_store(tmp_path / "killed", values, basis, NAMES)
    assert rasterized == [3, 2]
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_a_store_of_other_values_samples_or_basis_is_written_anew(tmp_path):
    basis = make_basis()
    values = values_of(basis, 11)
    changes = [(values + 1, basis, NAMES), (values, replace(basis, sigma=basis.sigma * 1.1), NAMES)]
    changes += [(values, basis, NAMES[::-1]), (values[:4], basis, NAMES[:4])]
    for number, changed in enumerate(changes):
        folder = tmp_path / str(number)
        image_store.write_store(folder, values, basis, NAMES)
        image_store.write_store(folder, *changed)
        image_store.write_store(tmp_path / f"{number} fresh", *changed)
        assert files(folder) == files(tmp_path / f"{number} fresh")


def test_shards_hold_one_sample_at_least_and_no_more_than_there_are():
    assert image_store.samples_per_shard((100, 16, 2048, 2048)) == 1
    assert image_store.samples_per_shard((2, 5, 16, 16)) == 2


def test_an_absent_store_is_refused(tmp_path):
    with pytest.raises(InputError, match="images.store: zarr"):
        image_store.open_store(tmp_path / "none.zarr")
