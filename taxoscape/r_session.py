"""R inside Python, through rpy2. Import R from here, never from rpy2 itself.

When it starts, rpy2 copies R's environment into Python's. R needs most of it; LD_LIBRARY_PATH it does not need any
more, and a Python started with it would load the system's libpython instead of its own and fail to import ssl.
"""

import os
from importlib.metadata import version

LIBRARIES = "LD_LIBRARY_PATH"
before = os.environ.get(LIBRARIES)

from rpy2 import robjects  # noqa: E402
from rpy2.rinterface_lib import callbacks  # noqa: E402
from rpy2.rinterface_lib.embedded import RRuntimeError  # noqa: E402

if before is None:
    os.environ.pop(LIBRARIES, None)
else:
    os.environ[LIBRARIES] = before

__all__ = ["RRuntimeError", "callbacks", "robjects", "versions"]


def versions() -> dict[str, str]:
    """Versions of R and of the packages that decide what DADA2 finds."""
    of_package = robjects.r("function(name) as.character(packageVersion(name))")
    packages = {name: of_package(name)[0] for name in ("dada2", "ShortRead", "Biostrings")}
    return {"R": robjects.r("as.character(getRversion())")[0], **packages, "rpy2": version("rpy2")}
