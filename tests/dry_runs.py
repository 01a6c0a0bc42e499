"""Run as a script: dry runs of many configs. Snakemake is imported once, and every run is a fork of that process.

Reads the arguments of a run as a JSON list per line; answers with a JSON list, the exit code and what was printed.
"""

import json
import os
import sys
import tempfile
import traceback

import snakemake.cli

sys.path.insert(0, os.getcwd())
# What the Snakefile imports, from the repository that is the working directory, and the syntax of all it digests.
import taxoscape.checks  # noqa: E402, F401
import taxoscape.demo  # noqa: E402, F401
import taxoscape.forecast.check  # noqa: E402, F401
import taxoscape.phenotype.options  # noqa: E402, F401
from taxoscape.digest import ROOT, code  # noqa: E402

for script in (ROOT / "workflow/scripts").glob("*.py"):
    code(script.name)


def forked(arguments: list[str]) -> tuple[int, str]:
    """Exit code and output of Snakemake with these arguments."""
    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if not child:
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
            code = 1
            try:
                snakemake.cli.main(arguments)
                code = 0
            except SystemExit as end:
                code = end.code or 0
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        status = os.waitpid(child, 0)[1]
        printed.seek(0)
        return os.waitstatus_to_exitcode(status), printed.read().decode()


for line in sys.stdin:
    print(json.dumps(forked(json.loads(line))), flush=True)
