"""What can be said of the section `taxonomy` before any job."""

from taxoscape import references
from taxoscape.errors import InputError


def check_taxonomy(config: dict) -> None:
    """Raise InputError unless the references that taxonomy names can be had; `config` is the whole config."""
    section = config["taxonomy"]
    if section["allow_multiple"] and not section["species"]:
        raise InputError("taxonomy.allow_multiple is true, but taxonomy.species names no species set to find them in")
    if config["input"]["taxonomy"]:
        return
    references.check("taxonomy.training_set", section["training_set"], ("training set",), config["references"])
    if section["species"]:
        references.check("taxonomy.species", section["species"], ("species set",), config["references"])
