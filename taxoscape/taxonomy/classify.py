"""Lineages of sequences by the method that the config asks for, and what was used to find them."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from taxoscape import __version__, references
from taxoscape.errors import InputError
from taxoscape.taxonomy import naive_bayes
from taxoscape.taxonomy.lineages import GENUS
from taxoscape.taxonomy.training import read_training_set


def classify(
    sequences: Sequence[str], training_set: str | Path, config: dict, seed: int, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Names [n, ranks] (None = unassigned) and bootstraps [n, ranks] (percent) by taxonomy.method."""
    options = (config["min_bootstrap"], config["chunk"], seed, threads)
    training = read_training_set(training_set)
    ranks = len(training.lineages[0])
    if config["species"] and ranks != GENUS + 1:
        raise InputError(
            f"taxonomy.species={config['species']} adds species to genera, but {training_set} has {ranks} ranks "
            f"instead of {GENUS + 1}, kingdom to genus: set taxonomy.species: null or name another training set"
        )
    if config["method"] == "naive_bayes":
        return naive_bayes.classify(sequences, training, *options)
    from taxoscape.taxonomy import dada  # starts R

    return dada.classify(sequences, training_set, ranks, *options)


def provenance(config: dict, seed: int, training_set: str | Path, species: str | Path | None) -> dict:
    """Versions of what decides the result, arguments, and the references with their checksums and citations."""
    if config["method"] == "naive_bayes":
        versions = {"taxoscape": __version__} | {name: version(name) for name in ("numba", "numpy")}
    else:
        from taxoscape import r_session  # starts R

        versions = r_session.versions()
    arguments = {"assignTaxonomy": {"minBoot": config["min_bootstrap"], "tryRC": True}}
    used = {"training_set": references.describe(training_set)}
    if species:
        arguments["addSpecies"] = {"allowMultiple": config["allow_multiple"], "tryRC": True}
        used["species"] = references.describe(species)
    return {
        "method": config["method"],
        "versions": versions,
        "seed": seed,
        "arguments": arguments,
        "references": used,
    }
