"""Checkpoints: a record of one type as tensors and plain values, written whole or not at all, read without pickle.

A record is a dataclass. Arrays are stored as tensors, arrays of text as lists, dataclasses inside as dictionaries,
networks as their weights; the annotations of its fields say what they become again.
"""

import dataclasses
import hashlib
import io
import json
import re
import shutil
import types
import typing
from pathlib import Path

import numpy as np
import torch
from torch import nn

from taxoscape import inputs
from taxoscape.errors import InputError
from taxoscape.files import atomic

VERSION = 7
Record = typing.TypeVar("Record")


def save(record: object, path: str | Path) -> None:
    """Write a record (a dataclass); equal records give equal bytes."""
    buffer = io.BytesIO()
    torch.save({"version": VERSION, "kind": type(record).__name__, **pack(record)}, buffer)
    with atomic(path) as partial:
        partial.write_bytes(buffer.getvalue())


def load(path: str | Path, kind: type[Record], way_out: str) -> Record:
    """Read a record of a kind onto the CPU.

    Raises InputError for a record of another version or kind, and for what is not a checkpoint; `way_out` says which
    file to give instead.
    """
    path = inputs.regular(path, "checkpoint")
    with inputs.foreign(f"{path} is not a checkpoint of taxoscape: it", "give a .pt file as it was written"):
        inputs.check_zip(path, sound=True)
        state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or state.pop("version", None) != VERSION:
        raise InputError(f"{path} is not a checkpoint of version {VERSION}: remove it and train again")
    if (stored := state.pop("kind", None)) != kind.__name__:
        raise InputError(
            f"{path} is a checkpoint of another kind ({words(str(stored))}, not {words(kind.__name__)}): {way_out}"
        )
    with inputs.foreign(f"{path} ({words(kind.__name__)})", "give a .pt file as this version wrote it"):
        return unpack(kind, state)


def words(name: str) -> str:
    """Name of a class as words: TrainedPredictor -> trained predictor."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def pack(value: object) -> object:
    """Tensors and plain values that hold the same as `value`."""
    if dataclasses.is_dataclass(value):
        return {field.name: pack(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return [str(text) for text in value] if value.dtype.kind in "OUT" else torch.from_numpy(value.copy())
    if isinstance(value, nn.Module):
        return value.state_dict()
    if isinstance(value, dict):
        return {name: pack(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(part) for part in value]
    return value


def unpack(kind: object, value: object) -> typing.Any:
    """What `pack` was given, where that was of the type `kind`; of a network, its weights."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if value is None or kind in (typing.Any, object) or (isinstance(kind, type) and issubclass(kind, nn.Module)):
        return value
    if origin in (typing.Union, types.UnionType):
        return unpack(next(part for part in arguments if part is not types.NoneType), value)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        if lacking := {field.name for field in dataclasses.fields(kind)} - value.keys():
            raise ValueError(f"it lacks {', '.join(sorted(lacking))}")
        return kind(**{name: unpack(hints[name], part) for name, part in value.items()})
    if kind is np.ndarray:
        return value.numpy() if isinstance(value, torch.Tensor) else np.array(value, dtype=str)
    if origin is dict:
        return {name: unpack(arguments[1], part) for name, part in value.items()}
    if origin in (list, tuple):
        return origin(unpack(arguments[0], part) for part in value)
    if kind is not float and not isinstance(value, origin or kind):
        raise ValueError(f"a {type(value).__name__} is where a {kind.__name__} belongs")
    return value


def resume_folder(stage: str, parameters: dict, inputs: list[str]) -> Path:
    """Folder, in the results of a stage, of a job's resumable checkpoints, named by its parameters and inputs.

    A changed parameter, input or module of ours gives another folder: a stale model is never resumed.
    """
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode())
    for path in inputs:
        digest.update(Path(path).read_bytes())
    return Path("results") / stage / "checkpoints" / digest.hexdigest()[:16]


def remove(folder: Path) -> None:
    """Remove the resumable checkpoints of a job that has ended well."""
    shutil.rmtree(folder, ignore_errors=True)
