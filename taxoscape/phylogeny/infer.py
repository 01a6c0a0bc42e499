"""Infer an unrooted tree: FastTree, VeryFastTree or IQ-TREE, each with supports called by their name."""

import tempfile
from pathlib import Path

from skbio import TreeNode

from taxoscape import programs
from taxoscape.errors import InputError
from taxoscape.phylogeny import tools
from taxoscape.phylogeny.rooting import named_tree

# What the labels of inner nodes are.
SUPPORTS = {
    "sh_like": "SH-like local supports (0-1), no bootstrap",
    "ufboot": "ultrafast bootstrap (percent)",
    "sh_alrt": "SH-aLRT (percent)",
}
FEWEST_FOR_IQTREE = 4  # different sequences


def infer(aligned: dict[str, str], config: dict, seed: int) -> tuple[TreeNode, dict]:
    """Infer a tree of aligned sequences -> tree (substitutions/site), record of the call with the kind of supports.

    On one thread: other numbers of threads give other trees. Raises InputError for what IQ-TREE cannot take.
    """
    name = tools.BUILDERS[config["builder"]]
    chosen = options(config, seed)
    print(f"{name} on {len(aligned):,} sequences")
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "aligned.fasta")
        names = tools.numbered(aligned, plain)
        if name == "IQ-TREE":
            _enough(aligned)
            programs.run([tools.program(name), "-s", str(plain), "--prefix", f"{folder}/tree", *chosen])
            text = Path(folder, "tree.treefile").read_text()
        else:
            text = programs.run([tools.program(name), *chosen, str(plain)])
    return named_tree(text, names), tools.call(name, chosen) | {"support": SUPPORTS[support(config)]}


def options(config: dict, seed: int) -> list[str]:
    """Options of the builder that decide the tree."""
    if config["builder"] == "iqtree":
        asked = config["iqtree"]
        kind = {"ufboot": "-B", "sh_alrt": "--alrt"}[asked["support"]]
        return ["-m", asked["model"], kind, str(asked["replicates"]), "--seed", str(seed), "-T", "1", "--quiet"]
    common = ["-nt", "-gtr", "-gamma", "-cat", str(config["gamma_categories"]), "-seed", str(seed), "-nopr"]
    return common if config["builder"] == "fasttree" else [*common, "-threads", "1", "-double-precision"]


def support(config: dict) -> str:
    """Kind of support that the builder gives."""
    return config["iqtree"]["support"] if config["builder"] == "iqtree" else "sh_like"


def _enough(aligned: dict[str, str]) -> None:
    distinct = len(set(aligned.values()))
    if distinct < FEWEST_FOR_IQTREE:
        raise InputError(
            f"phylogeny.builder=iqtree needs at least {FEWEST_FOR_IQTREE} different masked sequences, "
            f"{distinct} of {len(aligned)} are: set phylogeny.builder to fasttree"
        )
