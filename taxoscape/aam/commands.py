"""What the command line does: pretrain, train, predict and evaluate on files, by the functions that the rules call."""

import hashlib
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import biom
import numpy as np
import pandas as pd
import torch

from taxoscape import metadata, tables, trees
from taxoscape.aam import data, evaluate, figures, finetune, predict, pretext, pretrain, quality, saved
from taxoscape.aam.data import Study
from taxoscape.aam.finetune import Trained
from taxoscape.aam.model import Encoder
from taxoscape.aam.options import Options, check_aam
from taxoscape.aam.saved import TrainedPredictor
from taxoscape.errors import InputError, examples
from taxoscape.files import atomic, write_json, write_tsv
from taxoscape.inputs import is_regular
from taxoscape.learning import device
from taxoscape.learning.batches import counts_of
from taxoscape.learning.loop import Place
from taxoscape.learning.processes import team
from taxoscape.learning.target import fit_target
from taxoscape.learning.task import Task
from taxoscape.scoring.baselines import Evidence
from taxoscape.scoring.figures import plot_predictions
from taxoscape.scoring.readings import read_counts
from taxoscape.scoring.results import Results, write_results

RESUME = "resume.pt"  # next to what a run writes; removed at its end
SAME_SPLIT = (
    "the held-out samples of this training; pretrain with the same --seed, --test-size and --group-column, which holds "
    "out the same samples"
)


@dataclass(frozen=True)
class Inputs:
    """Files of a study."""

    table: Path
    tree: Path | None = None  # needed by all commands but pool
    sequences: Path | None = None  # None: the features' ids are their sequences
    taxonomy: Path | None = None  # lineages of the features
    metadata: Path | None = None
    group_column: str | None = None  # samples that agree in it never part
    prune_tree: bool = False


@dataclass(frozen=True)
class Run:
    """Where a training run writes, and what its randomness and its interruptions hang on."""

    folder: Path
    seed: int
    rarefy_depth: int  # reads
    resume_from: Path | None = None


def pretrain_encoder(inputs: Inputs, options: Options, run: Run) -> None:
    """Write encoder.pt, quality.json (on the held-out samples), metrics.jsonl, TensorBoard and figures."""
    check_aam(asdict(options), {})
    device.settle(options.device, options.threads, "--device")
    place = open_place("pretrain", inputs, options, run, encoder=digest(options.encoder))
    study = open_study(inputs, run.rarefy_depth, options)
    groups = groups_of(study.samples, inputs)
    rows, seed = np.arange(len(study.samples)), (run.seed,)
    model, history = pretrain.pretrain(study, rows, groups, options, seed, place)
    if team().rank:
        return
    held = pretrain.held_out(groups, options, seed)
    report = quality.judge(model, study, rows[~held], rows[held], options, seed)
    write_json(report, run.folder / "quality.json")
    figures.draw_history(history, run.folder / "losses.png")
    if pretext.has_distances(options):
        fixed = pretext.fixed_batches(study, rows[held], options, seed)
        pairs = pretrain.predicted_distances(model, study, fixed, options)
        figures.draw_distances(*(values.cpu().numpy() for values in pairs), run.folder / "distances.png")
    references = pretrain.references_of(study, rows[~held], options, seed)
    learned = study.samples[rows[~held]]
    pretrain.save_encoder(model, options, run.folder / "encoder.pt", study, references, learned)
    place.resume.unlink(missing_ok=True)
    found = {name: round(value, 3) for name, value in report.items() if name.endswith("_r2") and value is not None}
    print(f"wrote {run.folder / 'encoder.pt'}; held-out samples: {found}")


