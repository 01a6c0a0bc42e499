"""The one error a user can mend, and how a script shows it: one line, exit code 2, no traceback."""

import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path


class InputError(Exception):
    """Bad input: the message names the thing, the value, the file and the way out, in one line."""


def examples(names: Iterable, most: int = 3) -> str:
    """First few of many names for a message: `a, b, c and 12 more`."""
    names = [str(name) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@contextmanager
def logged(log: str) -> Iterator[None]:
    """Send all that a script prints to its log; show an InputError as one line on the terminal too, exit code 2."""
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    terminal = sys.stderr
    with open(log, "w", buffering=1, encoding="utf-8") as handle, redirect_stdout(handle), redirect_stderr(handle):
        try:
            yield
        except InputError as error:
            line = one_line(error)
            print(line, file=handle)
            print(line, file=terminal)
            sys.exit(2)
        except BaseException:
            traceback.print_exc(file=handle)
            raise


def one_line(error: InputError) -> str:
    """Error as a single line, whatever line breaks its parts brought along."""
    return f"error: {' '.join(str(error).split())}"
