"""What is shown of a training while it runs: lines in its log, TensorBoard, metrics.jsonl and a progress bar.

TensorBoard gets two runs, `train` and `validation`, whose losses have the same names, so that it overlays them.
"""

import json
import math
import shutil
from pathlib import Path

import pandas as pd
from torch import nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from taxoscape.files import write_text
from taxoscape.learning.processes import team

EVERY = 10  # rounds from one set of histograms to the next
SHORT = {"total_loss": "TL", "unifrac_loss": "UL", "nuc_loss": "NL", "target_loss": "target", "count_loss": "count"}
RUNS = ("train", "validation")


class Monitor:
    """Shows a training; files are written into `folder` (None: no files), where a resumed run goes on in the same."""

    def __init__(
        self, folder: Path | None, history: list[dict[str, float]], rounds: int, batches: int, title: str = ""
    ) -> None:
        self.title, self.rounds, self.folder, self.writers = title, rounds, None if team().rank else folder, {}
        done = history[-1]["round"] if history else 0
        if self.folder:
            board = self.folder / "tensorboard"
            if not done:
                shutil.rmtree(board, ignore_errors=True)
            self.writers = {run: SummaryWriter(str(board / run), purge_step=done + 1) for run in RUNS}
        # disable=None: no bar where there is no terminal.
        bar = {"unit": "batch", "mininterval": 1.0, "disable": True if team().rank else None}
        self.bar = tqdm(total=rounds * batches, initial=done * batches, **bar)

    def step(self, batches: int, terms: dict[str, float], rate: float) -> None:
        """Move the progress bar: TL, UL, NL, LR."""
        displayed = {SHORT.get(name, name.removesuffix("_loss")): f"{value:.3f}" for name, value in terms.items()}
        self.bar.set_postfix(displayed | {"LR": f"{rate:.1e}"}, refresh=False)
        self.bar.update(batches)

    def round(self, history: list[dict[str, float]], network: nn.Module) -> None:
        """Report a round: its last row; every tenth round also the histograms of weights and gradients."""
        row = history[-1]
        if not team().rank:
            tqdm.write(self.title + line(row, self.rounds))
        for run, writer in self.writers.items():
            for tag, value in scalars(row)[run].items():
                writer.add_scalar(tag, value, row["round"])
        if self.writers and row["round"] % EVERY == 0:
            for name, weight in network.named_parameters():
                for kind, values in (("weights", weight), ("gradients", weight.grad)):
                    # A weight may have no element (no condition); the gradient of a skipped step is not finite.
                    finite = values[values.isfinite()] if values is not None else ()
                    if len(finite):
                        self.writers["train"].add_histogram(f"{kind}/{name}", finite, row["round"])
        for writer in self.writers.values():
            writer.flush()
        if self.folder:
            write_text(lines([history]), self.folder / "metrics.jsonl")

    def close(self) -> None:
        """Close the files."""
        for writer in self.writers.values():
            writer.close()
        self.bar.close()


def scalars(row: dict[str, float]) -> dict[str, dict[str, float]]:
    """TensorBoard's tags of a round, by run: losses, learning_rate, skipped_steps; losses and scores of validation."""
    train = {name: value for name, value in row.items() if name.endswith("_loss") and not name.startswith("val_")}
    train |= {"learning_rate": row.get("lr", math.nan), "skipped_steps": row.get("skipped_steps", math.nan)}
    held_out = {name.removeprefix("val_"): value for name, value in row.items() if name.startswith("val_")}
    held_out.pop("score", None)
    return {
        run: {name: value for name, value in tags.items() if math.isfinite(value)}
        for run, tags in zip(RUNS, (train, held_out), strict=True)
    }


def line(row: dict[str, float], rounds: int) -> str:
    """A round in words: `round 3 of 20, step 75: total 0.53 (validation 0.61), nuc 0.31 (validation 0.34)`."""
    losses = [name.removeprefix("val_") for name in row if name.endswith("_loss")]
    parts = []
    for name in dict.fromkeys(losses):
        text = f"{row[name]:.4f}" if name in row else "not trained yet"
        held_out = f" (validation {row[f'val_{name}']:.4f})" if f"val_{name}" in row else ""
        parts.append(f"{name.removesuffix('_loss')} {text}{held_out}")
    skipped = f"; {row['skipped_steps']} steps skipped, not finite" if row.get("skipped_steps") else ""
    return f"round {row['round']} of {rounds}, step {row['step']}: {', '.join(parts)}{skipped}"


def table(history: list[dict[str, float]]) -> pd.DataFrame:
    """A training as a table: step, training and validation loss, then the terms of both, a row per round."""
    frame = pd.DataFrame(history, columns=None if history else ["step", "total_loss"]).rename(
        columns={"total_loss": "training", "val_total_loss": "validation"}
    )
    terms = [name for name in frame if name.endswith("_loss")]
    return frame.reindex(columns=["step", "training", "validation", *terms])


def lines(histories: list[list[dict[str, float]]]) -> str:
    """Histories as JSON lines, one a round, with the number of the model they belong to; what is no number is null."""
    rows = [{"member": member, **row} for member, history in enumerate(histories) for row in history]
    plain = [{name: value if math.isfinite(value) else None for name, value in row.items()} for row in rows]
    return "".join(json.dumps(row) + "\n" for row in plain)
