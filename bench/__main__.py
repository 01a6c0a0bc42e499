"""Run the measurements named on the command line, or all but `scale` (hours), and write results/bench.tsv.

`NAME=PART` measures a part of a module that has parts (bench.generation).
"""

import importlib
import pkgutil
import sys

import pandas as pd

import bench
from taxoscape.files import write_tsv

COLUMNS = ["name", "ours", "other", "ratio", "unit", "note"]

modules = [module.name for module in pkgutil.iter_modules(bench.__path__)]
names = sys.argv[1:] or sorted(name for name in modules if name[0] != "_" and name != "scale")
rows = []
for name in names:
    module, *part = name.split("=", 1)
    rows += importlib.import_module(f"bench.{module}").rows(*part)
frame = pd.DataFrame(rows, columns=COLUMNS)
write_tsv(frame, "results/bench.tsv", float_format="%.6g")
print(frame.to_string(index=False))
