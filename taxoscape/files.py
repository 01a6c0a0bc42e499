"""Outputs that are whole or absent: every file is written beside its place and moved there at the end."""

import csv
import gzip
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import inputs
from taxoscape.errors import InputError

PARTIAL = ".partial-"  # how the names of files and folders begin that are not whole yet


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; move it to `path` when the block ends without error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: writers choose format and compression by it.
    partial = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`; move it there when the block ends without error."""
    folder = Path(folder)
    partial = folder.with_name(f"{PARTIAL}{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_text(text: str, path: str | Path) -> None:
    """Write text (UTF-8), gzipped without a time stamp when the name ends in .gz."""
    with atomic(path) as partial:
        if str(path).endswith(".gz"):
            with open(partial, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as handle:
                handle.write(text.encode())
        else:
            partial.write_text(text, encoding="utf-8")


def write_tsv(frame: pd.DataFrame, path: str | Path, index: bool = False, float_format: str | None = None) -> None:
    """Write a table tab-separated and unquoted, as tables.read_tsv reads it; floats in full precision by default."""
    text = frame.to_csv(
        sep="\t", index=index, float_format=float_format, lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None
    )
    write_text(text, path)


def write_json(value: object, path: str | Path) -> None:
    """Write JSON, indented; NaN and infinity become null, numpy scalars and arrays plain numbers and lists."""
    write_text(json.dumps(_plain(value), indent=1, allow_nan=False) + "\n", path)


def read_json(path: str | Path) -> object:
    """Read a JSON file that a stage wrote."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_npz(path: str | Path, **arrays: np.ndarray) -> None:
    """Write arrays compressed; texts as fixed-width unicode, so that no pickle is ever needed to read them."""
    arrays = {name: np.asarray(value) for name, value in arrays.items()}
    arrays = {name: value.astype(str) if value.dtype == object else value for name, value in arrays.items()}
    with atomic(path) as partial, open(partial, "wb") as handle:
        np.savez_compressed(handle, **arrays)


def write_npy(path: str | Path, blocks: Iterable[np.ndarray], shape: tuple[int, ...]) -> None:
    """Write an array of float64 of this shape to .npy, block of rows by block."""
    about = {"descr": np.lib.format.dtype_to_descr(np.dtype(float)), "fortran_order": False, "shape": shape}
    with atomic(path) as partial, open(partial, "wb") as handle:
        np.lib.format.write_array_header_1_0(handle, about)
        rows = 0
        for block in blocks:
            handle.write(np.ascontiguousarray(block, dtype=float).data)
            rows += len(block)
        assert rows == shape[0]


def read_npz(path: str | Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Read the arrays of an npz file, or those named, without pickle.

    Raises InputError for a file that is missing, cut or no npz, holds objects, or lacks an array.
    """
    path = Path(path)
    if not inputs.is_regular(path):
        raise InputError(f"{path} does not exist: the stage that is its folder writes it")
    with inputs.foreign(f"{path}, an npz file of arrays,", "remove it and run its stage again"):
        inputs.check_zip(path)
        with np.load(path, allow_pickle=False) as stored:
            wanted = stored.files if names is None else [name for name in names if name in stored.files]
            arrays = {name: stored[name] for name in wanted}
    lacking = [name for name in names or () if name not in wanted]
    if lacking:
        raise InputError(
            f"{path} lacks {', '.join(lacking)}: it is of another version, remove it and run its stage again"
        )
    return arrays


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
