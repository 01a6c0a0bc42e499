"""Tables, sequences, lineages: what goes in comes out, in the order asked for; what cannot be used is named."""

import gzip
import time

import biom
import h5py
import numpy as np
import pytest
import scipy.sparse

from taxoscape import tables
from taxoscape.errors import InputError

MATRIX = np.array([[1, 0, 2], [0, 3, 4]])  # [samples, taxa]


def put(text, path) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.fixture
def forms(tmp_path) -> dict:
    table = biom.Table(MATRIX.T.astype(float), ["t1", "t2", "NA"], ["s1", "s2"])
    with h5py.File(tmp_path / "h.biom", "w") as handle:
        table.to_hdf5(handle, "test")
    put(table.to_json("test"), tmp_path / "j.biom")
    put(table.to_tsv(), tmp_path / "b.tsv")
    put("id\ts1\ts2\nt1\t1\t0\nt2\t0\t3\nNA\t2\t4\n", tmp_path / "p.tsv")
    return {name: tmp_path / name for name in ("h.biom", "j.biom", "b.tsv", "p.tsv")}


@pytest.mark.parametrize("form", ["h.biom", "j.biom", "b.tsv", "p.tsv"])
def test_every_form_of_a_table_reads_alike(form, forms):
    table = tables.read_table(forms[form])
    assert list(table.ids()) == ["s1", "s2"]
    assert list(table.ids("observation")) == ["t1", "t2", "NA"]
    np.testing.assert_array_equal(tables.counts(table), MATRIX)
    tables.check_counts(table, forms[form])


@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_matrix])
def test_a_written_table_comes_back_and_is_the_same_bytes(make, tmp_path):
    for name in ("a.biom", "b.biom"):
        tables.write_table(make(MATRIX), ["x", "y", "z"], ["s", "t"], tmp_path / name)
        time.sleep(1.1)
    back = tables.read_table(tmp_path / "a.biom")
    np.testing.assert_array_equal(tables.counts(back, ["s", "t"], ["x", "y", "z"]), MATRIX)
    assert (tmp_path / "a.biom").read_bytes() == (tmp_path / "b.biom").read_bytes()


def test_counts_come_in_the_order_asked_for_and_absent_taxa_are_zero(forms):
    table = tables.read_table(forms["p.tsv"])
    counts = tables.counts(table, ["s2", "s1"], ["NA", "unknown", "t1"])
    np.testing.assert_array_equal(counts, [[4, 0, 0], [2, 0, 1]])
    assert counts.dtype == np.int64


def test_absent_samples_are_named(forms):
    with pytest.raises(InputError, match="1 samples are not in the table: s9"):
        tables.counts(tables.read_table(forms["p.tsv"]), ["s1", "s9"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id\ts\ts\nt\t1\t2\n", "duplicate sample ids: s"),
        ("id\ts\tu\nt\t1\t2\nt\t1\t2\n", "duplicate feature ids: t"),
        ("id\ts\t\nt\t1\t2\n", "empty sample id"),
        ("id\ts\nt\tfew\n", "column 's' holds a value that is no number"),
        ("id\ts\tu\nt\t1\n", "column 'u' holds a value that is no number"),
        ("id\ts\nt\t-1\n", "negative values .smallest -1"),
        ("id\ts\nt\tinf\n", "NaN or infinite"),
        ("", "cannot be read"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "no text that can be read"),
    ],
)
def test_tables_that_cannot_be_counts_are_refused(text, said, tmp_path):
    path = put(text, tmp_path / "t.tsv")
    with pytest.raises(InputError, match=said) as error:
        tables.read_table(path)
    assert path in str(error.value)


def test_duplicate_ids_in_biom_are_refused(forms):
    with h5py.File(forms["h.biom"], "a") as handle:
        handle["sample/ids"][1] = handle["sample/ids"][0]
    with pytest.raises(InputError, match="(?i)duplicate sample ids"):
        tables.read_table(forms["h.biom"])


def test_relative_abundances_are_no_counts(tmp_path):
    path = put("id\ts\nt\t0.25\n", tmp_path / "t.tsv")
    with pytest.raises(InputError, match="no whole numbers .first 0.25.*not relative abundances"):
        tables.check_counts(tables.read_table(path), path)


def test_sequences_come_back(tmp_path):
    sequences = {"a": "ACGTN", "b_1": "GG"}
    tables.write_fasta(sequences, tmp_path / "s.fasta")
    assert tables.read_fasta(tmp_path / "s.fasta") == sequences


