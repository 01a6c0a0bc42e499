"""Laws of what all learned stages share: the loop, its averages and resumes, what it shows, layers, noise, records."""

import json
import math
import os
import runpy
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from taxoscape.errors import InputError
from taxoscape.learning import checkpoint, loop, monitor
from taxoscape.learning.layers import Attention, Block, TimeEmbedding
from taxoscape.learning.loop import Place, Plan
from taxoscape.learning.task import Task

PLAN = Plan(rounds=2, batches=1, lr=0.05, weight_decay=0.0, patience=100)


def scalar_losses(model):
    """Squared distance of a linear model's outputs from 5."""
    return lambda batch, generator: {"loss": (model(batch) - 5).square().mean()}


def ones(number):
    return lambda round_: [torch.ones(1, 1)] * number


# --- validate, stop, keep


def test_the_best_round_is_kept_and_patience_ends_the_training():
    model = torch.nn.Linear(1, 1)
    seen, scores = [], iter([3.0, 1.0, 2.0, 2.0, 2.0, 0.0])

    def validate():
        seen.append(model.weight.detach().clone())
        return {"score": next(scores)}

    plan = replace(PLAN, patience=3, rounds=20)
    history = loop.fit(model, ones(1), scalar_losses(model), validate, plan=plan, seed=(0,))
    assert len(history) == 5
    assert model.weight.equal(seen[1])


def test_an_untrained_network_that_counts_is_kept_where_training_does_not_beat_it():
    model = torch.nn.Linear(1, 1)
    before, scores = model.weight.detach().clone(), iter([0.5, 3.0, 2.0])
    plan = replace(PLAN, start_counts=True)
    history = loop.fit(model, ones(1), scalar_losses(model), lambda: {"score": next(scores)}, plan=plan, seed=(0,))
    assert [(row["round"], row["step"]) for row in history] == [(0, 0), (1, 1), (2, 2)]
    assert model.weight.equal(before)


@pytest.mark.parametrize("start_counts", [False, True])
def test_a_first_validation_that_is_not_a_number_is_an_error_and_not_a_random_start(start_counts):
    model = torch.nn.Linear(1, 1)
    scores = iter([1.0, math.nan] if start_counts else [math.nan])
    plan = replace(PLAN, start_counts=start_counts)
    with pytest.raises(InputError, match=r"training gives no number: .* validation score nan; lower the learning rate"):
        loop.fit(model, ones(1), scalar_losses(model), lambda: {"score": next(scores)}, plan=plan, seed=(0,))


def test_a_first_round_without_a_finite_step_is_an_error():
    model = torch.nn.Linear(1, 1)

    def losses(batch, generator):
        return {"loss": model(batch).sum() * torch.inf}

    with pytest.raises(InputError, match="the loss is nan"):
        loop.fit(model, ones(3), losses, None, plan=PLAN, seed=(0,))


def test_steps_that_are_not_finite_are_skipped_and_counted():
    model = torch.nn.Linear(1, 1)

    def losses(batch, generator):
        return {"loss": model(batch).sum() * batch.item()}

    batches = [torch.ones(1, 1), torch.full((1, 1), torch.inf), torch.ones(1, 1)]
    plan = replace(PLAN, rounds=1, batches=3)
    (row,) = loop.fit(model, lambda round_: batches, losses, None, plan=plan, seed=(0,))
    assert (row["skipped_steps"], row["step"]) == (1, 2)
    assert all(weight.isfinite().all() for weight in model.parameters())


# --- steps


@pytest.mark.parametrize("name", ["warmup_cosine", "cosine", "onecycle", "plateau"])
@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_every_optimizer_and_scheduler_learns(name, optimizer):
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)

    def losses(batch, generator):
        return {"loss": (model(batch) - 1).square().mean()}

    plan = replace(PLAN, scheduler=name, optimizer=optimizer, rounds=8, batches=5)
    history = loop.fit(model, ones(5), losses, None, plan=plan, seed=(0,))
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


@pytest.mark.parametrize("warmup", [0.1, 10])
def test_warmup_is_a_share_of_the_steps_or_from_one_on_their_number(warmup):
    model = torch.nn.Linear(1, 1)
    plan = replace(PLAN, warmup=warmup, lr=1.0, rounds=20, batches=5)
    scheduler = loop.make_scheduler(loop.make_optimizer(model, plan), plan)
    rates = np.array([scheduler.lr_lambdas[0](step) for step in range(101)])
    assert rates.argmax() == 10
    assert rates[10] == 1.0
    assert rates[100] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(rates[10:], 0.5 * (1 + np.cos(np.pi * np.arange(91) / 90)), atol=1e-12)


