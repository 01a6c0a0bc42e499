"""Hostile input: whatever bytes a file holds, every reader gives a result or one InputError, soon and in little memory.

A hundred files a reader; with TAXOSCAPE_LONG=1 ten thousand. Readers are those of files that a user gives. Left out are
files that only a stage writes for another (JSON of figures, encodings, reports of tools, the image store): whoever can
change these can change the results themselves; they share read_tsv, read_npz and checkpoint.load with what is here.
"""

import copy
import gzip
import os
import resource
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import biom
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from skbio import TreeNode
from test_raster import make_basis

from taxoscape import checks, images, tables, trees
from taxoscape.basis import load_basis, save_basis
from taxoscape.diffusion.asked import read_asked
from taxoscape.errors import InputError
from taxoscape.functions import channels, ko_tables
from taxoscape.layout.existing import read_existing
from taxoscape.learning import checkpoint
from taxoscape.metadata import read_metadata
from taxoscape.reads import fastq
from taxoscape.taxonomy import species, training

CASES = 10_000 if os.environ.get("TAXOSCAPE_LONG") else 100
MEMORY = 3 * 2**30  # bytes that a reader may take beyond what the tests hold already
SECONDS = 20  # for a file of a few kilobytes
DEFAULTS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
FIELDS = {"age": {"type": "continuous"}, "diet": {"type": "categorical"}}
FASTQ = b"@r1\nACGT\n+\nIIII\n@r2\nGGTN\n+\nII#I\n"
NEWICK = [b"((a:0.1,b:0.2)x:0.3,('c d':0.1,e_f:1e-3):0.2);", b"(a:1,b:2,c:[note]3);"]
KO = [b"assembly\tK00001\tko:K00002\na\t1\t2\nb\t0\t3\n", b"function\ta\tb\nK00001\t1\t2\nK00002\t0\t1.5\n"]
# What breaks parsers: quotes, brackets, ends of lines, numbers that are none, huge ones, bytes that are no UTF-8.
TOKENS = [
    b"",
    b"\n",
    b"\r\n",
    b"\t",
    b"\0",
    b'"',
    b"'",
    b",",
    b";",
    b":",
    b"(",
    b")",
    b"[",
    b"{",
    b"}",
    b">",
    b"@",
    b"+",
    b"#",
    b"-1",
    b"nan",
    b"inf",
    b"1e999",
    b"99999999999999999999",
    b"../../x",
    b"$(x)",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"<b>",
    "\u202e\u00e9".encode(),
    b"A" * 300,
    b"((((" * 500,
    b"&a [*a, *a]",
]


@st.composite
def broken(draw, valid: list[bytes]) -> bytes:
    """A valid file with a few wounds, or bytes that never were one."""
    text = draw(st.sampled_from([*valid, b""]))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 1, 2, 8, 64, 10**6])))
        put = draw(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8), st.just(text[start:end] * 3)))
        text = text[:start] + put + text[end:]
    return text


