"""Foreign programs: found on this machine and run, or those of the image in which rules run under `--sdm apptainer`."""

import shlex
import shutil
import subprocess
from pathlib import Path

from taxoscape.errors import InputError


def find(name: str, *commands: str) -> str:
    """Path of a program under the first of its commands (its name, where none is given) that is installed.

    Raises InputError when none is.
    """
    found = next(filter(None, map(shutil.which, commands or (name,))), None)
    if found is None:
        called = f"{name} ({' or '.join(commands)})" if commands else name
        raise InputError(f"{called} is not installed: run make setup, or snakemake --sdm conda")
    return found


def run(command: list[str]) -> str:
    """Run a program -> its standard output; what it says on standard error goes to the log."""
    print(" ".join(command))
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stderr)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


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
