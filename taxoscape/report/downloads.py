"""What a reader may want next: the files of a run that the page links to, what each is, and how large it is."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from taxoscape import tables
from taxoscape.digest import ROOT

HOME = "results/report"  # where the page lies
# Path (a regular expression; {} is the target), group, and what it is.
LISTED = tables.read_tsv(ROOT / "workflow" / "report" / "report" / "downloads.tsv", "downloads")
FILES = list(LISTED.itertuples(index=False, name=None))


@dataclass(frozen=True)
class Download:
    """A link of the page: address relative to it, group, what the file is, its size in words."""

    address: str
    name: str
    group: str
    about: str
    size: str


def downloads(paths: list[str]) -> dict[str, list[Download]]:
    """Links to files that exist, by group, in the order of FILES."""
    found = [entry for pattern, group, about in FILES for entry in _matching(pattern, group, about, paths)]
    groups = dict.fromkeys(entry.group for entry in found)
    return {group: [entry for entry in found if entry.group == group] for group in groups}


def address(path: str) -> str:
    """Address of a file of the results, seen from the page."""
    return os.path.relpath(path, HOME)


def in_words(size: int) -> str:
    """Bytes as a reader wants them: `8 kB`, `1.4 MB`."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(size / 1e3, 1):.0f} kB"


def _matching(pattern: str, group: str, about: str, paths: list[str]) -> list[Download]:
    matches = [(path, re.fullmatch(pattern, path)) for path in paths]
    return [
        Download(address(path), path, group, about.format(*match.groups()), in_words(Path(path).stat().st_size))
        for path, match in matches
        if match
    ]
