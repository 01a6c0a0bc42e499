"""The image is built by the script of `make setup` from what it needs; rules run in the image that is named."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, environment

from taxoscape import programs, tables
from taxoscape.digest import imported, module_names
from taxoscape.errors import InputError

CONTAINERFILE = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
# A stand-in for apptainer: notes how it was called and runs the command here, without any image.
APPTAINER = """#!/bin/bash
if [ "$1" = --version ]; then echo "apptainer version 1.3.4"; exit; fi
echo "$*" >> "${0%/*}/calls"
while [ "$1" != bash ]; do shift; done
exec "$@"
"""


def lines(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} (.*)$", CONTAINERFILE, re.M)


def let_through(path: str) -> bool:
    """Whether .dockerignore leaves a file (or the folder that holds it) in what the image is built from."""
    kept, places = True, [path, *(str(parent) for parent in Path(path).parents)]
    for rule in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = rule.removeprefix("!")
        within = Path(path).parts if pattern.startswith("**/") else places
        pattern = pattern.removeprefix("**/")
        matches = [fnmatch(part, pattern) and part.count("/") == pattern.count("/") for part in within]
        if rule and not rule.startswith("#") and any(matches):
            kept = rule.startswith("!")
    return kept


def test_the_image_is_set_up_by_the_script_of_make_setup():
    assert "./setup.sh" in (ROOT / "Makefile").read_text()
    setup = next(place for place, line in enumerate(CONTAINERFILE.splitlines()) if line.startswith("RUN ./setup.sh"))
    copied = re.findall(r"^COPY (.*)$", "\n".join(CONTAINERFILE.splitlines()[:setup]), re.M)
    files = {name for line in copied for name in line.split()[:-1]}
    # What the script reads, and what the installation of the package (its command `aam`) reads.
    read = set(re.findall(r"\b(requirements\.txt|constraints\.txt)\b", (ROOT / "setup.sh").read_text()))
    assert files == read | {"setup.sh", "pyproject.toml", "taxoscape/__init__.py"}
    assert not [line for line in lines("RUN") if "pip install" in line or "apt-get install" in line]


def test_the_base_is_pinned_and_the_user_is_not_root():
    assert [re.fullmatch(r"debian:12\.\d+-slim", line) is not None for line in lines("FROM")] == [True]
    assert int(lines("USER")[-1]) > 0


def test_the_image_holds_what_runs_and_nothing_else():
    needed = ["Snakefile", "setup.sh", "requirements.txt", "constraints.txt", "pyproject.toml", "config/demo.yaml"]
    for folder in ("taxoscape", "workflow", "config", "profiles"):
        found = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        needed += [str(path.relative_to(ROOT)) for path in found]
    needed += [str(path.relative_to(ROOT)) for path in (ROOT / "resources").glob("*.tsv")]
    assert [path for path in needed if not let_through(path)] == []
    left = [".git/config", ".venv/bin/python", "results/report/report.html", "resources/downloads/silva.fa.gz"]
    left += [
        "STUDY/metadata.tsv",
        "resources/demo/samples.tsv",
        "taxoscape/__pycache__/tables.pyc",
        "tests/conftest.py",
    ]
    assert [path for path in left if let_through(path)] == []


def test_the_repository_is_bound_once():
    once = programs.with_repository("--nv", "/home/me/my taxoscape")
    assert once == "--nv --bind '/home/me/my taxoscape'"
    assert programs.with_repository(once, "/home/me/my taxoscape") == once
    assert programs.with_repository("", "/opt/taxoscape") == "--bind /opt/taxoscape"


def test_an_image_is_an_address_or_a_file(tmp_path):
    programs.check_image("docker://registry/taxoscape:0.1.0")
    (tmp_path / "image.sif").touch()
    programs.check_image(str(tmp_path / "image.sif"))
    with pytest.raises(InputError, match=r"container none.sif does not exist .*working directory"):
        programs.check_image("none.sif")
    with pytest.raises(InputError, match="--sdm apptainer needs an image: set container"):
        programs.check_image(None)


@pytest.fixture
def study(tmp_path) -> Path:
    """A study that starts from a table, an image that is none, and the stand-in for apptainer."""
    folder = tmp_path / "study"
    folder.mkdir()
    samples = [f"s{number}" for number in range(8)]
    sequences = {"a": "ACGT" * 40, "b": "GGCA" * 40}
    tables.write_table(np.full((8, 2), 50), list(sequences), samples, folder / "table.biom")
    tables.write_fasta(sequences, folder / "asvs.fasta")
    pd.DataFrame({"sample_id": samples}).to_csv(folder / "metadata.tsv", sep="\t", index=False)
    (folder / "training.fa").write_text(">Bacteria;Firmicutes;\nACGT\n")
    config = {
        "input": {"kind": "table", "table": "table.biom", "sequences": "asvs.fasta"},
        "metadata": {"file": "metadata.tsv"},
        "taxonomy": {"training_set": "training.fa"},
        "functions": {"method": "none"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "image.sif").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apptainer").write_text(APPTAINER)
    (tmp_path / "bin" / "apptainer").chmod(0o755)
    return folder


def run(study: Path, *more: str) -> subprocess.CompletedProcess:
    """Run one rule of the study under --sdm apptainer."""
    variables = environment()
    variables["PATH"] = f"{study.parent / 'bin'}:{variables['PATH']}"
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(study), "--sdm", "apptainer"]
    command += ["--configfile", str(study / "config.yaml"), *more, "--", "results/denoise/table.biom"]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)


def test_a_rule_runs_in_the_image_and_sees_study_and_repository(study):
    done = run(study, "--config", "container=image.sif")
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert (study / "results/denoise/table.biom").is_file()
    (call,) = (study.parent / "bin/calls").read_text().splitlines()
    assert call.startswith(f"exec --home {study} ")
    assert call.count(f"--bind {ROOT} ") == 1  # the place that rules know: templates, lists of primers
    assert f"--bind {ROOT}:/mnt/snakemake_searchpaths/" in call  # the place from which scripts import
    assert re.search(r" image\.sif bash -c .* python \S+\.import_table\.py$", call)


@pytest.mark.parametrize(
    ("given", "message"), [([], "needs an image"), (["container=no.sif"], "no.sif does not exist")]
)
def test_a_missing_image_is_refused_before_any_job(study, given, message):
    done = run(study, *(["--config", *given] if given else []))
    assert done.returncode != 0
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")][0].count(message) == 1
    assert not (study.parent / "bin/calls").exists()


def test_the_environment_of_snakemake_itself_has_what_the_checks_import(tmp_path):
    common = (ROOT / "workflow/rules/common.smk").read_text()
    imports = "\n".join(re.findall(r"^(?:import|from) .*$", common, re.M))
    (tmp_path / "door.py").write_text(imports)
    roots = {name.split(".")[0] for path in imported(tmp_path / "door.py") for name in module_names(path)}
    names = {"sklearn": "scikit-learn", "biom": "biom-format", "yaml": "pyyaml"}
    needed = {names.get(name, name) for name in roots - set(sys.stdlib_module_names) - {"taxoscape"}}
    *_, pip = yaml.safe_load((ROOT / "environment.yaml").read_text())["dependencies"]
    pins = dict(line.split("==") for line in pip["pip"])
    wanted = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.M))
    assert needed - set(pins) == {"jsonschema"}  # Snakemake's own
    assert {name: wanted[name] for name in pins} == pins
