"""Files that others wrote, opened so that neither their kind nor their size takes a machine by surprise.

A pipe would be waited for without end, a device has no end, and a few kilobytes of gzip, zip or HDF5 can stand for
gigabytes: what unpacks to more than ROOM bytes and more than FOLD times its size is refused.
"""

import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from taxoscape.errors import InputError

ROOM = 256 << 20  # bytes
FOLD = 200  # text of sequences and counts packs 3- to 80-fold
BUFFER = 1 << 20  # bytes
CUT = (EOFError, OSError, zlib.error, UnicodeDecodeError)  # what a file may raise while it is read as text


class Unpacked(io.RawIOBase):
    """What a gzip file holds, as far as its size lets one expect."""

    def __init__(self, path: Path):
        self.packed, self.path, self.taken = gzip.GzipFile(path), path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:
        """Fill a buffer; raises InputError where more has come out than such a file can hold."""
        count = self.packed.readinto(buffer)
        self.taken += count
        check_unpacked(self.path, self.taken)
        return count

    def close(self) -> None:
        self.packed.close()
        super().close()


def is_regular(path: str | Path) -> bool:
    """Whether a path leads to a regular file: no folder, pipe or device, link to nowhere or name too long."""
    return os.path.isfile(path)


def regular(path: str | Path, what: str) -> Path:
    """The path of a regular file; raises InputError, which calls it `what`, for anything else."""
    path = Path(path)
    if not is_regular(path):
        missing = "is a folder, a pipe or a device: give a file" if os.path.exists(path) else "does not exist"
        raise InputError(f"{what} {_shortened(path)} {missing}")
    return path


def check_named(key: str, path: str) -> None:
    """Raise InputError unless the path that a key of the config names is a regular file."""
    if not is_regular(path):
        raise InputError(f"{key} {path} does not exist (paths are relative to the working directory)")


@contextmanager
def foreign(what: str, way_out: str) -> Iterator[None]:
    """Turn whatever a parser of others raises over a file's bytes into an InputError; want of memory is called so."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{what} needs more memory than this process has ({error}): {way_out}") from error
    except Exception as error:
        raise InputError(f"{what} cannot be read ({_shortened(error)}): {way_out}") from error


def open_binary(path: Path) -> BinaryIO:
    """Open a regular file, unpacked where its first bytes are those of gzip."""
    with open(path, "rb") as handle:
        gzipped = handle.read(2) == b"\x1f\x8b"
    return io.BufferedReader(Unpacked(path), BUFFER) if gzipped else open(path, "rb")


def open_text(path: Path) -> io.TextIOBase:
    """Open a text file (UTF-8, a byte order mark at most), gzipped or not: its first bytes tell, not its name."""
    return io.TextIOWrapper(open_binary(path), encoding="utf-8-sig")


@contextmanager
def opened(path: str | Path, what: str) -> Iterator[io.TextIOBase]:
    """Open a text file, gzipped or not; InputError, which calls it `what`, where it cannot be read to its end."""
    path = regular(path, what)
    try:
        with open_text(path) as handle:
            yield handle
    except CUT as error:
        raise InputError(f"{what} {path} cannot be read to its end: {error}") from error


def read_text(path: str | Path, what: str) -> str:
    """Read a text file, gzipped or not; raises InputError, which calls it `what`, where that is not possible."""
    path = regular(path, what)
    try:
        with open_text(path) as handle:
            return handle.read()
    except CUT as error:
        raise InputError(f"{what} {path} is no text that can be read to its end: {error}") from error


def optional(read: Callable, path: str | Sequence) -> object | None:
    """What `read` makes of a file; None where the study has no such file (no path)."""
    return read(path) if path else None


def check_unpacked(path: Path, size: int) -> None:
    """Raise InputError where a file unpacks to `size` bytes that no file of its own size holds in good faith."""
    if size > ROOM and size > FOLD * path.stat().st_size:
        raise InputError(
            f"{path} ({path.stat().st_size:,} bytes) unpacks to {size:,} bytes or more, over {FOLD} times its size: it "
            "is not taken for data; if it is, give it unpacked"
        )


def check_zip(path: Path, sound: bool = False) -> None:
    """Raise an error for a file that is no zip or unpacks to more than check_unpacked allows; read whole where `sound`.

    A reader that does not look at the checksums itself, as PyTorch's, needs the latter.
    """
    with zipfile.ZipFile(path) as archive:
        check_unpacked(path, sum(entry.file_size for entry in archive.infolist()))
        if sound and (broken := archive.testzip()):
            raise zipfile.BadZipFile(f"{broken} is damaged")


def _shortened(thing: object, most: int = 300) -> str:
    text = str(thing)
    return text if len(text) <= most else f"{text[:most]}..."
