"""Hostile input: whatever bytes a file holds, every reader gives a result or one InputError, soon and in little memory.

A hundred files a reader; with TAXOSCAPE_LONG=1 ten thousand.
"""

import copy
import os
import resource
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taxoscape import checkpoint, checks, images, tables, trees
from taxoscape.basis import load_basis
from taxoscape.diffusion.asked import read_asked
from taxoscape.errors import InputError
from taxoscape.metadata import read_metadata
from taxoscape.reads import fastq

CASES = 10_000 if os.environ.get("TAXOSCAPE_LONG") else 100
MEMORY = 3 * 2**30  # bytes that a reader may take beyond what the tests hold already
SECONDS = 20  # for a file of a few kilobytes
DEFAULTS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
FIELDS = {"age": {"type": "continuous"}, "diet": {"type": "categorical"}}
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


def read_study_metadata(path: Path) -> None:
    read_metadata(DEFAULTS["metadata"] | {"file": str(path), "fields": FIELDS, "sample": "sample"})


READERS = {
    "fastq": lambda path: list(fastq.blocks(path)),
    "fasta": tables.read_fasta,
    "table": tables.read_table,
    "newick": trees.read_tree,
    "tsv": lambda path: tables.read_tsv(path, "sheet"),
    "taxonomy": tables.read_taxonomy,
    "samples": checks.read_sheet,
    "metadata": read_study_metadata,
    "asked": lambda path: read_asked(path, FIELDS),
    "yaml": read_config,
    "basis": load_basis,
    "composition": images.load_composition,
    "checkpoint": checkpoint.load,
}


@pytest.fixture(scope="module")
def valid(tmp_path_factory) -> dict[str, list[bytes]]:
    """Small files that every reader takes."""
    folder, rng = tmp_path_factory.mktemp("valid"), np.random.default_rng(0)
    ids, samples = ["a", "b", "c"], ["s1", "s2"]
    tables.write_table(rng.integers(0, 9, (2, 3)), ids, samples, folder / "t.biom")
    json_table = tables.read_table(folder / "t.biom").to_json("test").encode()
    np.savez(folder / "c.npz", samples=np.array(samples), counts=np.ones((2, 3)), depth=np.int64(9))
    checkpoint.save({"weights": torch.ones(3), "names": ids}, folder / "m.pt")
    sheet = b"sample\tage\tdiet\ns1\t3\tvegan\ns2\t4.5\tomnivore\n"
    return {
        "fastq": [b"@r1\nACGT\n+\nIIII\n@r2\nGGTN\n+\nII#I\n"],
        "fasta": [b">a x\nACGT\nAC\n>b\nGGUU\n"],
        "table": [(folder / "t.biom").read_bytes(), json_table, b"#OTU ID\ts1\ts2\na\t1\t2\nb\t0\t3\n"],
        "newick": [b"((a:0.1,b:0.2)x:0.3,('c d':0.1,e_f:1e-3):0.2);", b"(a:1,b:2,c:[note]3);"],
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
        "basis": [(folder / "c.npz").read_bytes()],
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
            READERS[kind](path)

    holds()


@pytest.mark.parametrize("kind", [kind for kind in READERS if kind not in ("basis", "yaml")])
def test_the_files_that_are_broken_are_sound_before(kind, valid, tmp_path):
    for content in valid[kind]:
        (tmp_path / "file").write_bytes(content)
        READERS[kind](tmp_path / "file")
