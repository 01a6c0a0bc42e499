"""What every script of the workflow shares: its log, errors in one line, and its mark in the folder of the study.

Jobs share a lock on `.snakemake/taxoscape.jobs` while they work, so that a new run does not start beside jobs that a
killed one has left behind (taxoscape/workplace.py).
"""

import errno
import fcntl
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import IO

from taxoscape.errors import InputError, one_line

JOBS = Path(".snakemake", "taxoscape.jobs")
# What a network file system says that keeps no locks, and a disk that takes no more.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
FULL = (errno.ENOSPC, errno.EDQUOT)
UNWRITABLE = (*FULL, errno.EROFS)


@contextmanager
def logged(log: str) -> Iterator[None]:
    """Send all that a script prints to its log; show an InputError as one line on the terminal too, exit code 2.

    A disk that is full, or cannot be written, is such an error as well.
    """
    told = None
    try:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        mode = "a" if "RANK" in os.environ else "w"  # processes that train together share a log
        with open(log, mode, buffering=1, encoding="utf-8") as handle, redirect_stdout(handle), redirect_stderr(handle):
            try:
                with at_work():
                    yield
            except Exception as error:
                told = error if isinstance(error, InputError) else _of_disk(error)
                with suppress(OSError):  # the log may be on the same full disk
                    print(one_line(told) if told else traceback.format_exc(), file=handle)
                if not told:
                    raise
    except OSError as error:
        told = told or _of_disk(error)
        if not told:
            raise
    if told:
        print(one_line(told), file=sys.stderr)
        sys.exit(2)


@contextmanager
def at_work(folder: str | Path = ".") -> Iterator[None]:
    """Tell later runs, for as long as the block lasts, that a job of this run is at work in the folder."""
    path = Path(folder, JOBS)
    if not path.exists():  # no run has claimed this folder, or it did so on another disk
        yield
        return
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            sign(handle)
        except OSError as error:
            if error.errno not in (*NO_LOCKS, *FULL):
                raise
        yield


def sign(handle: IO) -> None:
    """Write which process holds a lock into its file."""
    handle.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    handle.flush()


def _of_disk(error: BaseException | None) -> InputError | None:
    """The error that a disk is full or read-only, where that is what stopped the script; libraries wrap it."""
    while error is not None:
        number = next((one for one in UNWRITABLE if _says(error, one)), None)
        if number is not None:
            where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
            return InputError(
                f"{os.strerror(number)}{where} in {Path.cwd()}: make room there, or make it writable, and give the "
                "same command again; nothing half-written is taken for finished"
            )
        error = error.__cause__ or error.__context__
    return None


def _says(error: BaseException, number: int) -> bool:
    return (isinstance(error, OSError) and error.errno == number) or os.strerror(number) in str(error)
