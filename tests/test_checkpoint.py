"""Checkpoints: no pickle, no other version, and a folder of one job for what it may resume."""

from dataclasses import dataclass

import pytest
import torch

from taxoscape.errors import InputError
from taxoscape.learning import checkpoint


@dataclass(frozen=True)
class Weights:
    weights: torch.Tensor
    taxa: list[str]


@dataclass(frozen=True)
class Others:
    weights: torch.Tensor


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no tensors", "is not a checkpoint of taxoscape"),
        ({"version": 6}, "is not a checkpoint of version 7: remove it and train again"),
        ({"class": pytest.Item}, "is not a checkpoint of taxoscape"),
        (
            {"version": 7, "kind": "Others", "weights": 1},
            r"is a checkpoint of another kind \(others, not weights\): give another",
        ),
        (
            {"version": 7, "kind": "Weights", "weights": 1},
            r"\(weights\) cannot be read \(it lacks taxa\): give a .pt file as this version wrote",
        ),
    ],
)
def test_foreign_files_are_refused_by_name(tmp_path, content, said):
    path = tmp_path / "model.pt"
    path.write_text(content) if isinstance(content, str) else torch.save(content, path)
    with pytest.raises(InputError, match=f"model.pt {said}"):
        checkpoint.load(path, Weights, "give another")


def test_what_is_kept_comes_back_and_equal_states_are_equal_bytes(tmp_path):
    for name in ("a.pt", "b.pt"):
        checkpoint.save(Weights(torch.arange(3.0), ["x"]), tmp_path / name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    back = checkpoint.load(tmp_path / "a.pt", Weights, "")
    assert torch.equal(back.weights, torch.arange(3.0))
    assert back.taxa == ["x"]


def test_other_parameters_inputs_or_stages_never_resume(tmp_path):
    path = tmp_path / "in"
    path.write_text("a")
    first = checkpoint.resume_folder("aam", {"lr": 1}, [str(path)])
    assert first.parent.as_posix() == "results/aam/checkpoints"
    assert first == checkpoint.resume_folder("aam", {"lr": 1}, [str(path)])
    assert first != checkpoint.resume_folder("aam", {"lr": 2}, [str(path)])
    assert first != checkpoint.resume_folder("diffusion", {"lr": 1}, [str(path)])
    path.write_text("b")
    assert first != checkpoint.resume_folder("aam", {"lr": 1}, [str(path)])