def test_fasta_with_wraps_comments_rna_and_gzip(tmp_path):
    path = put(gzip.compress(b">a some words\r\nacgu\r\nAC\r\n\r\n>b\nGG\n"), tmp_path / "odd.name")
    assert tables.read_fasta(path) == {"a": "ACGTAC", "b": "GG"}


def test_gaps_belong_to_alignments_only(tmp_path):
    path = put(">a\nAC-T\n", tmp_path / "s.fasta")
    assert tables.read_fasta(path, tables.ALIGNED) == {"a": "AC-T"}
    with pytest.raises(InputError, match="line 2: 'AC-T' is no DNA sequence"):
        tables.read_fasta(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no sequence"),
        ("ACGT\n", "line 1: 'ACGT' is no DNA sequence"),
        (">a\nAC\n>a\nGG\n", "line 3: duplicate id 'a'"),
        (">\nAC\n", "line 1: empty id"),
        (">a\n>b\nAC\n", "1 ids without a sequence: a"),
        (">a\nMKVL*\n", "line 2: 'MKVL"),
        (gzip.compress(b">a\n" + b"ACGT" * 5000, mtime=0)[:-12], "cannot be read to its end"),
    ],
)
def test_bad_fasta_is_refused_with_its_line(text, said, tmp_path):
    path = put(text, tmp_path / "s.fasta")
    with pytest.raises(InputError, match=said) as error:
        tables.read_fasta(path)
    assert path in str(error.value)


def test_a_table_without_sequences_has_an_empty_fasta(tmp_path):
    assert tables.read_fasta(put("", tmp_path / "s.fasta"), may_be_empty=True) == {}


def test_ids_of_sequences():
    assert tables.sequence_id("ACGT") == "f1f8f4bf413b16ad135722aa4591043e"  # printf ACGT | md5sum
    assert tables.is_sequence("ACGT" * 10)
    assert not tables.is_sequence("f1f8f4bf413b16ad135722aa4591043e")
    assert not tables.is_sequence("ACGT")


def test_a_tsv_is_text_and_nothing_goes_missing(tmp_path):
    path = put('\ufeffid\ta\tb\nNA\t"x\t007\ns\tnull\n', tmp_path / "m.tsv")
    assert tables.read_tsv(path, "sheet").to_dict("list") == {
        "id": ["NA", "s"],
        "a": ['"x', "null"],
        "b": ["007", ""],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "give tab-separated text"),
        ("a\tb\n1\t2\t3\n", "(?s)cannot be read .*line 2.*give tab-separated text"),
        ("a\tb\ta\n1\t2\t3\n", "columns of the same name: a"),
        (b"a\tb\n\xff\xfe\t1\n", "is no text that can be read"),
    ],
)
def test_bad_tsv_is_refused(text, said, tmp_path):
    with pytest.raises(InputError, match=said):
        tables.read_tsv(put(text, tmp_path / "m.tsv"), "sheet")


@pytest.mark.parametrize("read", [tables.read_table, tables.read_fasta, lambda path: tables.read_tsv(path, "sheet")])
def test_absent_files_are_named(read, tmp_path):
    with pytest.raises(InputError, match="gone.txt does not exist"):
        read(tmp_path / "gone.txt")


@pytest.mark.parametrize(
    "text",
    [
        "Feature ID\tTaxon\tConfidence\na\tk__B; p__F\t0.9\n",
        "id\tlineage\na\tk__B; p__F\n",
        "ASV\tKingdom\tPhylum\tlength\na\tk__B\tp__F\t250\n",
    ],
)
def test_lineages_in_three_layouts(text, tmp_path):
    assert tables.read_taxonomy(put(text, tmp_path / "t.tsv")).to_dict() == {"a": "k__B; p__F"}


@pytest.mark.parametrize(
    ("text", "said"), [("id\na\n", "has 1 column"), ("id\tTaxon\na\tk__B\na\tk__C\n", "duplicate ids: a")]
)
def test_bad_lineages_are_refused(text, said, tmp_path):
    with pytest.raises(InputError, match=said):
        tables.read_taxonomy(put(text, tmp_path / "t.tsv"))


def test_a_feature_named_by_its_sequence_is_known_by_its_md5():
    sequence = "ACGTU" * 10
    identity = tables.sequence_id("ACGTT" * 10)
    assert tables.known_as(sequence.lower(), {identity}) == identity
    assert tables.known_as(sequence, {sequence}) == sequence
    assert tables.known_as("otu_7", {identity}) == "otu_7"
