"""What can be watched while a model is trained: TensorBoard, metrics.jsonl and a progress bar."""

import math
from pathlib import Path

from torch import nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from taxoscape.files import write_text
from taxoscape.learning import loop as training

EVERY = 10  # epochs from one set of histograms to the next
SHORT = {"total_loss": "TL", "unifrac_loss": "UL", "nuc_loss": "NL", "target_loss": "target", "count_loss": "count"}


class Monitor:
    """Watch of a training run that writes into a folder; a resumed run goes on in the same files."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def start(self, history: list[dict[str, float]], epochs: int, steps: int) -> None:
        """Open the files; what they hold of epochs after `history` counts for nothing."""
        done = len(history)
        self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=done + 1)
        # disable=None: no bar where nobody sits before a terminal.
        self.bar = tqdm(total=epochs * steps, initial=done * steps, unit="batch", mininterval=1.0, disable=None)

    def step(self, batches: int, terms: dict[str, float], rate: float) -> None:
        """Move the progress bar: TL, UL, NL, LR."""
        shown = {SHORT[name]: f"{value:.3f}" for name, value in terms.items() if name in SHORT}
        self.bar.set_postfix(shown | {"LR": f"{rate:.1e}"}, refresh=False)
        self.bar.update(batches)

    def epoch(self, history: list[dict[str, float]], model: nn.Module) -> None:
        """Write an epoch's losses and scores, and every tenth epoch the histograms of weights and gradients."""
        row = history[-1]
        for tag, value in scalars(row).items():
            self.writer.add_scalar(tag, value, row["epoch"])
        if row["epoch"] % EVERY == 0:
            for name, weight in model.named_parameters():
                self.writer.add_histogram(f"weights/{name}", weight, row["epoch"])
                if weight.grad is not None:
                    self.writer.add_histogram(f"gradients/{name}", weight.grad, row["epoch"])
        self.writer.flush()
        write_text(training.lines([history]), self.folder / "metrics.jsonl")

    def close(self) -> None:
        """Close the files."""
        self.writer.close()
        self.bar.close()


def scalars(row: dict[str, float]) -> dict[str, float]:
    """TensorBoard's tags of an epoch: train/<loss>, val/<loss or metric>, learning_rate, skipped_steps."""
    tags = {"learning_rate": row["lr"], "skipped_steps": row["skipped_steps"]}
    for name, value in row.items():
        if name.startswith("val_") and name != "val_score":
            tags[f"val/{name[4:]}"] = value
        elif name.endswith("_loss"):
            tags[f"train/{name}"] = value
    return {tag: value for tag, value in tags.items() if math.isfinite(value)}
