"""Checkpoints: tensors and plain values only, written whole or not at all, read without pickle."""

import hashlib
import io
import json
import shutil
from pathlib import Path

import torch

from taxoscape import inputs
from taxoscape.errors import InputError
from taxoscape.files import atomic

VERSION = 6


def save(state: dict, path: str | Path) -> None:
    """Write a checkpoint; equal states give equal bytes."""
    buffer = io.BytesIO()
    torch.save({"version": VERSION, **state}, buffer)
    with atomic(path) as partial:
        partial.write_bytes(buffer.getvalue())


def load(path: str | Path) -> dict:
    """Read a checkpoint onto the CPU. Raises InputError for one of another version or no checkpoint at all."""
    path = inputs.regular(path, "checkpoint")
    with inputs.foreign(f"{path} is no checkpoint of taxoscape: it", "give a .pt file as it was written"):
        inputs.check_zip(path, sound=True)
        state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise InputError(f"{path} is no checkpoint of version {VERSION}: remove it and train again")
    return state


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
