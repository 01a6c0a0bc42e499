"""The folder of a study: it can be written, belongs to one run at a time, and holds no remains of a killed run.

Snakemake's own locks outlive a killed run, and are switched off in profiles/default for that; those of the operating
system end with the process, however it ends. A run locks `.snakemake/taxoscape.lock`. Its jobs share a lock on
`.snakemake/taxoscape.jobs`, so that a new run does not start beside jobs that a killed one has left behind.
"""

import fcntl
import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from typing import IO

from taxoscape.errors import InputError, examples
from taxoscape.files import PARTIAL
from taxoscape.job import JOBS, NO_LOCKS, sign

FOLDERS = ("results", "resources", "logs", "benchmarks", ".snakemake")  # what a run writes to
LOCK = Path(".snakemake", "taxoscape.lock")
HELD: list[IO] = []  # locks of this process, open until it ends


def check_writable(folder: str | Path) -> None:
    """Raise InputError unless the folder of the study, and what a run writes there, can be written and has room."""
    for place in (Path(folder), *(Path(folder, name) for name in FOLDERS)):
        if not place.exists():
            continue
        probe = place / f"{PARTIAL}{os.getpid()}"
        try:
            probe.write_bytes(b"\0" * 4096)
            probe.unlink()
        except OSError as error:
            with suppress(OSError):  # of a full disk the probe, empty, may be left; of a read-only one nothing is
                probe.unlink()
            raise InputError(
                f"{place.resolve()} cannot be written ({error.strerror}): make it writable and see that its disk has "
                "room, or name another folder with --directory"
            ) from error


def claim(folder: str | Path) -> list[Path]:
    """Take the folder for this process until it ends, remove what a killed run left half-written; what was removed.

    Raises InputError where another run, or jobs of a killed one, are at work there. Prints a warning where the file
    system keeps no locks: nothing can be refused there.
    """
    check_writable(folder)
    place = Path(folder).resolve()
    (place / LOCK).parent.mkdir(exist_ok=True)
    run, jobs = (place / LOCK).open("a+"), (place / JOBS).open("a+")
    try:
        if not _locked(run):
            raise InputError(
                f"another run is at work in {place} ({_signed(run)}): wait for it, stop it, or name "
                "another folder with --directory"
            )
        if not _locked(jobs):
            raise InputError(
                f"jobs that a killed run has left behind are at work in {place} ({_signed(jobs)}): wait "
                "for them or stop them (on a cluster: scancel)"
            )
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        print(f"warning: the file system of {place} keeps no locks: start one run at a time here", flush=True)
        return []
    for handle in (run, jobs):
        handle.truncate(0)
    sign(run)
    HELD.append(run)
    jobs.close()
    return [path for name in ("results", "resources") for path in _sweep(place / name)]


def _locked(handle: IO) -> bool:
    """Whether the lock could be had."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _signed(handle: IO) -> str:
    """Processes that have signed a lock and may still live: those of this machine that do, and all of others."""
    handle.seek(0)
    here = f" on {socket.gethostname()}"
    lines = dict.fromkeys(handle.read().splitlines())
    return examples(line for line in lines if not line.endswith(here) or Path("/proc", line.split()[1]).exists())


def _sweep(folder: Path) -> list[Path]:
    """Remove files and folders that are not whole, below a folder; their paths."""
    found = sorted(folder.rglob(f"{PARTIAL}*"))
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return found
