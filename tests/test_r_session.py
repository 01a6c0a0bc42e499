"""R leaves Python as it found it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = """
import os, subprocess, sys
from taxoscape.r_session import robjects
assert robjects.r("nlevels(factor(1:3))")[0] == 3
print(os.environ.get("LD_LIBRARY_PATH"))
subprocess.run([sys.executable, "-c", "import ssl"], check=True)
"""


@pytest.mark.parametrize("libraries", [None, "/opt/somewhere"])
def test_starting_r_leaves_the_libraries_of_child_processes_alone(libraries):
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    if libraries:
        environment["LD_LIBRARY_PATH"] = libraries
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(libraries)


def test_rpy2_is_imported_nowhere_else():
    sources = [*(ROOT / "taxoscape").rglob("*.py"), *(ROOT / "workflow" / "scripts").glob("*.py")]
    importing = [path.name for path in sources if re.search(r"(from|import) rpy2", path.read_text())]
    assert importing == ["r_session.py"]
