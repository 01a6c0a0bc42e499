"""Reference files by name: the registry, where a named file lies, its download, and the checksum that it must have.

A checksum stands in the registry or, where none is known in advance, is recorded on the first download. The network is
used by `download` alone, through Python's standard library.
"""

import csv
import difflib
import hashlib
import os
import time
from dataclasses import asdict, dataclass
from functools import cache
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from taxoscape import inputs
from taxoscape.digest import ROOT
from taxoscape.errors import InputError
from taxoscape.files import read_json, write_json, write_text

REGISTRY = ROOT / "resources" / "references.tsv"
BLOCK = 1 << 20  # bytes read at a time
TRIES = 4  # of every address
PAUSE = 2.0  # seconds before the second try, doubled before every further one
TIMEOUT = 60.0  # seconds without a byte
GONE = frozenset(range(400, 500)) - {408, 429}  # HTTP answers that no further try will change


@dataclass(frozen=True)
class Reference:
    """A row of resources/references.tsv."""

    name: str  # what the config says
    version: str  # of the database
    kind: str  # training set | species set | alignment | tree | functions | map
    file: str  # its name in references.folder
    url: str
    mirror: str  # tried after the url; "" = none known
    sha256: str  # "" = not known in advance
    md5: str  # "" = the publisher gives none
    licence: str
    citation: str


