"""Hostile files: small ones that stand for gigabytes or never end are refused in one line and in little memory."""

import ast
import gzip
import json
import os
import re
import zipfile

import biom
import h5py
import numpy as np
import pytest
import torch
from conftest import ROOT
from test_fuzz import READERS, little_memory

from taxoscape import files, inputs, tables, trees
from taxoscape.errors import InputError
from taxoscape.learning import checkpoint

ROOM = inputs.ROOM


def gz(path, text: bytes, size: int) -> None:
    """Write a gzip file of one text repeated to a size, without holding what it unpacks to."""
    block = text * (size // len(text) // 64 or 1)
    with gzip.GzipFile(path, "wb", 6, mtime=0) as handle:
        for _ in range(size // len(block)):
            handle.write(block)


def refused(kind: str, path) -> str:
    """What a reader says of a file that it refuses, within the memory that the fuzzing allows."""
    with little_memory(), pytest.raises(InputError) as caught:
        READERS[kind](path)
    return str(caught.value)


TEXTS = [kind for kind in READERS if kind not in ("basis", "composition", "checkpoint", "yaml")]


@pytest.mark.parametrize("letter", [b"\n", b"\t", b"A", b"@r\nACGT\n+\nIIII\n", b"(", b">"])
@pytest.mark.parametrize("kind", [kind for kind in TEXTS if kind != "ko ids"])  # which reads no further than it must
def test_gzip_that_unpacks_to_more_than_its_size_allows_is_refused(kind, letter, monkeypatch, tmp_path):
    monkeypatch.setattr(inputs, "ROOM", 1 << 20)
    gz(tmp_path / "file", letter, 3 << 20)
    assert (tmp_path / "file").stat().st_size < 20_000
    said = refused(kind, tmp_path / "file")
    assert "unpacks to" in said or re.search(
        "neither gzip|record 1|line 1|duplicate|no lineage|line 2|second time", said
    ), said


@pytest.mark.parametrize("kind", ["fastq", "tsv"])
def test_gzip_of_more_than_the_room_takes_little_memory(kind, tmp_path):
    gz(tmp_path / "file", b"@" + b"A" * 63, ROOM + (1 << 26))
    assert "unpacks to" in refused(kind, tmp_path / "file")


def test_text_that_packs_well_is_read(tmp_path):
    """The 200-fold that is refused lies well above what sequences and counts pack."""
    rng = np.random.default_rng(0)
    rows = "\n".join("\t".join([f"g{row}", *map(str, rng.poisson(0.02, 5000))]) for row in range(200))
    assert len(rows) / len(gzip.compress(rows.encode())) < inputs.FOLD / 3


def test_npz_of_zeros_without_end_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("values.npy", "w") as handle:
        np.lib.format.write_array_header_1_0(handle, {"descr": "<f8", "fortran_order": False, "shape": (ROOM,)})
        for _ in range(2 * ROOM >> 20):
            handle.write(bytes(1 << 20))
    assert path.stat().st_size < ROOM / 100
    with little_memory(), pytest.raises(InputError, match="unpacks to"):
        files.read_npz(path)


def test_npz_that_declares_more_than_there_is_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("values.npy", "w") as handle:
        np.lib.format.write_array_header_1_0(handle, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    with little_memory(), pytest.raises(InputError, match="needs more memory"):
        files.read_npz(path)


def test_objects_in_npz_and_checkpoints_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", values=np.array([Trap(tmp_path / "PWNED")], dtype=object))
    torch.save({"version": checkpoint.VERSION, "weights": Trap(tmp_path / "PWNED")}, tmp_path / "m.pt")
    torch.save({"weights": Trap(tmp_path / "PWNED")}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name, read in (("a.npz", files.read_npz), ("m.pt", READERS["checkpoint"]), ("old.pt", READERS["checkpoint"])):
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path / name)
    assert not (tmp_path / "PWNED").exists()


class Trap:
    """Unpickled, it leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def replace(name: str, **options: object):
    def change(handle: h5py.File) -> None:
        del handle[name]
        handle.create_dataset(name, **options)

    return change


def put(name: str, value: object, place: int = 0, *axes: str):
    """Change one value of a dataset of both axes (the matrix stands in the file by rows and by columns)."""

    def change(handle: h5py.File) -> None:
        for axis in axes or ("observation", "sample"):
            handle[f"{axis}/{name}"][place] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (replace("observation/matrix/data", shape=(2**33,), dtype="f8", chunks=(2**16,)), "unpacks to"),
        (replace("observation/ids", shape=(2**33,), dtype=h5py.string_dtype(), chunks=(2**16,)), "unpacks to"),
        (replace("junk", shape=(2**40,), dtype="f8", chunks=(2**16,)), "unpacks to"),
        (lambda handle: handle.attrs.__setitem__("shape", (2**40, 2)), "cannot be read|more memory"),
        (put("matrix/indices", 2**30), "cannot be read"),
        (put("matrix/indices", -1), "cannot be read"),
        (put("matrix/indptr", 99, 1), "cannot be read"),
        (put("matrix/indptr", -5, 1), "cannot be read"),
        (put("matrix/data", np.nan), "NaN"),
        (put("matrix/data", 1e300), "more than can be counted"),
        (put("ids", b"s2", 0, "sample"), "Duplicate"),
        (put("ids", b"", 0, "sample"), "empty sample id"),
        (put("ids", b"a\xff", 0, "sample"), "cannot be read"),
    ],
)
def test_hdf5_that_lies_about_its_size_or_content_is_refused(change, said, tmp_path):
    path = tmp_path / "t.biom"
    tables.write_table(np.ones((2, 3)), ["a", "b", "c"], ["s1", "s2"], path)
    with h5py.File(path, "r+") as handle:
        handle.create_dataset("junk", data=1)
        change(handle)
    with little_memory(), pytest.raises(InputError, match=said):
        tables.read_table(path)


def test_hdf5_never_reads_other_files(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"12345678" * 6)
    for number, link in enumerate(
        (
            lambda handle: handle.__setitem__("sample/ids", h5py.ExternalLink(str(secret), "/ids")),
            lambda handle: handle.create_dataset("sample/ids", (2,), "S8", external=[(str(secret), 0, 16)]),
        )
    ):
        path = tmp_path / f"{number}.biom"
        tables.write_table(np.ones((2, 3)), ["a", "b", "c"], ["s1", "s2"], path)
        with h5py.File(path, "r+") as handle:
            del handle["sample/ids"]
            link(handle)
        with pytest.raises(InputError, match="lies in another file"):
            tables.read_table(path)


def json_table(**changes: object) -> str:
    table = biom.Table(np.ones((2, 2)), ["a", "b"], ["s", "t"]).to_json("test")
    return json.dumps(json.loads(table) | changes)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("table", "[" * 100_000),
        ("table", '{"a":' * 100_000),
        ("table", json_table(shape=[10**9, 10**9], data=[[10**9 - 1, 0, 1]])),
        ("table", json_table(data=[[0, 10**9, 1]])),
        ("table", json_table(data=[[0, 0, 1e999]])),
        ("table", "id\t" + "\t".join(f"s{number}" for number in range(10**6)) + "\n"),
        ("table", "id" + "\ts" * 40_000 + "\n" + "a\n" * 100_000),
        ("tsv", "\t" * 10**6 + "\n"),
        ("tsv", "\t".join(map(str, range(40_000))) + "\n" + "a\n" * 100_000),
        ("newick", "(" * 100_000),
        ("ko", "id\t" + "\t".join(f"K{number:05}" for number in range(99_999)) + "\n" + "a\t1\n" * 9),
    ],
)
def test_small_texts_that_would_cost_much_are_refused(kind, text, tmp_path):
    (tmp_path / "file").write_text(text)
    assert len(refused(kind, tmp_path / "file")) < 2000


@pytest.mark.parametrize("text", ["(" * 50_000 + "a:1,b:1)" + ":1,c:1)" * 49_999 + ";"])
def test_a_tree_as_deep_as_it_has_brackets_ends(text, tmp_path):
    (tmp_path / "file").write_text(text)
    with pytest.raises(InputError):
        READERS["newick"](tmp_path / "file")


def test_a_ladder_of_many_tips_is_read(tmp_path):
    tips = 20_000
    text = "(" * (tips - 1) + "t0:1" + "".join(f",t{number}:1):1" for number in range(1, tips)) + ";"
    (tmp_path / "file").write_text(text)
    found = trees.tree_arrays(trees.read_tree(tmp_path / "file"))
    assert len(found.tips) == tips
    assert trees.depths(found).max() == tips - 1


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("thing", ["folder", "pipe", "dangling", "device", "long"])
def test_what_is_no_regular_file_is_refused_without_waiting_for_it(kind, thing, tmp_path):
    if kind == "yaml":
        pytest.skip("Snakemake opens the config")
    path = tmp_path / "thing"
    if thing == "folder":
        path.mkdir()
    elif thing == "pipe":
        os.mkfifo(path)
    elif thing == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    elif thing == "device":
        path.symlink_to("/dev/zero")
    else:
        path = tmp_path / ("a" * 300)
    assert "does not exist" in refused(kind, path) or "folder, a pipe or a device" in refused(kind, path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
@pytest.mark.parametrize("kind", [kind for kind in READERS if kind != "yaml"])
def test_what_may_not_be_read_is_said(kind, tmp_path):
    (tmp_path / "file").touch(mode=0)
    refused(kind, tmp_path / "file")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_other_encodings_are_read_right_or_refused(encoding, tmp_path):
    path = tmp_path / "m.tsv"
    path.write_bytes("sample\tplace\ns1\tÅland\n".encode(encoding))
    if encoding == "utf-8-sig":
        assert tables.read_tsv(path, "sheet").to_dict("list") == {"sample": ["s1"], "place": ["Åland"]}
    else:
        assert "no text that can be read" in refused("tsv", path)


def test_want_of_memory_is_called_by_its_name():
    with pytest.raises(InputError, match="needs more memory"), inputs.foreign("table t", "give less"):
        raise MemoryError
    with pytest.raises(InputError, match="cannot be read"), inputs.foreign("table t", "give another"):
        raise ValueError


def test_nothing_in_the_code_unpickles_or_loads_yaml_that_acts():
    """np.load without allow_pickle, torch.load with weights_only, yaml.safe_load; pickle and its kin nowhere."""
    found = []
    for folder in ("taxoscape", "workflow/scripts", "bench"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found += [f"{path.name}: {fault}" for fault in faults(path.read_text())]
    assert not found


BANNED = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}


def faults(source: str) -> list[str]:
    """What a module does that could run code of a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.split(".")[0] in BANNED]
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called.endswith("read_pickle") or (called.startswith("yaml.") and "load" in called and "safe" not in called):
            found.append(called)
        if given.get("allow_pickle", "False") != "False":
            found.append(f"{called} allow_pickle")
        if called == "torch.load" and given.get("weights_only") != "True":
            found.append("torch.load without weights_only")
        if called in ("eval", "exec", "os.system") or (given.get("shell") == "True"):
            found.append(called)
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "yaml.load(text, Loader=yaml.Loader)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_the_rule_against_acting_files_finds_what_breaks_it(source):
    assert faults(source)


def test_gzip_is_told_by_its_bytes_not_by_its_name(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes(gzip.compress(b"sample\tage\ns\t1\n"))
    assert tables.read_tsv(path, "sheet")["age"].tolist() == ["1"]
