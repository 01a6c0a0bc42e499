"""The image in which rules run under `--sdm apptainer`, and the folders that it must see."""

import shlex
from pathlib import Path

from taxoscape.errors import InputError


def check_image(image: str | None) -> None:
    """Raise InputError unless the config names an image: an address, or a file that is there."""
    how = "make image builds one (docs/container.md)"
    if image is None:
        raise InputError(f"--sdm apptainer needs an image: set container to a .sif file or docker://ADDRESS; {how}")
    if "://" not in image and not Path(image).is_file():
        raise InputError(f"container {image} does not exist (paths are relative to the working directory); {how}")


def with_repository(arguments: str, repository: str | Path) -> str:
    """Arguments of apptainer that also bind the repository, once.

    Snakemake binds the study's folder and the folders of Python's path (elsewhere, so that scripts find their
    modules); rules take templates and lists of the repository by the place that it has on the host.
    """
    bind = f"--bind {shlex.quote(str(repository))}"
    return arguments if bind in arguments else f"{arguments} {bind}".strip()
