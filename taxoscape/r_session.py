"""R inside Python, through rpy2. Import R from here, never from rpy2 itself.

When it starts, rpy2 copies R's environment into Python's. R needs most of it; LD_LIBRARY_PATH it does not need any
more, and a Python started with it would load the system's libpython instead of its own and fail to import ssl.
"""

import os

LIBRARIES = "LD_LIBRARY_PATH"
before = os.environ.get(LIBRARIES)

from rpy2 import robjects  # noqa: E402
from rpy2.rinterface_lib import callbacks  # noqa: E402
from rpy2.rinterface_lib.embedded import RRuntimeError  # noqa: E402

if before is None:
    os.environ.pop(LIBRARIES, None)
else:
    os.environ[LIBRARIES] = before

__all__ = ["RRuntimeError", "callbacks", "robjects"]