@contextmanager
def little_memory():
    """A limit on this process's address space; an allocation beyond it is a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def read_config(path: Path) -> None:
    """What the workflow does with a config: YAML (Snakemake's part), defaults under it, order, checks."""
    try:
        given = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        return
    config = copy.deepcopy(DEFAULTS)
    for section, values in given.items() if isinstance(given, dict) else ():
        both = isinstance(values, dict) and isinstance(config.get(section), dict)
        config[section] = config[section] | values if both else values
    checks.check_config(checks.ordered(config, DEFAULTS), SCHEMA)


def read_study_metadata(path: Path) -> pd.DataFrame:
    return read_metadata(DEFAULTS["metadata"] | {"file": str(path), "fields": FIELDS, "sample": "sample"})


def read_tip_names(path: Path) -> None:
    """What the door asks of a study's tree without parsing it."""
    config = {"input": {"tree": str(path)}, "phylogeny": {"missing_tips": "drop"}}
    checks._check_tree(config, ["a", "b"])


def are_ids(names) -> bool:
    names = list(names)
    return len(set(names)) == len(names) and all(isinstance(name, str) and name for name in names)


def sound_fastq(blocks: list[fastq.Block]) -> bool:
    records = [
        record for block in blocks for record in zip(block.headers, block.sequences, block.qualities, strict=True)
    ]
    return bool(records) and all(head[:1] == b"@" and len(bases) == len(marks) > 0 for head, bases, marks in records)


def sound_table(table: biom.Table) -> bool:
    values, ids = table.matrix_data.toarray(), (table.ids("observation"), table.ids())
    finite = np.isfinite(values).all() and (values >= 0).all() and values.sum(axis=0).max(initial=0) <= 2**53
    return finite and values.shape == tuple(map(len, ids)) and all(map(are_ids, ids))


def sound_tree(tree: TreeNode) -> bool:
    arrays = trees.tree_arrays(tree)
    inner = (arrays.parent[1:] < np.arange(1, len(arrays.parent))).all()
    return are_ids(arrays.tips) and np.isfinite(arrays.length).all() and bool(inner)


def sound_asked(made: pd.DataFrame) -> bool:
    return are_ids(made["sample"]) and not np.isinf(made["age"]).any() and 0 < len(made) <= 1_000_000


# Reader -> how it reads a path, and what holds of whatever it accepts.
@dataclass(frozen=True)
class Stored:
    """A record as the stages store theirs."""

    weights: torch.Tensor
    names: np.ndarray


def read_stored(path) -> Stored:
    return checkpoint.load(path, Stored, "give a checkpoint")


FORMATS = {
    "fastq": (lambda path: list(fastq.blocks(path)), sound_fastq),
    "fasta": (
        tables.read_fasta,
        lambda found: are_ids(found) and all(set(row) <= tables.BASES for row in found.values()),
    ),
    "table": (tables.read_table, sound_table),
    "newick": (trees.read_tree, sound_tree),
    "tip names": (read_tip_names, lambda found: found is None),
    "tsv": (lambda path: tables.read_tsv(path, "sheet"), lambda found: found.map(type).eq(str).all(axis=None)),
    "taxonomy": (tables.read_taxonomy, lambda found: found.index.is_unique),
    "samples": (
        checks.read_sheet,
        lambda found: len(found) and are_ids(found["sample"]) and (found["fq1"] != "").all(),
    ),
    "metadata": (read_study_metadata, lambda found: are_ids(found.index)),
    "asked": (lambda path: read_asked(path, FIELDS), sound_asked),
    "existing": (
        lambda path: read_existing(path, 8),
        lambda found: found.index.is_unique and found.isin(range(8)).all(axis=None),
    ),
    "ko": (
        lambda path: ko_tables.read_ko(path, {"a", "b"}),
        lambda found: set(found.index) <= {"a", "b"} and (found.to_numpy() >= 0).all() and found.columns.is_unique,
    ),
    "ko ids": (ko_tables.read_ids, lambda found: isinstance(found, list)),
    "copies": (
        lambda path: ko_tables.read_copies(path, ["a", "b"]),
        lambda found: len(found) == 2 and (found > 0).all(),
    ),
    "map": (channels.read_map, lambda found: all(len(number) == 5 for number in found)),
    "training set": (training.read_training_set, lambda found: len(found.ends) == len(found.labels) > 0),
    "species": (lambda path: species.matches(["ACGTACGTAC"], path), lambda found: len(found) == 1),
    "yaml": (read_config, lambda found: found is None),
    "basis": (load_basis, lambda found: found.channels.shape == (len(found.taxa), len(found.channel_names))),
    "composition": (images.load_composition, lambda found: all(array.dtype != object for array in found.values())),
    "checkpoint": (read_stored, lambda found: isinstance(found.weights, torch.Tensor) and len(found.names) == 3),
}
READERS = {kind: read for kind, (read, _) in FORMATS.items()}


@pytest.fixture(scope="module")
def valid(tmp_path_factory) -> dict[str, list[bytes]]:
    """Small files that every reader takes."""
    folder, rng = tmp_path_factory.mktemp("valid"), np.random.default_rng(0)
    ids, samples = ["a", "b", "c"], ["s1", "s2"]
    tables.write_table(rng.integers(0, 9, (2, 3)), ids, samples, folder / "t.biom")
    json_table = tables.read_table(folder / "t.biom").to_json("test").encode()
    np.savez(folder / "c.npz", samples=np.array(samples), counts=np.ones((2, 3)), depth=np.int64(9))
    save_basis(make_basis(taxa=4, channels=2, size=8), folder / "b.npz")
    checkpoint.save(Stored(torch.ones(3), np.array(ids)), folder / "m.pt")
    sheet = b"sample\tage\tdiet\ns1\t3\tvegan\ns2\t4.5\tomnivore\n"
    return {
        "fastq": [FASTQ, gzip.compress(FASTQ, mtime=0)],
        "fasta": [b">a x\nACGT\nAC\n>b\nGGUU\n"],
        "table": [(folder / "t.biom").read_bytes(), json_table, b"#OTU ID\ts1\ts2\na\t1\t2\nb\t0\t3\n"],
        "newick": NEWICK,
        "tip names": NEWICK,
        "existing": [b"taxon\trow\tcol\na\t1\t2\nb\t0\t7\n"],
        "ko": KO,
        "ko ids": KO,
        "copies": [b"assembly\t16S_rRNA_Count\na\t1\nb\t2.5\n"],
        "map": [b"ko00010\tK00001\tko:K00002\nko00020\tK00003\n"],
        "training set": [b">Bacteria;Firmicutes;Bacilli;\nACGTACGT\n>Archaea;X;\nAC-GT\n"],
        "species": [b">X1 Vibrio halioticoli\nACGTACGTACGT\n>X2 Vibrio sp\nGGGG\n"],
        "tsv": [sheet],
        "taxonomy": [b"Feature ID\tTaxon\tConfidence\na\tk__Bacteria; p__Firmicutes\t0.9\n"],
        "samples": [b"sample\trun\tfq1\tfq2\ns1\t1\ta_1.fastq\ta_2.fastq\n"],
        "metadata": [sheet],
        "asked": [b"sample\tage\tdiet\tcopies\nyoung\t1\tvegan\t3\n"],
        "yaml": [
            (ROOT / "config" / "demo.yaml").read_bytes(),
            b"input: {kind: table, table: t.biom}\nrarefy: {depth: 100}\naam: {epochs: '3'}\n",
            b"metadata: {file: m.tsv, fields: {age: {type: continuous}}, targets: {age: regression}}\n",
        ],
        "basis": [(folder / "b.npz").read_bytes()],
        "composition": [(folder / "c.npz").read_bytes()],
        "checkpoint": [(folder / "m.pt").read_bytes()],
    }


@pytest.mark.parametrize("kind", READERS)
def test_any_bytes_give_a_result_or_one_clear_error(kind, valid, tmp_path):
    @settings(
        max_examples=CASES,
        deadline=1000 * SECONDS,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(broken(valid[kind]))
    def holds(content: bytes) -> None:
        path = tmp_path / "file"
        path.write_bytes(content)
        with little_memory(), suppress(InputError):
            assert sound(read(path))

    read, sound = FORMATS[kind]
    holds()


@pytest.mark.parametrize("kind", [kind for kind in READERS if kind != "yaml"])
def test_the_files_that_are_broken_are_sound_before(kind, valid, tmp_path):
    for content in valid[kind]:
        (tmp_path / "file").write_bytes(content)
        read, sound = FORMATS[kind]
        assert sound(read(tmp_path / "file"))
