"""Outputs: whole or absent, the same bytes each time, no pickle."""

import gzip
import json
import time

import numpy as np
import pandas as pd
import pytest

from taxoscape import files, tables


def test_a_file_appears_only_when_its_block_ends_well(tmp_path):
    path = tmp_path / "deep" / "out.txt"
    with files.atomic(path) as partial:
        partial.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"


def test_a_failure_leaves_the_old_file_and_nothing_half_written(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(TypeError), files.atomic(path) as partial:
        partial.write_text("new") + "then something fails"
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.txt"]


def test_the_partial_file_keeps_the_suffix(tmp_path):
    with files.atomic(tmp_path / "a.npz") as partial:
        assert partial.suffix == ".npz"
        partial.touch()


def test_text_is_utf8(tmp_path):
    files.write_text("Åland µm", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_bytes() == "Åland µm".encode()


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz", "a.npz", "a.json"])
def test_two_writes_give_the_same_bytes(name, tmp_path):
    frame = pd.DataFrame({"x": [1.5, 2]})
    write = {
        "a.tsv": lambda path: files.write_tsv(frame, path),
        "a.tsv.gz": lambda path: files.write_tsv(frame, path),
        "a.npz": lambda path: files.write_npz(path, x=np.arange(3), names=np.array(["a", "bc"], dtype=object)),
        "a.json": lambda path: files.write_json({"x": np.arange(3)}, path),
    }[name]
    write(tmp_path / "first" / name)
    time.sleep(2.1)  # zip and gzip stamps have a resolution of 1-2 s
    write(tmp_path / "second" / name)
    assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_gz_by_name_holds_the_text(tmp_path):
    files.write_text("a\tb\n", tmp_path / "t.tsv.gz")
    assert gzip.decompress((tmp_path / "t.tsv.gz").read_bytes()) == b"a\tb\n"


def test_floats_survive_a_tsv(tmp_path):
    values = np.random.default_rng(0).normal(size=50)
    files.write_tsv(pd.DataFrame({"x": values}), tmp_path / "x.tsv")
    lines = (tmp_path / "x.tsv").read_text().splitlines()
    assert lines[0] == "x"
    np.testing.assert_array_equal([float(line) for line in lines[1:]], values)


def test_npz_needs_no_pickle(tmp_path):
    files.write_npz(tmp_path / "a.npz", names=np.array(["a", "long name"], dtype=object), x=[1.0, 2.0])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert arrays["names"].tolist() == ["a", "long name"]
        assert arrays["x"].tolist() == [1, 2]


def test_json_of_numpy_values_is_plain(tmp_path):
    value = {"n": np.int64(3), "x": np.float32(0.5), 1: [np.nan, np.inf, None, True], "m": np.eye(2), "b": np.bool_(1)}
    files.write_json(value, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "n": 3,
        "x": 0.5,
        "1": [None, None, None, True],
        "m": [[1, 0], [0, 1]],
        "b": True,
    }


def test_a_tsv_gives_back_quotes_and_blanks_in_names(tmp_path):
    frame = pd.DataFrame({"sample": ['he said "yes"', "it's", " a b "], "n": ["1", "2", "3"]})
    files.write_tsv(frame, tmp_path / "a.tsv")
    assert tables.read_tsv(tmp_path / "a.tsv", "table").equals(frame.astype("str"))
