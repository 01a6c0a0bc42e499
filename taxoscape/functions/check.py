"""The door of stage functions: its settings fit together and its files exist."""

from taxoscape import inputs, references
from taxoscape.errors import InputError

NEEDS = {
    "nearest": ["sequences", "ko", "map"],
    "parsimony": ["sequences", "ko", "tree", "map"],
    "table": ["ko", "map"],
    "picrust2": ["map"],
    "none": [],
}
# What the registry calls the files.
KINDS = {
    "sequences": ("alignment",),
    "ko": ("functions",),
    "copies": ("functions",),
    "tree": ("tree",),
    "map": ("map",),
}
COPIES = ("nearest", "parsimony", "table")  # methods that read 16S copies from functions.reference.copies


def check_functions(config: dict) -> None:
    """Raise InputError when the method of section `functions` lacks one of its files; `config` is the whole config."""
    section, finished = config["functions"], config["input"].get("ko")
    method = "table" if finished else section["method"]
    if section["placement"] != "epa-ng" and method != "picrust2":
        raise InputError(
            f"functions.placement={section['placement']} is a setting of functions.method: picrust2, not of {method}: "
            "leave it at epa-ng"
        )
    if section["stratified"] and method == "none":
        raise InputError("functions.stratified=true needs profiles, but functions.method is none: set it to false")
    files = {f"functions.reference.{name}": section["reference"].get(name) for name in NEEDS[method]}
    if finished:
        files.pop("functions.reference.ko")
        inputs.check_named("input.ko", finished)
    if section["method"] in COPIES and section["reference"].get("copies"):
        files["functions.reference.copies"] = section["reference"]["copies"]
    for key, path in files.items():
        if not path:
            raise InputError(f"functions.method={method} needs {key}: give its path, or set functions.method: none")
        references.check(key, path, KINDS[key.rpartition(".")[2]], config["references"])
    if section["normalise"] is True and method in COPIES:
        _check_copies(section, method, finished)


def _check_copies(section: dict, method: str, finished: str | None) -> None:
    """Raise InputError unless somebody tells the 16S copies."""
    if finished and section["method"] != "table":
        raise InputError(
            f"functions.normalise=true needs 16S copies, but input.ko {finished} comes without: set "
            "functions.method: table and functions.reference.copies to a table of features and their 16S copies, or "
            "set functions.normalise: false"
        )
    if not section["reference"].get("copies"):
        raise InputError(
            "functions.normalise=true divides reads by 16S copies, but functions.reference.copies names no file "
            f"(functions.method={method}): give it, or set functions.normalise: false"
        )
