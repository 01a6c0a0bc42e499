"""A script's log, its errors in one line, and the mark that it is at work; a disk that is full or read-only."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from taxoscape import figures, tables
from taxoscape.digest import ROOT
from taxoscape.errors import InputError
from taxoscape.files import write_npz, write_tsv
from taxoscape.job import JOBS, at_work, logged
from taxoscape.learning import checkpoint


def test_prints_go_to_the_log(tmp_path, capsys):
    log = tmp_path / "logs" / "stage.log"
    with logged(str(log)):
        print("out µ")
        print("err", file=sys.stderr)
    assert log.read_text(encoding="utf-8") == "out µ\nerr\n"
    assert capsys.readouterr() == ("", "")


def test_bad_input_is_one_line_on_the_terminal_and_exit_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop, logged(str(tmp_path / "a.log")):
        raise InputError("depth=9 keeps\n0 samples")
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: depth=9 keeps 0 samples\n"
    assert (tmp_path / "a.log").read_text() == "error: depth=9 keeps 0 samples\n"


def test_a_bug_shows_its_traceback_in_the_log_and_goes_on(tmp_path):
    with pytest.raises(ZeroDivisionError), logged(str(tmp_path / "a.log")):
        print(1 / 0)
    assert "Traceback" in (tmp_path / "a.log").read_text()
    assert "ZeroDivisionError" in (tmp_path / "a.log").read_text()


RNG = np.random.default_rng(0)
NOISE = RNG.random((200, 500))  # 800 kB that no compression makes small


def picture(path: Path) -> None:
    figure = Figure()
    figure.subplots().imshow(NOISE)
    figures.save(figure, path, dpi=300)


WRITERS = {
    "a.npz": lambda path: write_npz(path, noise=NOISE),
    "a.tsv": lambda path: write_tsv(pd.DataFrame(NOISE), path),
    "a.tsv.gz": lambda path: write_tsv(pd.DataFrame(NOISE), path),
    "a.pt": lambda path: checkpoint.save({"noise": torch.tensor(NOISE)}, path),
    "a.biom": lambda path: tables.write_table(1000 * NOISE, range(500), range(200), path),
    "a.png": picture,
}


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A folder on a disk of 128 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_and_nothing_is_left(small_disk, capsys, name):
    with pytest.raises(SystemExit) as stop, logged(str(small_disk / "a.log")):
        WRITERS[name](small_disk / name)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {os.strerror(errno.ENOSPC)}")
    assert "give the same command again" in said
    assert said.count("\n") == 1
    assert [path.name for path in small_disk.iterdir()] == ["a.log"]


def test_a_disk_with_no_room_even_for_the_log_still_says_so(small_disk, capsys):
    with pytest.raises(SystemExit), logged(str(small_disk / "a.log")):
        (small_disk / "rest").write_bytes(b"0" * 2**20)
    assert os.strerror(errno.ENOSPC) in capsys.readouterr().err


def test_a_read_only_folder_is_one_line(small_disk, tmp_path, capsys):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(SystemExit) as stop, logged(str(tmp_path / "a.log")):
        write_tsv(pd.DataFrame(NOISE), small_disk / "a.tsv")
    assert stop.value.code == 2
    assert os.strerror(errno.EROFS) in capsys.readouterr().err


def test_an_error_in_which_a_library_wraps_a_full_disk_is_told_as_one(tmp_path, capsys):
    wrapped = RuntimeError("cannot write")
    wrapped.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "results/x.biom")
    with pytest.raises(SystemExit), logged(str(tmp_path / "a.log")):
        raise wrapped
    assert "results/x.biom" in capsys.readouterr().err


def test_another_error_of_the_system_is_a_bug(tmp_path):
    with pytest.raises(FileNotFoundError), logged(str(tmp_path / "a.log")):
        open(tmp_path / "absent")  # noqa: SIM115


def test_a_folder_that_no_run_has_claimed_is_left_as_it_is(tmp_path):
    with at_work(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_a_job_signs_while_it_works(tmp_path):
    (tmp_path / JOBS).parent.mkdir()
    (tmp_path / JOBS).touch()
    with at_work(tmp_path):
        assert f"process {os.getpid()} on " in (tmp_path / JOBS).read_text()


def test_a_job_asks_for_memory_by_the_size_of_its_inputs_and_for_twice_as_much_at_each_retry(tmp_path):
    source = (ROOT / "workflow" / "rules" / "common.smk").read_text()
    memory = source[source.index("def memory(") : source.index("def shared_threads(")]
    rules = """
rule all:
    input: "asked"
rule make:
    output: "large"
    shell: "head -c 5M /dev/zero >{output}"
rule ask:
    input: "large"
    output: "asked"
    resources: mem_mb=memory(2000, per_mb=200)
    retries: 1
    shell: "echo {resources.mem_mb} >>tries; test {resources.mem_mb} -gt 4000 && touch {output}"
"""
    (tmp_path / "Snakefile").write_text(memory + rules)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", tmp_path]
    subprocess.run([*command, "--snakefile", tmp_path / "Snakefile"], check=True, capture_output=True)
    assert (tmp_path / "tries").read_text().split() == ["3000", "6000"]
