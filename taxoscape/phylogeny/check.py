"""Checks at the door for the phylogeny: settings that go together, a reference that fits."""

import re

from taxoscape import inputs
from taxoscape.errors import InputError, examples

FEWEST_UFBOOT = 1000  # IQ-TREE takes no fewer replicates of the ultrafast bootstrap
# A model with the values of its parameters, as RAxML-ng writes it: GTR{0.9/2.1/...}+FU{...}+G4m{0.5}.
EVALUATED = re.compile(r"[A-Z]\w*\{[^{}]+\}.*")


def check_phylogeny(config: dict) -> None:
    """Raise InputError for settings of the phylogeny that do not go together, and for an absent reference."""
    settings, given = config["phylogeny"], config["input"]["tree"]
    _check_method(settings, given)
    _check_root(settings)
    if settings["method"] == "insertion":
        _check_reference(settings)
    iqtree = settings["iqtree"]
    if settings["builder"] == "iqtree" and iqtree["support"] == "ufboot" and iqtree["replicates"] < FEWEST_UFBOOT:
        raise InputError(
            f"phylogeny.iqtree.replicates={iqtree['replicates']}: the ultrafast bootstrap needs at least "
            f"{FEWEST_UFBOOT}; raise it, or set phylogeny.iqtree.support to sh_alrt"
        )


def _check_method(settings: dict, given: str | None) -> None:
    method = settings["method"]
    if method == "given" and not given:
        raise InputError("phylogeny.method is given, but input.tree names no tree: name it there, or choose denovo")
    if method == "insertion" and given:
        raise InputError(f"phylogeny.method is insertion, but input.tree names {given}: leave one of the two out")
    named = [key for key, value in settings["reference"].items() if value]
    if named and method != "insertion":
        raise InputError(
            f"phylogeny.reference.{named[0]} names {settings['reference'][named[0]]}, but phylogeny.method is "
            f"{method}: set phylogeny.method to insertion, or leave the reference out"
        )


def _check_root(settings: dict) -> None:
    root, outgroup = settings["root"], settings["outgroup"]
    if root == "outgroup" and not outgroup:
        raise InputError(
            "phylogeny.root is outgroup, but phylogeny.outgroup is empty: name ids of tips or a part of their lineage, "
            "such as k__Archaea"
        )
    if outgroup and root != "outgroup":
        raise InputError(
            f"phylogeny.outgroup names {examples(outgroup)}, but phylogeny.root is {root}: "
            "set phylogeny.root to outgroup"
        )
    if root == "reference" and settings["method"] != "insertion":
        raise InputError("phylogeny.root is reference, but there is none: phylogeny.method is not insertion")


def _check_reference(settings: dict) -> None:
    reference, placer = settings["reference"], settings["placer"]
    for key in ("alignment", "tree"):
        if not reference[key]:
            raise InputError(f"phylogeny.method is insertion, but phylogeny.reference.{key} names no file")
        inputs.check_named(f"phylogeny.reference.{key}", reference[key])
    model = reference["model"]
    if placer == "raxml" and model:
        raise InputError(
            f"phylogeny.reference.model names {model}, but phylogeny.placer is raxml, which fits its own: "
            "leave it out, or choose epa-ng"
        )
    if placer == "epa-ng" and not (model and (inputs.is_regular(model) or EVALUATED.fullmatch(model))):
        raise InputError(
            f"phylogeny.reference.model is {model!r}, and EPA-ng needs one with its parameters: name the RAxML_info or "
            "RAxML-ng .bestModel file of the reference tree or give its text, or choose phylogeny.placer: raxml"
        )
