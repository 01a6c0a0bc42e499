"""Digest of a script and of every repository module it imports, so that editing a module reruns its users.

Snakemake reruns a job when its script or its params change, but does not look into imported modules.
`code("embed_tree.py")` in a rule's params closes that hole.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "taxoscape"


def code(script: str, root: Path = ROOT) -> str:
    """Hex digest over workflow/scripts/<script> and the modules of the package that it imports, directly or not."""
    start = root / "workflow" / "scripts" / script
    digest = hashlib.sha256()
    for path in sorted(imported(start, root)):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def imported(start: Path, root: Path = ROOT) -> set[Path]:
    """Files of the repository that `start` needs, itself included (absolute imports; parents' __init__ too)."""
    found, waiting = set(), [start]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for name in module_names(path):
            waiting.extend(_module_files(name, root))
    return found


def module_names(path: Path) -> frozenset[str]:
    """Dotted names that a file imports, wherever in the file the import stands."""
    return _names_in(path.read_text())


@cache  # most modules are reached by many scripts, and reading their syntax is what takes time
def _names_in(source: str) -> frozenset[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


@cache
def _module_files(name: str, root: Path) -> tuple[Path, ...]:
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return ()
    files = []
    for end in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:end])
        files += [file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()]
    return tuple(files)
