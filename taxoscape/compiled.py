"""Numba functions compiled once per machine where a cache can be written, and once per run where not."""

from collections.abc import Callable

import numba


def compiled(**options: bool) -> Callable[[Callable], Callable]:
    """Decorate a loop for numba; a read-only install with no cache folder compiles anew instead of failing."""

    def decorate(function: Callable) -> Callable:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # "cannot cache function ...: no locator available"
            return numba.njit(**options)(function)

    return decorate


def use_threads(threads: int) -> None:
    """Let compiled loops use `threads` threads, as far as the machine has them."""
    numba.set_num_threads(max(1, min(threads, numba.config.NUMBA_NUM_THREADS)))