def regression(plan: Plan, batches: list, place: Place = Place(), losses=None) -> tuple[torch.nn.Linear, list]:
    """A linear model trained on fixed batches (x, y)."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)

    def error(batch, generator):
        return {"loss": (model(batch[0])[:, 0] - batch[1]).square().mean()}

    plan = replace(plan, batches=len(batches))
    history = loop.fit(model, lambda round_: batches, losses or error, None, plan=plan, seed=(0,), place=place)
    return model, history


def pairs(number: int, size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    rng = np.random.default_rng(0)
    return [
        (torch.from_numpy(rng.normal(size=(size, 3))).float(), torch.from_numpy(rng.normal(size=size)).float())
        for _ in range(number)
    ]


def test_accumulated_small_batches_are_one_large_batch():
    small = pairs(6, 2)
    large = [tuple(torch.cat(parts) for parts in zip(*small[start : start + 3], strict=True)) for start in (0, 3)]
    plan = replace(PLAN, optimizer="sgd", max_grad_norm=100.0, scheduler="cosine")
    one, _ = regression(replace(plan, gradient_accumulation_steps=3), small)
    two, _ = regression(plan, large)
    torch.testing.assert_close(one.weight, two.weight)
    other, _ = regression(plan, small)
    assert (other.weight - one.weight).abs().max() > 1e-4


def test_gradients_are_clipped_to_the_norm():
    plan = replace(PLAN, optimizer="sgd", scheduler="cosine", lr=1.0, rounds=1)
    start, _ = regression(replace(plan, rounds=0), pairs(1, 4))
    for norm in (0.01, 0.1):
        model, _ = regression(replace(plan, max_grad_norm=norm), pairs(1, 4))
        moved = torch.cat([(model.weight - start.weight).flatten(), model.bias - start.bias])
        assert moved.norm().item() == pytest.approx(norm, rel=1e-4)


def test_averaged_weights_follow_their_formula_and_are_the_ones_kept(monkeypatch):
    """decay = min(ema, (1 + t) / (10 + t)) after t + 1 steps, the first of which is taken whole (diffusers)."""
    seen, round_of = [], monitor.Monitor.round

    def look(self, history, network):
        seen.append(network.weight.detach().clone())
        round_of(self, history, network)

    monkeypatch.setattr(monitor.Monitor, "round", look)
    plan = replace(PLAN, ema=0.3, rounds=4, scheduler="cosine")
    model, _ = regression(plan, pairs(1, 4))
    average = seen[0]
    for step, weight in enumerate(seen[1:], 1):
        decay = min(0.3, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weight
    torch.testing.assert_close(model.weight.detach(), average)
    assert (model.weight - seen[-1]).abs().max() > 1e-4


TOGETHER = """
import json, sys
import torch
from taxoscape.learning import loop
from taxoscape.learning.processes import team

at_a_time = {"gradient_accumulation_steps": int(sys.argv[1])}
plan = loop.Plan(rounds=3, batches=5, lr=0.01, weight_decay=0.1, patience=9, **at_a_time)
torch.set_num_threads(1)
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1))
model.register_module("unused", torch.nn.Linear(2, 2))
data = torch.randn(5, 8, 3)


def losses(x, generator):
    return {"loss": (model[2](model[1](model[0](x + torch.rand(8, 3, generator=generator)))) ** 2).mean()}


history = loop.fit(model, lambda round_: iter(data), losses, None, plan=plan, seed=(1,))
if team().rank == 0:
    print(json.dumps([history, torch.cat([weight.flatten() for weight in model.parameters()]).tolist()]))
