"""Attention All Microbes from the shell: options in, one of the functions of commands.py called."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from taxoscape.aam.options import Options
from taxoscape.aam.presets import PRESETS
from taxoscape.errors import InputError, one_line

FILE = click.Path(path_type=Path)


class Quantiles(click.ParamType):
    """Numbers between 0 and 1, parted by commas."""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> list[float]:
        """List of a text like 0.05,0.5,0.95."""
        try:
            levels = [float(part) for part in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r} is no list of numbers like 0.05,0.5,0.95", param, context)
        if not all(0 < level < 1 for level in levels):
            self.fail(f"{value!r} has numbers that are not between 0 and 1", param, context)
        return levels


SHARE = click.FloatRange(0, 1)
POSITIVE = click.FloatRange(0, min_open=True)
COUNT = click.IntRange(1)
# Name on the command line, field of Options (of each command where it differs), type, help.
TRAINING = [
    ("--epochs", {"pretrain": "pretrain_epochs", "train": "epochs"}, COUNT, "Epochs at most."),
    ("--patience", "patience", COUNT, "Epochs without improvement on the validation samples before it stops."),
    ("--test-size", "validation", SHARE, "Share of the samples (of the groups, with --group-column) held out."),
    ("--batch-size", "batch_size", COUNT, "Samples per batch, 1 or more. Memory and UniFrac pairs grow with it."),
    (
        "--gradient-accumulation-steps",
        "gradient_accumulation_steps",
        COUNT,
        "Batches whose gradients make one step: a larger batch for the target at the memory of a small one.",
    ),
    ("--optimizer", "optimizer", click.Choice(["adamw", "adam", "sgd"]), "Optimizer."),
    (
        "--scheduler",
        "scheduler",
        click.Choice(["warmup_cosine", "cosine", "plateau", "onecycle"]),
        "Course of the learning rate; plateau halves it after epochs without improvement.",
    ),
    ("--lr", "lr", POSITIVE, "Highest learning rate."),
    ("--warmup-steps", "warmup", click.FloatRange(0), "Warm-up: below 1 a share of the steps, from 1 on their number."),
    ("--weight-decay", "weight_decay", click.FloatRange(0), "Weight decay, on matrices only."),
    ("--max-grad-norm", "max_grad_norm", POSITIVE, "Gradients are clipped to this norm."),
    (
        "--dropout",
        "dropout",
        click.FloatRange(0, 1, max_open=True),
        "Share of activations and ASVs hidden in a step.",
    ),
    ("--ema", "ema", click.FloatRange(0, 1, max_open=True), "Decay of averaged weights that are kept; 0 = none."),
    (
        "--mixed-precision",
        "mixed_precision",
        click.Choice(["none", "bf16"]),
        "bf16: training steps in bfloat16, for GPUs that have it. UniFrac, validation and predictions stay float32.",
    ),
    (
        "--compile-model/--no-compile-model",
        "compile_model",
        bool,
        "torch.compile: a minute or more at the start; needs a C++ compiler.",
    ),
]
MODEL = [
    ("--embedding-dim", "embedding_dim", COUNT, "Width of every layer; a multiple of the heads."),
    ("--attention-heads", "attention_heads", COUNT, "Heads per layer."),
    ("--attention-layers", "attention_layers", COUNT, "Layers of each of the two encoders."),
    (
        "--clades",
        "clades",
        click.IntRange(0),
        "Soft clades by which samples are compared as by UniFrac; 0 = by the sample encoder, which does worse.",
    ),
    ("--max-bp", "max_bp", COUNT, "Bases read of each ASV; attention costs their square."),
    ("--patch", "patch", COUNT, "Neighbouring nucleotides that share a token: 5 divides the cost by more than 5."),
    ("--token-limit", "token_limit", COUNT, "Most abundant ASVs read of a sample; attention costs their square."),
    (
        "--asv-chunk-size",
        "asv_chunk_size",
        click.IntRange(0),
        "ASVs encoded at a time, activations computed twice: less memory, more time. 0 = all at once.",
    ),
]
PRETEXT = [
    (
        "--unifrac-metric",
        "unifrac_metric",
        click.Choice(["unifrac", "weighted", "faith_pd", "taxonomy", "combined"]),
        "What is predicted beside nucleotides: distances, Faith's PD, clades of ASVs (--taxonomy), or all three.",
    ),
    (
        "--stripe-mode/--no-stripe-mode",
        "stripe_mode",
        bool,
        "Distances to reference samples, N x R of them, in place of those within a batch; any batch size.",
    ),
    ("--reference-samples", "reference_samples", str, "Of stripe mode: how many training samples, or a file of ids."),
    (
        "--lazy-unifrac/--no-lazy-unifrac",
        "lazy_unifrac",
        bool,
        "Distances of each batch as its reads are drawn; else of one draw of all, N x N or N x R in memory.",
    ),
    ("--pretrained-encoder", "encoder", str, "encoder.pt of other samples to go on from, of the same sizes."),
    ("--min-steps", "pretrain_steps", click.IntRange(0), "Steps at least: epochs read a small study several times."),
]
MACHINE = [
    (
        "--device",
        "device",
        click.Choice(["cpu", "cuda", "auto"]),
        "Where the model runs; auto: on a free GPU, if any.",
    ),
    ("--threads", "threads", COUNT, "CPU threads; results repeat byte for byte at the same number."),
    ("--num-workers", "num_workers", click.IntRange(0), "Threads that draw the next batches; they change no result."),
]
FINE_TUNING = [
    (
        "--freeze-base/--no-freeze-base",
        "freeze_base",
        bool,
        "Embed every ASV once by the pretrained encoder and train it no further: much faster.",
    ),
    (
        "--best-metric",
        "best_metric",
        click.Choice(["loss", "main", "mae", "mse", "r2", "accuracy", "precision", "recall", "f1"]),
        "Metric of the validation samples that chooses the epoch; main: mae or accuracy.",
    ),
    ("--count-weight", "count_weight", click.FloatRange(0), "Weight of the loss of hidden abundances; 0 = none."),
    ("--quantiles", "quantiles", Quantiles(), "Learn these quantiles, as 0.05,0.5,0.95; written as columns q_."),
    ("--class-weights/--no-class-weights", "class_weights", bool, "Weigh classes by inverse frequency."),
    ("--prediction-draws", "prediction_draws", COUNT, "Rarefaction draws averaged in a prediction."),
]


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value}"


def settings(command: str, *tables: list) -> Callable:
    """Add options for fields of Options; where one is not given, the preset's value counts."""

    def add(function: Callable) -> Callable:
        for flag, named, kind, text in reversed([row for table in tables for row in table]):
            name = named[command] if isinstance(named, dict) else named
            shown = "; ".join(f"{preset}: {_shown(values[name])}" for preset, values in PRESETS.items())
            function = click.option(flag, name, type=kind, default=None, help=f"{text} [{shown}]")(function)
        return function

    return add


