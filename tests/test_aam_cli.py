"""The command line of AAM: what each option changes, what is refused, and that interruptions leave no trace."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
import yaml
from skbio import TreeNode
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from taxoscape import files, tables
from taxoscape.aam import cli, commands, saved
from taxoscape.aam.options import Options
from taxoscape.aam.presets import PRESETS, SMALL
from taxoscape.aam.pretrain import PretrainedEncoder
from taxoscape.errors import InputError
from taxoscape.learning import checkpoint
from taxoscape.learning.monitor import Monitor
from taxoscape.scoring.results import read_results

ROOT = Path(__file__).resolve().parent.parent
SAMPLES, TAXA, DEPTH = 18, 20, 60
TINY = ["--embedding-dim", "8", "--attention-heads", "2", "--attention-layers", "1", "--max-bp", "30", "--patch", "3"]
TINY += ["--batch-size", "4", "--lr", "0.003", "--rarefy-depth", str(DEPTH)]


def run(*arguments: object) -> None:
    cli.aam.main([str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> dict[str, Path]:
    """Files of a study whose feature ids are sequences; sample s0 has too few reads, s1 no age."""
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    names = ["".join(rng.choice(list("ACGT"), 36)) for _ in range(TAXA)]
    samples = [f"s{number}" for number in range(SAMPLES)]
    counts = rng.poisson(9, (SAMPLES, TAXA)) * (rng.random((SAMPLES, TAXA)) < 0.6) + np.eye(SAMPLES, TAXA, dtype=int)
    counts += 5 * (np.arange(TAXA) == 0)
    counts[0] = np.eye(TAXA, dtype=int)[3]
    paths = {name: folder / name for name in ("table.biom", "tree.nwk", "metadata.tsv", "asvs.fasta", "coded.biom")}
    tables.write_table(scipy.sparse.csr_matrix(counts), names, samples, paths["table.biom"])
    tables.write_table(scipy.sparse.csr_matrix(counts), [f"f{n}" for n in range(TAXA)], samples, paths["coded.biom"])
    tables.write_fasta({f"f{number}": name for number, name in enumerate(names)}, paths["asvs.fasta"])
    clades = [TreeNode(name=name, length=float(rng.uniform(0.1, 1))) for name in names]
    while len(clades) > 1:
        pair = [clades.pop(rng.integers(len(clades))) for _ in range(2)]
        clades.append(TreeNode(children=pair, length=0.3))
    clades[0].length = None
    clades[0].write(str(paths["tree.nwk"]))
    people = pd.DataFrame(
        {"id": samples, "age": np.arange(SAMPLES) * 1.5, "host": [f"h{n // 2}" for n in range(SAMPLES)]}
    )
    people["diet"], people["same"] = np.where(np.arange(SAMPLES) % 3, "veg", "meat"), "x"
    people["age"] = people["age"].astype(str)
    people.loc[1, "age"] = "missing"
    files.write_tsv(people, paths["metadata.tsv"])
    return {name.split(".")[0]: path for name, path in paths.items()}


def given(study: dict, *names: str) -> list:
    return [part for name in names for part in (f"--{name}", study[name])]


@pytest.fixture(scope="module")
def encoder(study, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained")
    grouped = [*given(study, "table", "tree", "metadata"), "--group-column", "host"]
    run("pretrain", *grouped, "--output-dir", folder, *TINY, "--epochs", 2)
    return folder / "encoder.pt"


def board(folder: Path, name: str) -> EventAccumulator:
    return EventAccumulator(str(folder / "tensorboard" / name)).Reload()


def train(study: dict, folder: Path, *more: object, column: str = "age") -> None:
    common = [*given(study, "table", "tree", "metadata"), "--output-dir", folder, *TINY, "--group-column", "host"]
    run("train", *common, "--metadata-column", column, *more)


# --- what each command writes


def test_pretraining_writes_its_files_and_leaves_nothing_to_resume(encoder):
    found = {path.name for path in encoder.parent.iterdir()}
    assert found == {"encoder.pt", "quality.json", "metrics.jsonl", "losses.png", "distances.png", "tensorboard"}
    rows = [json.loads(line) for line in (encoder.parent / "metrics.jsonl").read_text().splitlines()]
    assert [row["round"] for row in rows] == [1, 2]
    assert {"total_loss", "unifrac_loss", "nuc_loss", "val_unifrac_loss", "val_nuc_loss", "val_r2", "lr"} <= set(
        rows[0]
    )


@pytest.mark.parametrize(
    ("column", "options"),
    [("age", []), ("age", ["--freeze-base"]), ("diet", ["--classifier", "--out-dim", 2, "--freeze-base"])],
)
def test_predict_and_evaluate_give_the_figures_of_the_training(study, encoder, tmp_path, column, options):
    train(study, tmp_path, "--pretrained-encoder", encoder, "--epochs", 2, *options, column=column)
    same = ["--model", tmp_path / "model.pt", *given(study, "table", "tree")]
    run("predict", *same, "--output", tmp_path / "again.tsv")
    assert (tmp_path / "again.tsv").read_bytes() == (tmp_path / "predictions.tsv").read_bytes()
    run("evaluate", *same, *given(study, "metadata"), "--group-column", "host", "--output", tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "metrics.json").read_bytes()
    assert (tmp_path / "again.tsv").read_bytes() == (tmp_path / "validation.tsv").read_bytes()
    judged, whole = (pd.read_csv(tmp_path / f"{name}.tsv", sep="\t") for name in ("validation", "predictions"))
    assert len(whole) == SAMPLES - 1
    result = saved.load(tmp_path / "model.pt")
    assert sorted(judged["sample"]) == sorted(result.held)
    assert not set(result.held) & set(result.learned)
    hosts = [{int(name[1:]) // 2 for name in names} for names in (result.held, result.learned)]
    assert not hosts[0] & hosts[1]
    if column == "age":
        results = read_results(tmp_path / "metrics.json")
        error = (judged["truth"] - judged["prediction"]).abs().mean()
        assert results.main.models["aam"]["mae"]["value"] == pytest.approx(error)
        assert "s1" not in result.held + result.learned
        assert "interval" not in results.details


def test_a_sample_is_predicted_alike_whichever_others_are_in_the_table(study, encoder, tmp_path):
    train(study, tmp_path, "--epochs", 1)
    table = tables.read_table(study["table"])
    few = table.filter(["s9", "s4"], inplace=False)
    tables.write_table(few.matrix_data.T.tocsr(), few.ids("observation"), few.ids(), tmp_path / "few.biom")
    model = ["--model", tmp_path / "model.pt", "--tree", study["tree"]]
    run("predict", *model, "--table", tmp_path / "few.biom", "--output", tmp_path / "few.tsv")
    few, whole = (
        pd.read_csv(tmp_path / name, sep="\t", index_col=0).loc[["s4", "s9"], "prediction"]
        for name in ("few.tsv", "predictions.tsv")
    )
    np.testing.assert_allclose(few, whole, atol=1e-4)


def test_sequences_from_a_fasta_are_those_that_are_ids(study, encoder, tmp_path):
    names = tables.read_fasta(study["asvs"])
    text = study["tree"].read_text()
    for name, sequence in names.items():
        text = text.replace(sequence, name)
    (tmp_path / "tree.nwk").write_text(text)
    coded = ["--table", study["coded"], "--tree", tmp_path / "tree.nwk", "--sequences", study["asvs"]]
    run("pretrain", *coded, "--output-dir", tmp_path, *TINY, "--epochs", 2)
    one, two = (checkpoint.load(path, PretrainedEncoder, "") for path in (encoder, tmp_path / "encoder.pt"))
    # Features have another order in the two tables, and so do the draws: close, not equal.
    assert one.model.keys() == two.model.keys()


def test_tensorboard_holds_the_tags_and_every_tenth_epoch_histograms(study, encoder, tmp_path):
    train(study, tmp_path, "--pretrained-encoder", encoder, "--freeze-base", "--epochs", 10, "--patience", 10)
    seen, held_out = board(tmp_path, "train"), board(tmp_path, "validation")
    wanted = {"total_loss", "target_loss", "count_loss"}
    assert wanted | {"learning_rate"} <= set(seen.Tags()["scalars"])
    assert wanted | {"mae", "mse", "r2"} <= set(held_out.Tags()["scalars"])
    assert [event.step for event in seen.Scalars("total_loss")] == list(range(1, 11))
    assert [event.step for event in seen.Histograms("weights/target.weight")] == [10]
    assert [event.step for event in seen.Histograms("gradients/target.weight")] == [10]
    for run_ in ("train", "validation"):
        tags = board(encoder.parent, run_).Tags()["scalars"]
        assert {"total_loss", "unifrac_loss", "nuc_loss"} <= set(tags)


def test_classifiers_log_accuracy_precision_recall_and_f1(study, tmp_path):
    train(study, tmp_path, "--epochs", 1, "--classifier", column="diet")
    tags = board(tmp_path, "validation").Tags()["scalars"]
    assert {"accuracy", "precision", "recall", "f1"} <= set(tags)


# --- options


def test_small_is_the_workflow_but_for_one_model_and_a_free_base():
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["aam"]
    assert config == {**SMALL, "members": 5, "freeze_base": True}


SOURCE = """
--stripe-mode --lazy-unifrac --reference-samples --unifrac-metric
--table --tree --metadata --metadata-column --output-dir --output --model --epochs --batch-size
--optimizer --scheduler --lr --warmup-steps --weight-decay --embedding-dim --attention-heads
--attention-layers --max-bp --token-limit --prune-tree --gradient-accumulation-steps
--use-expandable-segments --asv-chunk-size --rarefy-depth --test-size --pretrained-encoder
--freeze-base --classifier --out-dim --group-column --patience --best-metric --max-grad-norm
--mixed-precision --compile-model --seed --resume-from --device --num-workers --preset
"""
OTHERS = {"--optimizer": "sgd", "--scheduler": "plateau", "--mixed-precision": "bf16", "--best-metric": "mae"}
OTHERS |= {"--unifrac-metric": "weighted", "--reference-samples": "ids.txt", "--quantiles": [0.1, 0.5]}
OTHERS |= {"--pretrained-encoder": "encoder.pt", "--device": "cuda", "--test-size": 0.4, "--dropout": 0.3, "--ema": 0.5}


@pytest.mark.parametrize("command", ["pretrain", "train"])
@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_option_reaches_its_field_and_no_other(study, monkeypatch, tmp_path, command, preset):
    taken = []
    monkeypatch.setattr(commands, "pretrain_encoder", lambda inputs, options, run: taken.append(options))
    monkeypatch.setattr(commands, "train_predictor", lambda inputs, options, *more: taken.append(options))
    common = [command, *given(study, "table", "tree", "metadata"), "--output-dir", tmp_path, "--preset", preset]
    common += ["--metadata-column", "age"] if command == "train" else []
    run(*common)
    assert taken.pop() == Options(**PRESETS[preset])
    rows = cli.MODEL + cli.TRAINING + cli.MACHINE + (cli.FINE_TUNING if command == "train" else cli.PRETEXT)
    for flag, named, kind, _ in rows:
        field = named[command] if isinstance(named, dict) else named
        was = PRESETS[preset][field]
        if kind is bool:
            arguments, wanted = [flag.split("/")[was]], not was
        else:
            wanted = OTHERS[flag] if flag in OTHERS else was * 2 + 1
            arguments = [flag, ",".join(map(str, wanted)) if isinstance(wanted, list) else wanted]
        run(*common, *arguments)
        assert taken.pop() == Options(**PRESETS[preset] | {field: wanted}), flag


def test_every_option_of_the_source_is_there():
    known = {name for command in cli.aam.commands.values() for option in command.params for name in option.opts}
    assert set(SOURCE.split()) <= known
    assert all(option.help for command in cli.aam.commands.values() for option in command.params)


def test_expandable_segments_are_asked_of_the_allocator(study, monkeypatch, tmp_path):
    monkeypatch.delenv("PYTORCH_CUDA_ALLOC_CONF", raising=False)
    monkeypatch.setattr(commands, "pretrain_encoder", lambda *arguments: None)
    common = ["pretrain", *given(study, "table", "tree"), "--output-dir", tmp_path]
    run(*common)
    assert "PYTORCH_CUDA_ALLOC_CONF" not in os.environ
    run(*common, "--use-expandable-segments")
    assert os.environ["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True"


# --- interruptions


def test_a_killed_run_goes_on_to_the_same_bytes_and_refuses_other_options(study, tmp_path, capsys):
    def arguments(folder: Path, *more: object) -> list[str]:
        same = [*given(study, "table", "tree"), *TINY, "--epochs", 12, "--patience", 12, "--ema", 0.9]
        same += ["--output-dir", folder, *more]
        return ["pretrain", *map(str, same)]

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(*arguments(whole))
    command = [sys.executable, "-m", "taxoscape.aam", *arguments(broken)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        while not (broken / "resume.pt").exists():
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    assert (broken / "resume.pt").exists()
    assert not (broken / "encoder.pt").exists()
    with pytest.raises(InputError, match="lr=0.003, this one has lr=0.004"):
        run(*arguments(broken, "--lr", 0.004))
    time.sleep(1.1)  # TensorBoard orders the files of a folder by the second in their names
    run(*arguments(broken))
    assert "going on with the interrupted run" in capsys.readouterr().out
    for name in ("encoder.pt", "metrics.jsonl", "quality.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name
    assert [event.step for event in board(broken, "train").Scalars("total_loss")] == list(range(1, 13))


def test_resume_from_takes_up_a_run_of_another_folder(study, tmp_path, monkeypatch):
    train(study, tmp_path / "whole", "--epochs", 3)

    class Killed(Exception):
        pass

    monkeypatch.setattr(Monitor, "close", lambda self: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        train(study, tmp_path / "broken", "--epochs", 3)
    monkeypatch.undo()
    train(study, tmp_path / "other", "--epochs", 3, "--resume-from", tmp_path / "broken" / "resume.pt")
    assert (tmp_path / "other" / "model.pt").read_bytes() == (tmp_path / "whole" / "model.pt").read_bytes()
    with pytest.raises(InputError, match="predictor, not interrupted run.*: only an interrupted run can be"):
        train(study, tmp_path / "third", "--epochs", 3, "--resume-from", tmp_path / "whole" / "model.pt")
    with pytest.raises(InputError, match="--resume-from .* does not exist"):
        train(study, tmp_path / "fourth", "--resume-from", tmp_path / "none.pt")


# --- refusals


def test_an_encoder_that_has_read_the_held_out_samples_is_refused(study, tmp_path):
    """Pretrained without groups, it has learned from samples of hosts that training holds out."""
    run("pretrain", *given(study, "table", "tree"), "--output-dir", tmp_path, *TINY, "--epochs", 1)
    with pytest.raises(InputError, match=r"was pretrained on \d+ samples \(s.*judged by, .*same --seed, --test-size"):
        train(study, tmp_path / "age", "--pretrained-encoder", tmp_path / "encoder.pt")


def test_what_cannot_be_trained_is_refused_in_one_line(study, encoder, tmp_path):
    cases = [
        (["--freeze-base"], "age", "--pretrained-encoder"),
        (["--out-dim", 3], "age", "--out-dim 3, but age needs 1"),
        (["--classifier", "--out-dim", 3], "diet", "--out-dim 3, but diet needs 2"),
        (["--best-metric", "f1"], "age", "best_metric=f1 does not fit target age"),
        (["--classifier", "--best-metric", "r2"], "diet", "best_metric=r2 does not fit target diet"),
        ([], "diet", "declared as numbers"),
        ([], "none", "no column 'none'"),
        (["--classifier"], "same", "one value or none"),
        (["--rarefy-depth", 10**6], "age", "--rarefy-depth"),
        (["--embedding-dim", 9], "age", "no multiple of attention_heads=2"),
        (["--pretrained-encoder", encoder, "--embedding-dim", 16], "age", "embedding_dim"),
        (["--table", study["coded"]], "age", "give their FASTA, --sequences"),
        (["--group-column", "same"], "age", "--group-column"),
    ]
    if not torch.cuda.is_available():
        cases.append((["--device", "cuda"], "age", "device is cuda.*set it to cpu"))
    for options, column, said in cases:
        with pytest.raises(InputError, match=said) as caught:
            train(study, tmp_path, *options, column=column)
        assert "\n" not in str(caught.value)


def test_quantiles_are_written_in_order_and_must_hold_the_median(study, encoder, tmp_path):
    train(study, tmp_path, "--epochs", 2, "--quantiles", "0.9,0.5,0.1")
    table = pd.read_csv(tmp_path / "predictions.tsv", sep="\t")
    assert (table["q_0.1"] <= table["q_0.5"]).all()
    assert (table["q_0.5"] <= table["q_0.9"]).all()
    assert set(read_results(tmp_path / "metrics.json").details["quantiles"]) == {"q_0.1", "q_0.5", "q_0.9"}
    with pytest.raises(InputError, match=r"quantiles=\[0.1\] have no 0.5"):
        train(study, tmp_path / "other", "--quantiles", "0.1")
    for said in ("0.5,x", "0.5,1.5"):
        with pytest.raises(click.BadParameter):
            train(study, tmp_path / "other", "--quantiles", said)


def test_clades_are_learned_from_a_taxonomy(study, tmp_path):
    names = tables.read_table(study["table"]).ids("observation")
    lineages = ["k__A; p__B", "k__A; p__C", "k__A; p__"]
    files.write_tsv(
        pd.DataFrame({"Feature ID": names, "Taxon": [lineages[place % 3] for place in range(TAXA)]}),
        tmp_path / "taxonomy.tsv",
    )
    common = [*given(study, "table", "tree", "metadata"), "--group-column", "host", *TINY, "--epochs", 2]
    common += ["--unifrac-metric", "combined"]
    with pytest.raises(InputError, match="give a taxonomy"):
        run("pretrain", *common, "--output-dir", tmp_path / "none")
    run("pretrain", *common, "--output-dir", tmp_path / "all", "--taxonomy", tmp_path / "taxonomy.tsv")
    report = json.loads((tmp_path / "all" / "quality.json").read_text())
    assert {"unifrac_r2", "faith_r2", "clades_found"} <= set(report)
    assert len(report["clades_found"]) == 2
    for run_ in ("train", "validation"):
        assert {"faith_loss", "taxonomy_loss"} <= set(board(tmp_path / "all", run_).Tags()["scalars"])
    train(study, tmp_path / "age", "--pretrained-encoder", tmp_path / "all" / "encoder.pt", "--epochs", 1)


def test_models_and_encoders_are_not_mistaken_for_each_other(study, encoder, tmp_path):
    train(study, tmp_path, "--epochs", 1)
    with pytest.raises(InputError, match="pretrained encoder, not trained predictor"):
        run("predict", "--model", encoder, *given(study, "table", "tree"), "--output", tmp_path / "p.tsv")
    with pytest.raises(InputError, match="trained predictor, not pretrained encoder"):
        train(study, tmp_path, "--pretrained-encoder", tmp_path / "model.pt")


def test_a_class_that_the_model_has_not_seen_is_named(study, tmp_path):
    train(study, tmp_path, "--epochs", 1, "--classifier", column="diet")
    people = pd.read_csv(study["metadata"], sep="\t", dtype=str)
    people.loc[people["id"].isin(saved.load(tmp_path / "model.pt").held), "diet"] = "fish"
    files.write_tsv(people, tmp_path / "other.tsv")
    with pytest.raises(InputError, match="diet has values that the model does not know: fish"):
        run(
            *("evaluate", "--model", tmp_path / "model.pt", *given(study, "table", "tree")),
            *("--metadata", tmp_path / "other.tsv", "--output", tmp_path / "m.json"),
        )


def test_evaluation_needs_samples_that_the_model_has_and_has_not_seen(study, tmp_path):
    train(study, tmp_path, "--epochs", 1)
    result = saved.load(tmp_path / "model.pt")
    table = tables.read_table(study["table"]).filter(result.held, inplace=False)
    tables.write_table(table.matrix_data.T.tocsr(), table.ids("observation"), table.ids(), tmp_path / "held.biom")
    with pytest.raises(InputError, match="give a table that has some of both"):
        run(
            *("evaluate", "--model", tmp_path / "model.pt", *given(study, "tree", "metadata")),
            *("--table", tmp_path / "held.biom", "--output", tmp_path / "m.json"),
        )


def test_group_column_without_metadata_is_refused(study, tmp_path):
    with pytest.raises(InputError, match="--metadata is needed"):
        run("pretrain", *given(study, "table", "tree"), "--output-dir", tmp_path, *TINY, "--group-column", "host")


def test_errors_are_one_line_and_exit_code_2(study, tmp_path):
    command = [sys.executable, "-m", "taxoscape.aam", "predict", "--model", tmp_path / "none.pt", "--output", "x.tsv"]
    command += given(study, "table", "tree")
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
