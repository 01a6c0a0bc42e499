"""Call the foreign programs: found under the names that platforms give them, under numbers for ids, with their version.

What a program was called with goes into a call, {"versions": {program: version}, "arguments": {program: options}},
and the calls of a stage together into its versions.json.
"""

import re
import subprocess
from importlib.metadata import version as python_version
from pathlib import Path

from taxoscape import programs
from taxoscape.tables import write_fasta

# What a program is called on the platforms, the best first. Never FastTree's multi-threaded build: another tree at
# each run. raxmlHPC last: Debian's is a script that takes as many threads as there are cores.
PROGRAMS = {
    "MAFFT": ("mafft",),
    "FastTree": ("FastTree", "fasttree"),
    "VeryFastTree": ("VeryFastTree", "veryfasttree"),
    "IQ-TREE": ("iqtree3", "iqtree2", "iqtree"),
    "EPA-ng": ("epa-ng",),
    "RAxML": ("raxmlHPC-SSE3", "raxmlHPC"),
}
# How a program is asked for its version; the first number with a dot in what it says is taken.
VERSION_FLAGS = {"FastTree": "-help", "VeryFastTree": "-help", "RAxML": "-v"}  # --version for the others
BUILDERS = {"fasttree": "FastTree", "veryfasttree": "VeryFastTree", "iqtree": "IQ-TREE"}
PLACERS = {"epa-ng": "EPA-ng", "raxml": "RAxML"}


def program(name: str) -> str:
    """Path of a program under the first of its names that is installed; raises InputError when none is."""
    return programs.find(name, *PROGRAMS[name])


def needed(config: dict) -> list[str]:
    """Programs that the phylogeny of a study calls."""
    settings = config["phylogeny"]
    if config["input"]["tree"]:
        return []
    insertion = settings["method"] == "insertion"
    return ["MAFFT", PLACERS[settings["placer"]] if insertion else BUILDERS[settings["builder"]]]


def version(name: str) -> str:
    """Version that a program gives of itself."""
    done = subprocess.run([program(name), VERSION_FLAGS.get(name, "--version")], capture_output=True, text=True)
    return re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)[0]


def call(name: str, options: list[str]) -> dict:
    """The record of a call: version of the program, and the options that decide its result."""
    return {"versions": {name: version(name)}, "arguments": {name: " ".join(options)}}


def together(calls: list[dict]) -> dict:
    """Records of calls as one, for versions.json; scikit-bio has rooted the tree in any case."""
    merged = {"versions": {"scikit-bio": python_version("scikit-bio")}, "arguments": {}}
    for one in calls:
        merged["versions"] |= one["versions"]
        merged["arguments"] |= one["arguments"]
    return merged


def numbered(sequences: dict[str, str], path: Path, letter: str = "") -> dict[str, str]:
    """Write sequences under numbers, because ids may hold what Newick gives a meaning -> number: id."""
    names = {f"{letter}{number}": name for number, name in enumerate(sequences)}
    write_fasta(dict(zip(names, sequences.values(), strict=True)), path)
    return names
