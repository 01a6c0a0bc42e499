"""What the settings of diversity ask of the study."""

from taxoscape import metadata
from taxoscape.errors import InputError, examples


def check_diversity(config: dict) -> None:
    """Raise InputError when diversity.fields names what is neither a field nor a target of the study."""
    known = metadata.columns(config["metadata"])
    unknown = [name for name in config["diversity"]["fields"] or [] if name not in known]
    if unknown:
        raise InputError(
            f"diversity.fields: {examples(unknown)} is not among metadata.fields and metadata.targets "
            f"({examples(known, 8) or 'none'}): declare it there, or set diversity.fields: null for all of them"
        )