"""


def test_two_processes_train_as_one_that_accumulates_twice_as_many_batches(tmp_path, monkeypatch, capsys):
    """Five batches in steps of four: the last step has one batch, and the second process none."""
    script = tmp_path / "together.py"
    script.write_text(TOGETHER)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "--local-addr", "127.0.0.1"]
    command = [sys.executable, *torchrun, str(script), "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    two, also = json.loads(done.stdout.splitlines()[-1])
    monkeypatch.setattr(sys, "argv", [str(script), "4"])
    runpy.run_path(str(script))
    one, weights = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [row["total_loss"] for row in two] == pytest.approx([row["total_loss"] for row in one], rel=1e-5)
    np.testing.assert_allclose(also, weights, rtol=1e-5, atol=1e-7)


# --- resume


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "plan", [replace(PLAN, rounds=5), replace(PLAN, rounds=5, ema=0.9), replace(PLAN, rounds=5, scheduler="plateau")]
)
def test_an_interrupted_run_ends_bit_for_bit_like_one_that_was_not(tmp_path, monkeypatch, plan):
    def losses_of(model):
        def losses(batch, generator):
            noise = torch.rand(4, 1, generator=generator) + torch.nn.functional.dropout(torch.ones(4, 1))
            return {"loss": (model(batch[0]) * noise - batch[1][:, None]).square().mean()}

        return losses

    def run(place):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)
        data = pairs(3, 4)
        validate = lambda: {"score": float(model(data[0][0]).abs().mean()), "total_loss": 1.0}  # noqa: E731
        return model, loop.fit(model, lambda r: data, losses_of(model), validate, plan=plan, seed=(3,), place=place)

    whole, history = run(Place())
    place, saved = Place(tmp_path / "run.pt"), checkpoint.save

    def save_then_die(record, path):
        saved(record, path)
        raise Killed

    monkeypatch.setattr(checkpoint, "save", save_then_die)
    for _ in range(2):
        with pytest.raises(Killed):
            run(place)
    monkeypatch.undo()
    resumed, again = run(place)
    assert again == history
    assert all(one.equal(two) for one, two in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_only_a_run_with_equal_demands_goes_on(tmp_path):
    place = Place(tmp_path / "run.pt", demands={"lr": 0.1})
    regression(PLAN, pairs(2, 4), place)
    with pytest.raises(
        InputError, match=r"run.pt is an interrupted run with lr=0.1, this one has lr=0.2: run the same"
    ):
        regression(PLAN, pairs(2, 4), replace(place, demands={"lr": 0.2}))


def test_writing_takes_a_small_share_of_the_time(tmp_path, monkeypatch):
    now, written = [0.0], []
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])

    def slow(record, path):
        written.append(record.progress.round)
        now[0] += 1.0

    monkeypatch.setattr(checkpoint, "save", slow)

    def losses(batch, generator):
        now[0] += 3.0
        return {"loss": batch[1].square().mean() * torch.ones(1, requires_grad=True).sum()}

    regression(replace(PLAN, rounds=12), pairs(1, 4), Place(tmp_path / "run.pt"), losses)
    assert written == [1, 4, 7, 10]  # of ten seconds one is spent on writing


# --- what is shown


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found = EventAccumulator(str(folder)).Reload()
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_every_round_is_shown_with_its_terms_apart_and_training_over_validation(tmp_path, capsys):
    model = torch.nn.Linear(1, 1)

    def losses(batch, generator):
        error = (model(batch) - 5).square().mean()
        return {"simple_loss": error, "phylogenetic_loss": 0.1 * error}

    def validate():
        return {"score": 2.0, "total_loss": 2.2, "simple_loss": 2.0, "phylogenetic_loss": 0.2, "r2": 0.5}

    place = Place(shown=tmp_path / "member0")
    history = loop.fit(model, ones(3), losses, validate, plan=replace(PLAN, batches=3), seed=(0,), place=place)
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 2
    assert out[1].startswith("round 2 of 2, step 6: total ")
    assert "simple " in out[1]
    assert "phylogenetic " in out[1]
    assert "(validation 2.2000)" in out[1]
    train, held_out = (events(tmp_path / "member0" / "tensorboard" / run) for run in ("train", "validation"))
    for name in ("total_loss", "simple_loss", "phylogenetic_loss"):
        assert train[name] == [(row["round"], pytest.approx(row[name])) for row in history]
        assert [step for step, _ in held_out[name]] == [1, 2]
    assert [value for _, value in held_out["r2"]] == [0.5, 0.5]
    assert train.keys() - held_out.keys() == {"learning_rate", "skipped_steps"}
    assert (tmp_path / "member0" / "metrics.jsonl").read_text() == monitor.lines([history])


def test_a_new_run_leaves_nothing_of_an_older_one_in_its_curves(tmp_path):
    for rounds in (3, 2):
        regression(replace(PLAN, rounds=rounds), pairs(1, 4), Place(shown=tmp_path))
    assert [step for step, _ in events(tmp_path / "tensorboard" / "train")["total_loss"]] == [1, 2]


def test_histograms_of_weights_and_gradients_leave_out_what_has_no_shape(tmp_path):
    model = torch.nn.ModuleDict(
        {"used": torch.nn.Linear(2, 1), "empty": torch.nn.Linear(0, 1), "idle": torch.nn.Linear(1, 1)}
    )
    model["used"].weight.grad = torch.tensor([[torch.nan, 1.0]])
    shown = monitor.Monitor(tmp_path, [], monitor.EVERY, 1)
    shown.round([{"round": monitor.EVERY, "step": 1, "total_loss": 1.0}], model)
    shown.close()
    found = EventAccumulator(str(tmp_path / "tensorboard" / "train")).Reload().Tags()["histograms"]
    assert set(found) == {
        "weights/used.weight", "weights/used.bias", "gradients/used.weight",
        "weights/empty.bias", "weights/idle.weight", "weights/idle.bias",
    }  # fmt: skip


# --- layers


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    ours, reference = Attention(8, 2), torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        reference.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        reference.out_proj.weight.copy_(ours.mixed.weight)
        reference.out_proj.bias.copy_(ours.mixed.bias)
    query, keys, present = torch.randn(3, 4, 8), torch.randn(3, 6, 8), torch.rand(3, 6) > 0.3
    present[:, 0] = True
    expected, _ = reference(query, keys, keys, key_padding_mask=~present)
    torch.testing.assert_close(ours(query, keys, present), expected)


@pytest.mark.parametrize("heads", [0, 2])
def test_a_modulated_block_begins_as_the_identity_and_its_gates_learn(heads):
    block = Block(8, heads, 0.0, modulated=True)
    x, context = torch.randn(3, 5, 8), torch.randn(3, 1, 8)
    torch.testing.assert_close(block(x, context=context), x)
    block(x, context=context).sum().backward()
    assert block.modulation.weight.grad.abs().max() > 0


def test_absent_keys_say_nothing_to_a_block():
    block = Block(8, 2, 0.0).eval()
    x, present = torch.randn(2, 5, 8), torch.tensor([[True, True, True, False, False]] * 2)
    changed = torch.where(present[..., None], x, torch.randn(2, 5, 8))
    torch.testing.assert_close(block(x, present)[:, :3], block(changed, present)[:, :3])


def test_noise_levels_have_embeddings_of_any_shape():
    embed = TimeEmbedding(8)
    a = torch.rand(3, 4)
    whole = embed(a, (1 - a**2).sqrt())
    assert whole.shape == (3, 4, 8)
    torch.testing.assert_close(embed(a[:, 1], (1 - a[:, 1] ** 2).sqrt()), whole[:, 1])


# --- what is held out


@pytest.mark.parametrize("categories", [None, ["a", "b"]])
def test_members_hold_out_whole_groups_stratified_by_the_target(categories):
    """40 groups of three samples: every part has low and high groups, or both classes, in the shares of all."""
    rng = np.random.default_rng(0)
    level = np.repeat(np.linspace(0, 1, 40), 3)
    values = np.where(level < 0.3, "a", "b").astype(object) if categories else level
    groups = np.repeat([f"g{number:02d}" for number in rng.permutation(40)], 3)
    task = Task("y", "", categories, values, groups, np.zeros(120, int))
    part = task.parts(np.arange(120), 4, (0, 1))
    assert set(part) == {0, 1, 2, 3}
    for group in set(groups):
        assert len(set(part[groups == group])) == 1
    for number in range(4):
        own = values[part == number]
        if categories:
            assert abs((own == "a").mean() - 0.3) < 0.08
        else:
            assert abs(own.mean() - 0.5) < 0.1
    assert (task.parts(np.arange(120), 4, (0, 1)) == part).all()
    assert (task.parts(np.arange(120), 4, (0, 2)) != part).any()


def test_there_are_no_more_parts_than_groups_and_none_of_one_group():
    task = Task("y", "", None, np.arange(8.0), np.repeat(["a", "b"], 4), np.zeros(8, int))
    assert set(task.parts(np.arange(8), 5, (0,))) == {0, 1}
    assert (task.parts(np.arange(4), 5, (0,)) == -1).all()


# --- records


@dataclass(frozen=True)
class Inner:
    names: np.ndarray
    numbers: np.ndarray


@dataclass(frozen=True)
class Outer:
    inner: Inner
    several: dict[int, Inner]
    either: Inner | None
    pair: tuple[float, ...]
    weights: dict[str, torch.Tensor]


def test_a_record_comes_back_as_it_was(tmp_path):
    inner = Inner(np.array(["x", "y"]), np.arange(6.0).reshape(2, 3))
    outer = Outer(inner, {3: inner}, None, (0.5, 1.0), {"w": torch.arange(3)})
    checkpoint.save(outer, tmp_path / "a.pt")
    found = checkpoint.load(tmp_path / "a.pt", Outer, "")
    assert found.inner.names.tolist() == ["x", "y"]
    np.testing.assert_array_equal(found.several[3].numbers, inner.numbers)
    assert found.either is None
    assert found.pair == (0.5, 1.0)
    assert found.weights["w"].equal(outer.weights["w"])
    checkpoint.save(found, tmp_path / "b.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