def train_predictor(
    inputs: Inputs,
    options: Options,
    run: Run,
    column: str,
    classifier: bool,
    outputs: int | None = None,
    encoder: Path | None = None,
) -> None:
    """Write model.pt, predictions.tsv, validation.tsv, metrics.json, metrics.jsonl, TensorBoard and figures.

    Without a pretrained `encoder` all weights start at random. `outputs`, where given, must be what the target needs.
    """
    device.settle(options.device, options.threads, "--device")
    if options.freeze_base and encoder is None:
        raise InputError("--freeze-base freezes random weights: give --pretrained-encoder too, or leave it out")
    check_aam(asdict(options) | {"stripe_mode": True}, {column: "classification" if classifier else "regression"})
    asked = {"column": column, "classifier": classifier, "encoder": digest(encoder)}
    place = open_place("train", inputs, options, run, **asked)
    study = open_study(inputs, run.rarefy_depth, options)
    values, categories, groups = read_target(study.samples, inputs, column, classifier)
    check_varies(values, column, inputs)
    learned, held = split_known(pd.notna(values), groups, options, run.seed)
    check_split(learned, held, column)
    if encoder:
        pretrain.check_unseen(pretrain.read_encoder(encoder, options), encoder, study.samples[held], SAME_SPLIT)
    target = fit_target(column, values[learned], categories, options.quantiles)
    check_outputs(outputs, target.outputs, column)
    base = first_encoder(encoder, study, learned, options, run.seed)
    rows = learned, held
    model, history = finetune.train_member(study, base, target, rows, values, options, (run.seed,), place)
    if team().rank:
        return
    residuals = np.zeros(0)
    if not categories:
        guess = predict.predict(model, study, base, target, held, options, run.seed)[:, target.centre]
        residuals = values[held].astype(float) - guess
    ids = study.samples
    result = TrainedPredictor(
        Trained(target, [model], [history], residuals),
        base,
        options,
        run.rarefy_depth,
        run.seed,
        ids[learned].tolist(),
        ids[held].tolist(),
        encoder is not None,
    )
    saved.save(result, run.folder / "model.pt")
    figures.draw_history(history, run.folder / "losses.png")
    write_tsv(predictions(result, study), run.folder / "predictions.tsv")
    judged, results = judge(result, study, values, groups)
    write_tsv(judged, run.folder / "validation.tsv")
    write_results(results, run.folder / "metrics.json")
    plot_predictions(judged, categories, column, "", run.folder / "predictions.png")
    place.resume.unlink(missing_ok=True)
    print(results.verdict.text)


def predict_samples(inputs: Inputs, model: Path, output: Path, **changed: object) -> None:
    """Write predictions of every sample of a table that has the model's depth: sample, prediction, low and high, p_."""
    result = saved.load(model, **changed)
    device.settle(result.options.device, result.options.threads, "--device")
    study = open_study(inputs, result.depth, result.options)
    write_tsv(predictions(result, study), output)
    print(f"wrote {output}: {len(study.samples)} samples")


def evaluate_model(inputs: Inputs, model: Path, output: Path, column: str | None = None, **changed: object) -> None:
    """Write metrics.json of the samples with a known value that the model has not learned from.

    Beside it stand the baselines, fitted on those of the model's training samples that the table has; there must be
    some. On the table of the training the figures are those of its metrics.json.
    """
    result = saved.load(model, **changed)
    device.settle(result.options.device, result.options.threads, "--device")
    study = open_study(inputs, result.depth, result.options)
    target = result.trained.target
    values, _, groups = read_target(study.samples, inputs, column or target.name, bool(target.categories))
    judged, results = judge(result, study, values, groups)
    write_results(results, output)
    write_tsv(judged, output.with_suffix(".tsv"))
    print(results.verdict.text)


def judge(
    result: TrainedPredictor, study: Study, values: np.ndarray, groups: np.ndarray
) -> tuple[pd.DataFrame, Results]:
    """Predictions next to the truth, and all models' metrics, of known samples that it has not learned from.

    The interval's coverage is left out where the samples are those that set its width.
    """
    target, options = result.trained.target, result.options
    known, learned = pd.notna(values), np.isin(study.samples, result.learned)
    categories = list(target.categories) or None
    fresh = np.flatnonzero(known & ~learned)
    if not len(fresh) or not (known & learned).any():
        raise InputError(
            f"of {known.sum()} samples with a known {target.name}, {(known & learned).sum()} are the model's training "
            f"samples and {len(fresh)} are not: give a table that has some of both, the first for the baselines"
        )
    strange = sorted(set(values[fresh]) - set(target.categories)) if categories else []
    if strange:
        raise InputError(f"{target.name} has values that the model does not know: {examples(strange)}")
    fold = np.where(known, np.where(learned, 1, 0), -1)
    task = Task(target.name, "", categories, values, groups, fold)
    table = predictions(result, study).set_index("sample").loc[study.samples[fresh]].reset_index()
    table.insert(1, "fold", 0)
    table.insert(2, "truth", values[fresh])
    baselines, chosen = evaluate.baseline_predictions(
        [task], study.samples, evidence(result, study), options, result.seed, folds=[0]
    )
    results = evaluate.evaluate(task, study.samples, table, baselines, chosen, options, result.seed)
    if set(table["sample"]) <= set(result.held):
        results.details.pop("interval", None)
    return table, results