def study() -> Callable:
    """Options for the files of a study."""

    def add(function: Callable) -> Callable:
        for option in (
            click.option("--prune-tree", is_flag=True, help="Join branches above the same ASVs: fewer, same UniFrac."),
            click.option("--sequences", type=FILE, help="FASTA of the features; left out, their ids are sequences."),
            click.option("--tree", type=FILE, required=True, help="Rooted Newick tree whose tips are the features."),
            click.option("--table", type=FILE, required=True, help="BIOM or TSV table of counts."),
        ):
            function = option(function)
        return function

    return add


def running(function: Callable) -> Callable:
    """Options of a training run."""
    for option in (
        click.option(
            "--use-expandable-segments",
            is_flag=True,
            help="Let PyTorch's CUDA allocator grow its segments: less memory lost to fragments.",
        ),
        click.option("--resume-from", type=FILE, help="resume.pt of an interrupted run. [the one in OUTPUT_DIR]"),
        click.option("--seed", default=0, show_default=True, help="Of every random choice."),
        click.option("--rarefy-depth", type=COUNT, default=5000, show_default=True, help="Reads drawn per sample."),
        click.option("--preset", type=click.Choice(list(PRESETS)), default="source", show_default=True, help=PRESET),
        click.option("--group-column", help="Metadata column; samples that share its value are never split."),
        click.option("--output-dir", type=FILE, required=True, help="Folder that everything is written to."),
    ):
        function = option(function)
    return function


PRESET = "Values of the options that are not given. small: the workflow's, minutes on one core."


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def aam() -> None:
    """Attention All Microbes: learn ASV and sample embeddings, predict host variables.

    pretrain -> train -> predict, evaluate. An interrupted training goes on when the same command is given again.
    """


@aam.command()
@click.option("--table", "tables", type=FILE, required=True, multiple=True, help="BIOM or TSV table; one per study.")
@click.option("--sequences", type=FILE, multiple=True, help="FASTA, one per table; left out, ids are sequences.")
@click.option("--metadata", type=FILE, multiple=True, help="TSV, one per table; for --group-column only.")
@click.option("--group-column", multiple=True, help="Metadata column of the subjects, one per table.")
@click.option("--max-bp", type=COUNT, default=150, show_default=True, help="Bases kept of each ASV at most.")
@click.option("--output-dir", type=FILE, required=True, help="Folder that everything is written to.")
def pool(tables: tuple[Path, ...], max_bp: int, output_dir: Path, **given: tuple) -> None:
    """Join tables of one region of the gene into one, to pretrain on all of them together.

    ASVs are cut to the bases that all studies read; those that become equal are one. Give --sequences, --metadata and
    --group-column as often as --table and in its order, or not at all.
    """
    from taxoscape.aam.commands import Inputs
    from taxoscape.aam.pool import pool_studies

    for name, values in given.items():
        if values and len(values) != len(tables):
            flag = name.replace("_", "-")
            raise InputError(f"--{flag} stands {len(values)} times, --table {len(tables)} times: give one per table")
    rows = {name: values for name, values in given.items() if values}
    studies = [
        Inputs(table, **{name: values[number] for name, values in rows.items()}) for number, table in enumerate(tables)
    ]
    pool_studies(studies, output_dir, max_bp)


