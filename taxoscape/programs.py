"""Foreign programs on this machine."""

import shutil
import subprocess

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