def evidence(result: TrainedPredictor, study: Study) -> Evidence:
    """What the baselines read: counts [N, T], UniFrac and the sample embeddings of the base, trained and not."""
    counts = read_counts(study.counts, study.depth, result.seed)
    present = torch.from_numpy((counts["one draw"][0] > 0).toarray().astype(np.float32))
    own = ((present @ study.ancestors.cpu()) > 0).float()
    distances = data.distances(own, own, study.lengths.cpu()).double().numpy()
    learned = np.flatnonzero(np.isin(study.samples, result.learned))
    frozen = quality.embeddings(result.base, study, learned, result.options, (result.seed, 0))
    names = ("random", "pretrained") if result.pretrained else ("random",)
    return Evidence(counts, distances, None, {0: {name: frozen[name] for name in names}})


def predictions(result: TrainedPredictor, study: Study) -> pd.DataFrame:
    """Predictions of all samples of a study: sample, prediction, then low and high, or p_<category>."""
    trained, options = result.trained, result.options
    rows = np.arange(len(study.samples))
    guess = finetune.predict_fold(trained, study, result.base, rows, options, result.seed)
    width = predict.half_width(trained.residuals, options.interval)
    return pd.DataFrame({"sample": study.samples, **predict.columns(guess, trained.target, width)})


def open_study(inputs: Inputs, depth: int, options: Options) -> Study:
    """Read table, sequences and tree; samples with fewer than `depth` reads are left out and counted.

    Raises InputError where no feature has a sequence or no sample the depth.
    """
    table = tables.read_table(inputs.table)
    tables.check_counts(table, inputs.table)
    known = known_sequences(table, inputs)
    reads = table.sum(axis="sample")
    if not (reads >= depth).any():
        raise InputError(
            f"rarefy-depth={depth} keeps 0 of the {len(reads)} samples of {inputs.table} "
            f"(the largest has {int(reads.max()):,} reads): lower --rarefy-depth"
        )
    few = table.ids()[reads < depth]
    print(f"{len(few)} of {len(reads)} samples have fewer than {depth} reads, left out: {examples(few) or 'none'}")
    samples, features = table.ids()[reads >= depth].astype(str), table.ids("observation").astype(str)
    tree = trees.read_tree(inputs.tree)
    counts = counts_of(table, samples)
    study = data.make_study(samples, features, counts, known, tree, depth, options, prune=inputs.prune_tree)
    return data.with_lineages(study, tables.read_taxonomy(inputs.taxonomy)) if inputs.taxonomy else study


def known_sequences(table: biom.Table, inputs: Inputs) -> dict[str, str]:
    """Sequences of the features, from the FASTA or from their ids. Raises InputError where no feature has one."""
    features = table.ids("observation")
    if inputs.sequences:
        known = tables.read_fasta(inputs.sequences)
    else:
        known = {name: name.upper().replace("U", "T") for name in features if tables.is_sequence(name)}
    if not any(name in known for name in features):
        where = f"has a sequence in {inputs.sequences}" if inputs.sequences else "is a sequence itself"
        raise InputError(
            f"none of the {len(features)} features of {inputs.table} {where}: give their FASTA, --sequences"
        )
    return known


def first_encoder(path: Path | None, study: Study, learned: np.ndarray, options: Options, seed: int) -> Encoder:
    """The pretrained encoder, or one of random weights."""
    return pretrain.load_encoder(path, options) if path else pretrain.untrained(study, learned, options, (seed,))


def groups_of(samples: np.ndarray, inputs: Inputs) -> np.ndarray:
    """Group [N] of each sample by the metadata's group column; each its own where none is given."""
    if not inputs.group_column:
        return samples
    return _design(samples, inputs, {})["group"].reindex(samples).fillna("").to_numpy(dtype=str)