@cache
def known(registry: Path = REGISTRY) -> dict[str, Reference]:
    """Registered references by name."""
    with open(registry, newline="", encoding="utf-8") as handle:
        lines = [line for line in handle if not line.startswith("#")]
    rows = [Reference(**row) for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
    return {row.name: row for row in rows}


def by_file() -> dict[str, Reference]:
    """Registered references by the name of their file."""
    return {reference.file: reference for reference in known().values()}


def resolve(value: str | None, folder: str) -> str | None:
    """Path of a config value that may be a registered name, a path (returned as it is) or null."""
    return f"{folder}/{known()[value].file}" if value in known() else value


def check(key: str, value: str, kinds: tuple[str, ...], config: dict) -> None:
    """Raise InputError unless the value of a config key is a file, or a registered name that can be had.

    `config` is the section `references`. Nothing is downloaded and the network is not asked.
    """
    if value not in known():
        if inputs.is_regular(value):
            return
        names = [name for name, reference in known().items() if reference.kind in kinds]
        near = difflib.get_close_matches(value, names, 3, 0.5) or names
        raise InputError(
            f"{key} {value} does not exist: it is neither a file (paths are relative to the working directory) nor a "
            f"name in resources/references.tsv; did you mean {' or '.join(near)}?"
        )
    reference = known()[value]
    if reference.kind not in kinds:
        raise InputError(
            f"{key}={value}: {value} is of kind '{reference.kind}' in resources/references.tsv, "
            f"'{' or '.join(kinds)}' is needed here"
        )
    path = Path(resolve(value, config["folder"]))
    if config["offline"] and not path.is_file():
        raise InputError(
            f"{key}={value} would be downloaded, but references.offline is true: put {reference.url} at {path}, "
            f"or name a local file in {key}"
        )


def fetch(reference: Reference, path: str | Path, lock: str | Path) -> None:
    """Have a reference at `path`, downloaded if it is not there, and hold it against all that is known of it.

    Known are the registry, the sum recorded beside the file, and the lock: what this study has used so far. The lock
    is written: the reference's row with the sha256 found and the size in bytes. Raises InputError when a sum differs.
    """
    path = Path(path)
    if not path.is_file():
        download(reference, path)
    found = digests(path)
    if reason := _wrong(reference, path, path, found):
        raise InputError(f"{path} is not {reference.name}: {reason}; delete the file to download it again")
    used = read_json(lock)["sha256"] if Path(lock).is_file() else found["sha256"]
    if used != found["sha256"]:
        raise InputError(
            f"{path} has sha256 {found['sha256']}, but this study has used {reference.name} with {used}: "
            f"restore that file, or delete {lock} to go on with the new one"
        )
    write_text(f"{found['sha256']}  {path.name}\n", _record(path))
    write_json(asdict(reference) | {"sha256": found["sha256"], "bytes": path.stat().st_size}, lock)


def download(reference: Reference, path: str | Path) -> None:
    """Download a reference to `path`, from its mirror where its url fails; checked before it gets its name.

    What has arrived waits in `path`.part; a later call goes on from there if a checksum can tell in the end whether
    the parts fit. Raises InputError, in one line, when no address gives the registered file.
    """
    path, part = Path(path), Path(f"{path}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    addresses = [url for url in (reference.url, reference.mirror) if url]
    # A part of an earlier call may be damaged: then the url has a second chance, from the start.
    addresses = addresses[:1] * part.exists() + addresses
    failures = []
    for url in addresses:
        if not _expected(reference, path):
            part.unlink(missing_ok=True)
        failure = _bring(url, part) or _wrong(reference, path, part, digests(part))
        if not failure:
            os.replace(part, path)
            print(f"{reference.name}: {path} is complete, {path.stat().st_size:,} bytes from {url}")
            return
        print(f"{url}: {failure}")
        failures.append(f"{url}: {failure}")
    mirror = "" if reference.mirror else "; no mirror is registered"
    raise InputError(
        f"cannot download {reference.name} ({'; '.join(dict.fromkeys(failures))}{mirror}): put the file at {path} "
        f"yourself, or give the path of a local file in the config in place of {reference.name}"
    )


def describe(path: str | Path) -> dict[str, str]:
    """What is known of a reference in use: file and sha256, and the registry's row where the sums are its own.

    A file of unknown sum counts as the registered one if it lies under that name beside the sum recorded for it.
    """
    found = digests(path)
    row = by_file().get(Path(path).name)
    same = [one for one in known().values() if found["sha256"] == one.sha256 or found["md5"] == one.md5]
    if row and not same and not _wrong(row, Path(path), Path(path), found) and _record(Path(path)).is_file():
        same = [row]
    known_of = {key: getattr(one, key) for one in same[:1] for key in ("name", "version", "licence", "citation")}
    return {"file": str(path), "sha256": found["sha256"]} | known_of


def digests(path: str | Path) -> dict[str, str]:
    """SHA-256 and MD5 of a file, in hex."""
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in ("sha256", "md5")}
    with open(path, "rb") as handle:
        while block := handle.read(BLOCK):
            for digest in sums.values():
                digest.update(block)
    return {name: digest.hexdigest() for name, digest in sums.items()}


def _record(path: Path) -> Path:
    """Where the sum of a file is recorded, in the form that `sha256sum -c` reads."""
    return Path(f"{path}.sha256")


def _expected(reference: Reference, path: Path) -> dict[str, tuple[str, str]]:
    """Checksum and who says so, by algorithm, for the file at `path`: of the registry, else the recorded one."""
    registered = {"sha256": reference.sha256, "md5": reference.md5}
    sums = {name: (value, "resources/references.tsv") for name, value in registered.items() if value}
    record = _record(path)
    return sums or ({"sha256": (record.read_text().split()[0], str(record))} if record.is_file() else {})


def _wrong(reference: Reference, path: Path, content: Path, found: dict[str, str]) -> str:
    """Why `content`, with the sums found, is not what belongs at `path`, or "" if it is; a wrong part is dropped."""
    reason = ""
    for name, (value, origin) in _expected(reference, path).items():
        if found[name] != value:
            reason = f"its {name} is {found[name]}, {origin} says {value}"
    with open(content, "rb") as handle:
        if not reason and path.name.endswith(".gz") and handle.read(2) != b"\x1f\x8b":
            reason = "it is not gzipped, as its name says"
    if reason and content != path:
        content.unlink()
    return reason


def _bring(url: str, part: Path) -> str:
    """Bring `part` to its full length, going on where a connection was cut; returns why that failed, or ""."""
    failure = ""
    for attempt in range(TRIES):
        if attempt:
            print(f"{url}: {failure}, try {attempt + 1} of {TRIES}")
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            _continue(url, part)
            return ""
        except HTTPError as error:
            failure = f"HTTP {error.code} {error.reason}"
            if error.code in GONE:
                break
        except (URLError, HTTPException, OSError) as error:
            failure = str(getattr(error, "reason", error)) or type(error).__name__
    return failure


def _continue(url: str, part: Path) -> None:
    """Ask for what `part` lacks and append it; a server that knows no ranges sends the whole again."""
    start = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"User-Agent": "taxoscape"} | ({"Range": f"bytes={start}-"} if start else {}))
    try:
        response = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        if error.code != 416:
            raise
        # Nothing follows: all is here already, or the part belongs to a longer file.
        if error.headers.get("Content-Range") == f"bytes */{start}":
            return
        part.unlink()
        raise ConnectionError("the part at hand is longer than the file") from error
    with response:
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        with open(part, "ab" if goes_on else "wb") as handle:
            received = _copy(response, handle, url)
        length = response.headers.get("Content-Length")
    if length is not None and received != int(length):
        raise ConnectionError(f"the connection was cut after {received:,} of {int(length):,} bytes")


def _copy(response: HTTPResponse, handle: BinaryIO, url: str) -> int:
    """Copy a response, telling the log once a second how far it has come; returns the bytes received."""
    received, told = 0, time.monotonic()
    while block := response.read(BLOCK):
        handle.write(block)
        received += len(block)
        if time.monotonic() - told > 1:
            told = time.monotonic()
            print(f"{url}: {received / 1e6:,.1f} MB")
    return received
