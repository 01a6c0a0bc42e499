"""The one error a user can mend, and how it is shown: one line, exit code 2, no traceback."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class InputError(Exception):
    """Bad input: the message names the thing, the value, the file and the way out, in one line."""


def examples(names: Iterable, most: int = 3) -> str:
    """First few of many names for a message: `a, b, c and 12 more`."""
    names = [str(name) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def one_line(error: InputError) -> str:
    """Error as a single line, whatever line breaks its parts brought along."""
    return f"error: {' '.join(str(error).split())}"


@contextmanager
def told() -> Iterator[None]:
    """Show an InputError of the block as one line on the terminal, and end with exit code 2."""
    try:
        yield
    except InputError as error:
        print(one_line(error), file=sys.stderr, flush=True)
        sys.exit(2)