def read_target(
    samples: np.ndarray, inputs: Inputs, column: str, classifier: bool
) -> tuple[np.ndarray, list[str] | None, np.ndarray]:
    """Values [N] of a metadata column (NaN or None where unknown), its categories, and the groups [N]."""
    design = _design(samples, inputs, {column: "classification" if classifier else "regression"}).reindex(samples)
    categories = sorted(set(design[column].dropna())) if classifier else None
    values = design[column].to_numpy(dtype=object if classifier else float)
    known = pd.notna(values)
    print(f"{column}: known for {known.sum()} of {len(samples)} samples")
    return values, categories, design["group"].fillna("").to_numpy(dtype=str)


def open_place(command: str, inputs: Inputs, options: Options, run: Run, **asked: object) -> Place:
    """Where the run is kept while it is not finished; `resume_from`, where given, is what it starts from."""
    run.folder.mkdir(parents=True, exist_ok=True)
    path = run.folder / RESUME
    if run.resume_from:
        if not is_regular(run.resume_from):
            raise InputError(f"--resume-from {run.resume_from} does not exist: leave it out to start anew")
        if run.resume_from.resolve() != path.resolve():
            with atomic(path) as partial:
                shutil.copyfile(run.resume_from, partial)
    if path.is_file():
        print(f"going on with the interrupted run in {path}")
    chosen = {name: value for name, value in asdict(options).items() if name != "num_workers"}
    files = {name: digest(getattr(inputs, name)) for name in ("table", "tree", "sequences", "taxonomy", "metadata")}
    given = {"group_column": inputs.group_column, "prune_tree": inputs.prune_tree}
    own = {"command": command, "seed": run.seed, "rarefy_depth": run.rarefy_depth}
    return Place(path, run.folder, chosen | files | given | own | asked)


def digest(path: Path | None) -> str:
    """Digest of a file's content; empty where there is none."""
    if path is None or not is_regular(path):
        return ""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def split_known(known: np.ndarray, groups: np.ndarray, options: Options, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples to learn from and held-out ones among those `known` [N] bool: the split of pretraining on this table.

    Where that leaves a side without a known sample, the groups that are known are split by themselves.
    """
    held = pretrain.split_groups(groups, options.validation, (seed,))
    if not ((known & held).any() and (known & ~held).any()):
        held = np.zeros(len(known), dtype=bool)
        held[known] = pretrain.split_groups(groups[known], options.validation, (seed,))
    return np.flatnonzero(known & ~held), np.flatnonzero(known & held)


def check_varies(values: np.ndarray, column: str, inputs: Inputs) -> None:
    """Raise InputError where the known values of a target are fewer than two different ones."""
    if len(set(values[pd.notna(values)])) < 2:
        raise InputError(f"column {column} of {inputs.metadata} has one value or none in all samples: nothing to learn")


def check_split(learned: np.ndarray, held: np.ndarray, column: str) -> None:
    """Raise InputError where nothing is left to learn from or to validate on."""
    if not len(learned) or not len(held):
        raise InputError(
            f"{column}: {len(learned)} samples to learn from and {len(held)} to validate on; at least two groups of "
            "samples with a known value are needed: see --group-column"
        )


def check_outputs(asked: int | None, needed: int, column: str) -> None:
    """Raise InputError where --out-dim is given and is not what the target needs."""
    if asked is not None and asked != needed:
        raise InputError(f"--out-dim {asked}, but {column} needs {needed}: leave --out-dim out, or see --classifier")


def _design(samples: np.ndarray, inputs: Inputs, targets: dict[str, str]) -> pd.DataFrame:
    """Group and targets of those samples that have a row in the metadata (the id is its first column)."""
    if not inputs.metadata:
        raise InputError("--metadata is needed: a TSV with a row per sample, its id in the first column")
    frame = tables.read_tsv(inputs.metadata, "metadata")
    settings = {
        "file": str(inputs.metadata),
        "sample": frame.columns[0],
        "group": [inputs.group_column] if inputs.group_column else [],
        "time": None,
        "fields": {},
        "targets": targets,
        "unmatched": "drop",
        "min_fields": 0,
    }
    design, _ = metadata.build_design(settings, list(samples))
    return design
