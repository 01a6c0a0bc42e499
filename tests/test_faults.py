"""A run that is killed in every stage ends, given again, with the bytes of one that was not; disks and doubles."""

import filecmp
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT, Chain, environment

pytestmark = pytest.mark.slow

LONG = os.environ.get("TAXOSCAPE_LONG")

# Stage -> file that is written but not yet in its place when the run is killed, and how often it was put there before.
# Of what is trained: the second checkpoint, so that the next run goes on from the first. Of what writes several files:
# not the first of them.
KILLS = {
    "demo": ("resources/demo/metadata.tsv", 0),
    "reads": ("results/reads/shards/run2/0.npz", 0),
    "denoise": ("results/denoise/steps/run1/0.tsv", 0),
    "taxonomy": ("results/taxonomy/summary.tsv", 0),
    "filter": ("results/filter/asvs.fasta", 0),
    "rarefy": ("results/rarefy/dropped.tsv", 0),
    "phylogeny": ("results/phylogeny/unrooted.nwk", 0),
    "functions": ("results/functions/channels.tsv", 0),
    "metadata": ("results/metadata/splits.tsv", 0),
    "export": ("results/export/phyloseq/otu_table.tsv", 0),
    "embedding": ("results/embedding/quality.json", 0),
    "layout": ("results/layout/positions.tsv", 0),
    "images": ("results/images/composition.npz", 0),
    "unifrac": ("results/unifrac/faith_pd.tsv", 0),
    "diversity": ("results/diversity/alpha_tests.tsv", 0),
    "aam": ("results/aam/checkpoints/[^/]+/[^/]+", 2),
    "phenotype": ("results/phenotype/checkpoints/[^/]+/[^/]+", 1),
    "diffusion": ("results/diffusion/model.pt", 0),  # 250 steps are trained, a checkpoint is kept of 200
    "forecast": ("results/forecast/checkpoints/[^/]+/[^/]+", 1),
    "evaluation": ("results/evaluation/generation.json", 0),
    "report": ("results/report/report.html", 0),
}
# Nothing of the demo is downloaded; tests/test_references.py cuts downloads off.
NOT_HERE = {"references"}


def files(study: Path) -> dict[str, Path]:
    """Everything that stages wrote, by its path in the study."""
    folders = (study / "results", study / "resources")
    return {str(path.relative_to(study)): path for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_every_stage_has_its_kill():
    stages = {path.stem for path in (ROOT / "workflow/rules").glob("*.smk")} - {"common"}
    assert set(KILLS) == stages - NOT_HERE


def killed_and_rerun(study: Chain, kills: dict, marks: Path) -> None:
    """Give the same command until it ends well; it must be killed once for every entry of the table, and only so."""
    marks.mkdir()
    shutil.copy(ROOT / "tests/killer.py", marks / "sitecustomize.py")
    (marks / "table.json").write_text(json.dumps(kills))
    variables = environment() | {"KILLER": str(marks / "table.json"), "PYTHONPATH": str(marks)}
    command, ends = [sys.executable, "-m", "snakemake", *study.arguments()], []
    while not ends or (ends[-1] == -signal.SIGKILL and len(ends) <= len(kills)):
        done = subprocess.run(
            command, cwd=study.repository, env=variables, capture_output=True, text=True, start_new_session=True
        )
        ends.append(done.returncode)
    assert ends[-1] == 0, (done.stdout + done.stderr)[-6000:]
    assert {stage for stage in kills if (marks / stage).exists()} == set(kills)


def assert_same(found: Path, whole: Path) -> None:
    """The files of two studies are the same, byte by byte."""
    assert set(files(found)) == set(files(whole))
    differ = [name for name, path in files(whole).items() if not filecmp.cmp(path, files(found)[name], shallow=False)]
    assert differ == []


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not LONG, reason="runs the chain again, killed in every stage: set TAXOSCAPE_LONG=1")
def test_a_run_that_is_killed_in_every_stage_ends_with_the_bytes_of_one_that_was_not(chain, tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    killed_and_rerun(Chain(chain.repository, study, chain.config), KILLS, tmp_path / "marks")
    assert_same(study, chain.study)


def test_training_that_is_killed_goes_on_to_the_same_bytes(chain, tmp_path):
    study, stages = tmp_path / "study", ("export", "diffusion", "report")
    shutil.copytree(chain.study, study)
    for stage in stages:
        shutil.rmtree(study / "results" / stage)
    killed = Chain(chain.repository, study, chain.config)
    killed_and_rerun(killed, {stage: KILLS[stage] for stage in stages}, tmp_path / "marks")
    assert_same(study, chain.study)


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    """A mount on a folder of the study; skips where that needs root."""
    done = subprocess.run(["mount", *options, str(place)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting needs root: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def told(done: subprocess.CompletedProcess) -> list[str]:
    """Lines in which a run says what is wrong."""
    assert done.returncode
    assert "Traceback" not in done.stdout + done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("error:")]


def test_two_runs_in_a_folder_are_refused_before_any_job(chain):
    before = files(chain.study)
    first = "import sys; from taxoscape.workplace import claim; claim(sys.argv[1]); print('ready', flush=True); input()"
    command = [sys.executable, "-c", first, str(chain.study)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        refused = chain.run("--forcerun", "write_report")
        looked = chain.run("--dry-run")
        process.kill()
    [line] = told(refused)
    assert f"another run is at work in {chain.study} (process {process.pid} on " in line
    assert looked.returncode == 0
    assert files(chain.study) == before


def test_a_read_only_folder_of_results_is_refused_before_any_job(chain):
    place, page = chain.study / "results", chain.result("report/report.html")
    aside = page.rename(page.with_name("aside.html"))  # Snakemake itself says which files it may not write over
    with mounted(place, "--bind", str(place)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(place)], check=True)
        done = chain.run()
    aside.rename(page)
    [line] = told(done)
    assert f"{place} cannot be written (Read-only file system)" in line


def test_a_disk_that_fills_up_is_one_line_and_the_same_command_goes_on(chain):
    page = chain.result("report/report.html")
    whole = page.read_bytes()
    with mounted(page.parent, "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        (page.parent / "kept").touch()  # Snakemake removes folders that are empty, which a mount cannot be
        lines = told(chain.run())
        assert len(lines) >= 1
        assert all("No space left on device" in line for line in lines)
        assert [path.name for path in page.parent.iterdir()] == ["kept"]
    page.unlink()
    assert chain.run().returncode == 0
    assert page.read_bytes() == whole