@aam.command()
@study()
@click.option("--taxonomy", type=FILE, help="TSV of feature id and lineage, for --unifrac-metric taxonomy or combined.")
@click.option("--metadata", type=FILE, help="TSV with a row per sample; needed for --group-column only.")
@running
@settings("pretrain", MODEL, TRAINING, PRETEXT, MACHINE)
def pretrain(**given: object) -> None:
    """Pretrain the encoder without labels: restore masked nucleotides, predict UniFrac between samples."""
    from taxoscape.aam import commands

    inputs, options, run = _read(given)
    commands.pretrain_encoder(inputs, options, run)


@aam.command()
@study()
@click.option("--metadata", type=FILE, required=True, help="TSV with a row per sample, its id in the first column.")
@click.option("--metadata-column", "column", required=True, help="What is to be predicted.")
@click.option("--classifier", is_flag=True, help="The column holds classes, not numbers.")
@click.option("--out-dim", "outputs", type=COUNT, help="Checked against the target: 1, or its number of classes.")
@click.option("--pretrained-encoder", "encoder", type=FILE, help="encoder.pt of `aam pretrain`. [random weights]")
@running
@settings("train", MODEL, TRAINING, FINE_TUNING, MACHINE)
def train(column: str, classifier: bool, outputs: int | None, encoder: Path | None, **given: object) -> None:
    """Train a predictor of a metadata column, on a pretrained encoder or from scratch."""
    from taxoscape.aam import commands

    inputs, options, run = _read(given)
    commands.train_predictor(inputs, options, run, column, classifier, outputs, encoder)


@aam.command()
@click.option("--model", type=FILE, required=True, help="model.pt of `aam train`, or of a fold of the workflow.")
@study()
@click.option("--output", type=FILE, required=True, help="TSV of predictions.")
@settings("predict", MACHINE)
def predict(model: Path, output: Path, **given: object) -> None:
    """Predict every sample of a table, at the depth and with the options that the model was trained with."""
    from taxoscape.aam import commands

    inputs, changed = _split(given)
    commands.predict_samples(inputs, model, output, **changed)


@aam.command()
@click.option("--model", type=FILE, required=True, help="model.pt of `aam train`, or of a fold of the workflow.")
@study()
@click.option("--metadata", type=FILE, required=True, help="TSV with a row per sample, its id in the first column.")
@click.option("--metadata-column", "column", help="Column of the truth. [the one that the model predicts]")
@click.option("--group-column", help="Metadata column; intervals are over its values.")
@click.option("--output", type=FILE, required=True, help="JSON of metrics; the predictions go beside it, as TSV.")
@settings("evaluate", MACHINE)
def evaluate(model: Path, output: Path, column: str | None, **given: object) -> None:
    """Judge a model on samples that it has not learned from, beside baselines fitted on those that it has."""
    from taxoscape.aam import commands

    inputs, changed = _split(given)
    commands.evaluate_model(inputs, model, output, column, **changed)


def main() -> None:
    """Run the command line; an InputError is one line and exit code 2."""
    try:
        aam()
    except InputError as error:
        print(one_line(error), file=sys.stderr)
        sys.exit(2)


def _read(given: dict) -> tuple:
    """Inputs, Options and Run of a training command."""
    from taxoscape.aam.commands import Run

    if given.pop("use_expandable_segments"):  # read when CUDA starts
        os.environ["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"
    run = Run(given.pop("output_dir"), given.pop("seed"), given.pop("rarefy_depth"), given.pop("resume_from"))
    preset = PRESETS[given.pop("preset")]
    inputs, chosen = _split(given)
    return inputs, Options(**preset | chosen), run


def _split(given: dict) -> tuple:
    """Inputs, and the options that were given."""
    from taxoscape.aam.commands import Inputs

    names = Inputs.__dataclass_fields__.keys() & given.keys()
    inputs = Inputs(**{name: given.pop(name) for name in names})
    chosen = {name: value for name, value in given.items() if value is not None}
    if "device" in chosen:
        from taxoscape.learning.device import here

        chosen["device"] = here(chosen["device"], "--device")
    return inputs, chosen
