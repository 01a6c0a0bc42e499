"""A study's folder is of one run at a time; a killed one holds nothing, and leaves nothing half-written behind."""

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT

from taxoscape import workplace
from taxoscape.errors import InputError
from taxoscape.files import atomic
from taxoscape.job import at_work

RUN = "from taxoscape.workplace import claim; claim('.')"
JOB = "from taxoscape.job import at_work; held = at_work(); held.__enter__()"


@contextmanager
def other(does: str, folder: Path) -> Iterator[subprocess.Popen]:
    """Another process that does this in the folder, and goes on living."""
    command = [sys.executable, "-c", f"{does}; print('ready', flush=True); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.fixture(autouse=True)
def free(monkeypatch) -> Iterator[None]:
    """What a test has claimed is free after it."""
    held = []
    monkeypatch.setattr(workplace, "HELD", held)
    yield
    for handle in held:
        handle.close()


def test_a_second_run_is_refused_and_told_of_the_first_until_that_is_killed(tmp_path):
    with other(RUN, tmp_path) as first:
        with pytest.raises(InputError, match=f"another run is at work in {tmp_path} .process {first.pid} on "):
            workplace.claim(tmp_path)
        first.kill()
        first.wait()
        assert workplace.claim(tmp_path) == []


def test_two_folders_are_two_runs(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with other(RUN, tmp_path / "a"):
        workplace.claim(tmp_path / "b")


def test_jobs_that_a_killed_run_has_left_behind_are_waited_for(tmp_path):
    with other(RUN, tmp_path) as first:
        with other(JOB, tmp_path) as job:
            first.kill()
            first.wait()
            with pytest.raises(InputError, match=f"left behind are at work in {tmp_path} .process {job.pid} on "):
                workplace.claim(tmp_path)
        workplace.claim(tmp_path)


def test_jobs_of_a_run_work_side_by_side(tmp_path):
    workplace.claim(tmp_path)
    with at_work(tmp_path), other(JOB, tmp_path):
        pass


def test_what_a_killed_run_left_half_written_is_removed_and_nothing_else(tmp_path):
    whole = tmp_path / "results/a/table.tsv"
    with atomic(whole) as partial:
        partial.write_text("whole")
    for left in ("results/a/.partial-7-table.tsv", "results/.partial-shard/x.tsv", "resources/demo/.partial-1-a"):
        (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / left).write_text("half")
    workplace.claim(tmp_path)
    left = [path for name in ("results", "resources") for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert left == [whole]


@pytest.mark.parametrize("name", [".", *workplace.FOLDERS])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch, name):
    """By what the system answers: root may write wherever the disk lets it."""
    for folder in workplace.FOLDERS:
        (tmp_path / folder).mkdir()
    place, write = (tmp_path / name).resolve(), Path.write_bytes

    def refused(path: Path, data: bytes) -> int:
        if path.parent == place:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(InputError, match=f"^{place} cannot be written .Read-only file system.*--directory"):
        workplace.claim(tmp_path)


def test_a_file_system_without_locks_is_said_and_used(tmp_path, monkeypatch, capsys):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/.partial-1-a").touch()
    assert workplace.claim(tmp_path) == []
    assert "keeps no locks: start one run at a time" in capsys.readouterr().out
    assert (tmp_path / "results/.partial-1-a").exists()  # it may be of a run that lives
    with at_work(tmp_path):
        pass
