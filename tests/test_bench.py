"""Every measurement runs at the size of a test, so that none breaks unseen between two calls of `make bench`."""

import importlib
import pkgutil

import numpy as np
import pandas as pd
import pytest

import bench
from bench import scale
from taxoscape import tables

COLUMNS = {"name", "ours", "other", "ratio", "unit", "note"}
MODULES = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name[0] != "_")
MEASURING = [name for name in MODULES if name != "scale"]


@pytest.fixture(autouse=True)
def threads():
    """Measurements set numbers of threads of the whole process."""
    numba, torch = importlib.import_module("numba"), importlib.import_module("torch")
    before = numba.get_num_threads(), torch.get_num_threads()
    yield
    numba.set_num_threads(before[0])
    torch.set_num_threads(before[1])


@pytest.mark.parametrize("name", MEASURING)
def test_every_measurement_gives_rows_of_numbers(name, monkeypatch):
    module = importlib.import_module(f"bench.{name}")
    for constant, value in module.SMOKE.items():
        assert hasattr(module, constant), constant
        monkeypatch.setattr(module, constant, value)
    rows = module.rows()
    assert rows
    for row in rows:
        assert set(row) == COLUMNS
        assert row["name"].strip()
        assert {type(row[key]) for key in ("name", "unit", "note")} == {str}
        assert np.isfinite(row["ours"]), row["name"]
        assert not np.isinf([row["other"], row["ratio"]]).any(), row["name"]  # NaN where there is no other side


def test_a_simulated_study_is_written_and_its_stages_are_tabled(monkeypatch, tmp_path, capsys):
    """All but the chain itself, whose times are made up: a stage that grows with the square of the samples."""

    def run(study):
        samples, _ = map(int, study.name.split("x"))
        (study / "results" / "images").mkdir(parents=True)
        (study / "results" / "images" / "a.npz").write_bytes(bytes(2**20))
        (study / "benchmarks" / "images").mkdir(parents=True)
        for job, seconds in (("start", 1.0), ("work", 1.0 + samples**2 / 10)):
            row = {"s": seconds, "cpu_time": seconds, "max_rss": 100.0}
            pd.DataFrame([row]).to_csv(study / "benchmarks" / "images" / f"{job}.tsv", sep="\t", index=False)

    monkeypatch.setattr(scale, "run", run)
    scale.main(tmp_path, ["40x30", "80x30"])
    table = tables.read_table(tmp_path / "40x30" / "table.biom")
    assert table.shape[1] == 40
    assert set(table.ids("observation")) == set(tables.read_fasta(tmp_path / "40x30" / "asvs.fasta"))
    sheet = tables.read_tsv(tmp_path / "40x30" / "metadata.tsv", "metadata")
    assert list(sheet["sample_id"]) == list(table.ids())
    frame = pd.read_csv(tmp_path / "scale.tsv", sep="\t")
    np.testing.assert_allclose(frame["cpu_time"], [160, 640])
    np.testing.assert_allclose(frame["disk"], 1)
    assert scale.growth(frame, "samples", "cpu_time")["images"] == pytest.approx(2)
    assert "power of samples" in capsys.readouterr().out
