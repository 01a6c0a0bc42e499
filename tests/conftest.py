"""What the tests share: the public data, the repository root on the path, and one run of the whole chain."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

CHAINED = ("test_chain.py", "test_faults.py", "test_reruns.py")
# A cohort small enough for every test run; the demo itself is 60 samples of 2,000 read pairs.
TINY = {
    "demo": {"subjects": 8, "timepoints": 2, "pairs": 500, "taxa": 24},
    "reads": {"shard": 8},
    "rarefy": {"depth": 200, "repeats": 2},
    "metadata": {"folds": 2, "test": 0.25},
    "diversity": {"metrics": ["bray_curtis", "weighted_unifrac"]},
    "embedding": {"iterations": 200, "min_pearson": 0.8},
    "images": {"previews": 3},
    "aam": {
        "pretrain_epochs": 1,
        "pretrain_steps": 0,
        "epochs": 2,
        "embedding_dim": 16,
        "attention_heads": 2,
        "trees": 20,
        "bootstraps": 50,
        "threads": 1,
    },
    "phenotype": {
        "steps": 25,
        "width": 8,
        "members": 2,
        "draws": 20,
        "trees": 20,
        "bootstraps": 50,
        "threads": 1,
    },
    "diffusion": {"steps": 250, "width": 32, "samples": 20, "threads": 1},
    "forecast": {
        "steps": 60,
        "width": 8,
        "blocks": 1,
        "draws": 8,
        "sample_steps": 3,
        "bootstraps": 20,
        "threads": 1,
    },
    "evaluation": {"trees": 20, "bootstraps": 20, "repeats": 1},
}


def environment() -> dict[str, str]:
    """What a process needs to find the programs of this Python's environment."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@dataclass(frozen=True)
class Chain:
    """A copy of the repository, a study beside it, and the config of that study."""

    repository: Path
    study: Path
    config: Path

    def arguments(self, *more: str, config: Path | None = None) -> list[str]:
        """Arguments of snakemake for the study."""
        study = ["--snakefile", self.repository / "Snakefile", "--directory", self.study]
        return ["--cores", "2", *map(str, study), "--configfile", str(config or self.config), *more]

    def run(self, *arguments: str, config: Path | None = None) -> subprocess.CompletedProcess:
        """Run snakemake on the study; the caller looks at the exit code."""
        command = [sys.executable, "-m", "snakemake", *self.arguments(*arguments, config=config)]
        return subprocess.run(command, cwd=self.repository, env=environment(), capture_output=True, text=True)

    def result(self, name: str) -> Path:
        return self.study / "results" / name


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the public data sets; tests that need it skip where it is absent."""
    path = Path(os.environ.get("TAXOSCAPE_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"public data not found at {path}: set TAXOSCAPE_DATA")
    return path


@pytest.fixture(scope="session")
def chain(tmp_path_factory) -> Chain:
    """The whole chain, run once on a tiny simulated cohort, from a copy of the repository."""
    place = tmp_path_factory.mktemp("chain")
    repository, study = place / "repository", place / "study"
    study.mkdir()
    repository.mkdir()
    for name in ("taxoscape", "workflow", "config", "profiles"):
        shutil.copytree(ROOT / name, repository / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "Snakefile", *(ROOT / "resources").glob("*.tsv")):
        target = repository / path.relative_to(ROOT)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    config = study / "config.yaml"
    config.write_text(yaml.safe_dump(TINY))
    found = Chain(repository, study, config)
    done = found.run()
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return found


class ByFile(LoadFileScheduling):
    """A worker takes a file at a time; the files that share the chain count as one."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "chain" if Path(file).name in CHAINED else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest starts first."""
    items.sort(key=lambda item: item.path.name not in CHAINED)
