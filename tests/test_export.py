"""The hand-off: biom-format, R's phyloseq and QIIME 2's rules read what the study holds, however it is named."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import biom
import numpy as np
import pandas as pd
import pytest
import yaml
from skbio import TreeNode

from taxoscape import tables
from taxoscape.digest import ROOT
from taxoscape.errors import InputError
from taxoscape.export import phyloseq, qiime2, readme
from taxoscape.export.study import Study, gather, rank_table, write_biom
from taxoscape.phylogeny import rooting
from taxoscape.trees import read_tree

# Names that R, CSV readers and QIIME 2 like to mend.
SAMPLES = ["1", "2", "01-a b", "#3", 'x"q"', "it's", "NA", "é/ü", "TRUE", "1e5"]
FEATURES = ["1", "2", "NA", "a-b", "it's", 'q"t', "9(x):y", "p|q;r,s", "under_score", "X1"]
COLUMNS = ["pH (1/2)", "2nd #", 'said "so"', "it's", "sample_name", "age", "plate", "last"]


@pytest.fixture
def files(tmp_path, monkeypatch) -> dict:
    """A study with hostile names, as the files that the rule reads; the last sample has no metadata."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    tables.write_table(rng.integers(1, 50, (10, 10)) * rng.integers(0, 2, (10, 10)), FEATURES, SAMPLES, "table.biom")
    taxa = ["k__Bacteria; p__P-1; c__C c", "Unassigned"] * 5
    frame = pd.DataFrame({"Feature ID": [*FEATURES, "removed"], "Taxon": [*taxa, "k__X"], "Confidence": "0.9"})
    frame.to_csv("taxonomy.tsv", sep="\t", index=False, quoting=csv.QUOTE_NONE)
    tables.write_fasta({name: "ACGT" * (place + 5) for place, name in enumerate(FEATURES)}, "asvs.fasta")
    tips = TreeNode("0.9", length=0.1, children=[TreeNode(name, length=1.0) for name in FEATURES])
    Path("tree.nwk").write_text(rooting.newick(TreeNode(children=[tips, TreeNode("removed", length=1.0)])))
    rows = [["sample_id", *COLUMNS]]
    for place, sample in enumerate(SAMPLES[:-1]):
        age = "missing" if place == 1 else str(place / 2)
        rows.append([sample, f"v{place}", "#x", '"quoted', "o'c", "NA", age, f"0{place}", "" if place % 2 else "end"])
    (tmp_path / "metadata.tsv").write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    splits = pd.DataFrame({"sample": SAMPLES[:8], "split": ["train", "test"] * 4, "fold": ["0", "1"] * 4})
    splits.to_csv("splits.tsv", sep="\t", index=False, quoting=csv.QUOTE_NONE)
    names = {"table": "table.biom", "taxonomy": "taxonomy.tsv", "sequences": "asvs.fasta", "tree": "tree.nwk"}
    return names | {"splits": "splits.tsv"}


def settings() -> dict:
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["metadata"]
    fields = {"age": {"type": "continuous", "unit": "years"}, "plate": {"type": "categorical"}}
    return config | {"file": "metadata.tsv", "fields": fields, "unmatched": "drop"}


@pytest.fixture
def study(files) -> Study:
    return gather(files, settings())


def test_all_columns_and_all_samples_are_there_with_how_they_were_used(study):
    assert list(study.samples.columns) == [*COLUMNS, "taxoscape_split", "taxoscape_fold"]
    assert list(study.samples.index) == SAMPLES
    assert study.samples.loc["1e5"].tolist() == [""] * 10
    assert study.samples.loc["TRUE", "taxoscape_split"] == ""
    assert study.samples["age"].tolist()[:3] == ["0.0", "", "1.0"]
    assert study.kinds == {"plate": "categorical", "age": "numeric"} | dict.fromkeys(
        ["taxoscape_split", "taxoscape_fold"], "categorical"
    )


def test_a_number_column_with_words_in_a_sample_nobody_checked_stays_text(files):
    path = Path("metadata.tsv")
    path.write_text(path.read_text(encoding="utf-8").replace("\t4.0\t", "\tfour\t"), encoding="utf-8")
    assert "age" not in gather(files, settings()).kinds


def test_biom_format_reads_back_counts_lineages_and_metadata(study, tmp_path):
    write_biom(study, tmp_path / "out.biom")
    found = biom.load_table(str(tmp_path / "out.biom"))
    np.testing.assert_array_equal(tables.counts(found), tables.counts(study.table))
    assert list(found.ids()) == SAMPLES
    assert list(found.ids("observation")) == FEATURES
    for sample in SAMPLES:
        assert dict(found.metadata(sample)) == study.samples.loc[sample].to_dict()
    lineages = [list(found.metadata(feature, "observation")["taxonomy"]) for feature in FEATURES]
    assert lineages == [["k__Bacteria", "p__P-1", "c__C c"], ["Unassigned"]] * 5
    assert tables.read_table(tmp_path / "out.biom").shape == (10, 10)


def test_two_exports_are_the_same_bytes(study, tmp_path):
    for name in ("first", "second"):
        write_biom(study, tmp_path / f"{name}.biom")
    assert (tmp_path / "first.biom").read_bytes() == (tmp_path / "second.biom").read_bytes()


def test_ranks_are_columns_without_prefixes(study):
    ranks = rank_table(study.taxonomy)
    assert list(ranks.columns[:3]) == ["Kingdom", "Phylum", "Class"]
    assert ranks.loc["1"].tolist() == ["Bacteria", "P-1", "C c", "", "", "", ""]
    assert (ranks.loc["2"] == "").all()


def written(study: Study, folder) -> dict:
    names = {"otu_table": "tsv", "tax_table": "tsv", "sample_data": "tsv", "tree": "nwk", "refseq": "fasta"}
    paths = {name: folder / f"{name}.{end}" for name, end in names.items()} | {"script": folder / "load_phyloseq.R"}
    phyloseq.write(study, paths)
    return paths


READ_BACK = """
suppressPackageStartupMessages(library(phyloseq))
arguments <- commandArgs(trailingOnly = TRUE)
source(arguments[1])
stopifnot(identical(setdiff(ls(), "arguments"), "ps"))
put <- function(x, name) {
  lines <- c(paste(colnames(x), collapse = "\\t"), apply(cbind(rownames(x), x), 1, paste, collapse = "\\t"))
  writeLines(enc2utf8(lines), file.path(arguments[2], name), useBytes = TRUE)
}
counts <- as(otu_table(ps), "matrix"); put(format(counts, trim = TRUE), "counts.tsv")
put(as(tax_table(ps), "matrix"), "ranks.tsv")
about <- data.frame(sample_data(ps), check.names = FALSE); put(about, "about.tsv")
writeLines(sapply(about, class), file.path(arguments[2], "classes.txt"))
writeLines(enc2utf8(phy_tree(ps)$tip.label), file.path(arguments[2], "tips.txt"), useBytes = TRUE)
writeLines(paste(names(refseq(ps)), as.character(refseq(ps)), sep = "\\t"), file.path(arguments[2], "refseq.txt"))
"""


@pytest.fixture(scope="module")
def in_r():
    """Run R code that needs phyloseq; skip where R or phyloseq are not installed."""
    asked = ["Rscript", "-e", 'quit(status = !requireNamespace("phyloseq", quietly = TRUE))']
    if not shutil.which("Rscript") or subprocess.run(asked, capture_output=True).returncode:
        pytest.skip("R's phyloseq is not installed (Debian: r-bioc-phyloseq)")

    def run(code: str, *arguments: object) -> subprocess.CompletedProcess:
        done = subprocess.run(["Rscript", "-e", code, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    return run


def lines_of(path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n")]


def test_phyloseq_holds_every_name_count_rank_and_value(study, tmp_path, in_r):
    folder, out = tmp_path / "a folder", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    in_r(READ_BACK, written(study, folder)["script"], out)
    samples, *rows = lines_of(out / "counts.tsv")
    assert samples == SAMPLES
    order = [row[0] for row in rows]
    assert sorted(order) == sorted(FEATURES)
    found = np.array([row[1:] for row in rows], dtype=int)
    np.testing.assert_array_equal(found.T, tables.counts(study.table, SAMPLES, order))
    ranks, *rows = lines_of(out / "ranks.tsv")
    assert ranks[:3] == ["Kingdom", "Phylum", "Class"]
    assert {row[0]: row[1:4] for row in rows}["under_score"] == ["Bacteria", "P-1", "C c"]
    assert {row[0]: row[1:4] for row in rows}["2"] == ["NA"] * 3
    columns, *rows = lines_of(out / "about.tsv")
    assert columns == list(study.samples.columns)
    assert [row[0] for row in rows] == SAMPLES
    text = study.samples.drop(columns="age").replace("", "NA")
    assert [row[1:6] + row[7:] for row in rows] == text.to_numpy().tolist()
    assert [row[6] for row in rows][:3] == ["0.0", "NA", "1.0"]
    classes = dict(zip(columns, (line[0] for line in lines_of(out / "classes.txt")), strict=True))
    assert classes["age"] == "numeric"
    assert set(classes.values()) == {"numeric", "character"}
    assert sorted(line[0] for line in lines_of(out / "tips.txt")) == sorted(FEATURES)
    sequences = dict(lines_of(out / "refseq.txt"))
    assert sequences == study.sequences


def test_a_tree_or_sequences_that_lack_taxa_stay_out_of_phyloseq_instead_of_dropping_them(study, tmp_path, in_r):
    paths = written(study, tmp_path)
    tables.write_fasta(dict(list(study.sequences.items())[:4]), paths["refseq"])
    code = "source(commandArgs(TRUE)[1]); cat(phyloseq::ntaxa(ps), is.null(phyloseq::refseq(ps, FALSE)))"
    done = in_r(code, paths["script"])
    assert done.stdout == "10 TRUE"
    assert "refseq.fasta lacks 6 of the 10 taxa and is left out of ps" in done.stderr


def test_r_reads_the_biom_file_with_lineages_and_metadata(study, tmp_path, in_r):
    write_biom(study, tmp_path / "out.biom")
    code = """
    if (!requireNamespace("rhdf5", quietly = TRUE)) { cat("no rhdf5"); quit() }
    suppressPackageStartupMessages(library(rhdf5))
    x <- phyloseq::import_biom(commandArgs(TRUE)[1])
    cat(phyloseq::sample_names(x), phyloseq::get_variable(x, "plate"), phyloseq::tax_table(x)[1, 2], sep = "|")
    """
    said = in_r(code, tmp_path / "out.biom").stdout
    if said == "no rhdf5":
        pytest.skip("R's rhdf5 is not installed (Debian: r-bioc-rhdf5)")
    assert said.split("|") == [*SAMPLES, *study.samples["plate"], "p__P-1"]


def test_qiime_metadata_reads_back_by_its_own_rules(study, capsys):
    text = qiime2.metadata_text(study.samples, study.kinds)
    header, types, *rows = csv.reader(text.splitlines(), dialect="excel-tab", strict=True)
    assert header[0] == "sample-id"
    assert "sample_name_" in header
    assert len(set(header)) == len(header)
    assert dict(zip(header, types, strict=True)) == dict.fromkeys(header, "") | {
        "sample-id": "#q2:types",
        "age": "numeric",
        "plate": "categorical",
        "taxoscape_split": "categorical",
        "taxoscape_fold": "categorical",
    }
    kept = [sample for sample in SAMPLES if sample != "#3"]
    assert [row[0] for row in rows] == kept
    assert [row[1:] for row in rows] == study.samples.loc[kept].to_numpy().tolist()
    assert "1 sample ids begin with '#', which QIIME 2 takes for a comment: #3" in capsys.readouterr().out


def test_qiime_files_hold_the_features_of_the_table_and_no_other(study, tmp_path):
    names = {"table": "t.biom", "taxonomy": "t.tsv", "sequences": "s.fasta", "tree": "t.nwk", "metadata": "m.tsv"}
    paths = {key: tmp_path / f"q-{name}" for key, name in names.items()}
    qiime2.write(study, paths)
    assert biom.load_table(str(paths["table"])) == study.table
    frame = tables.read_tsv(paths["taxonomy"], "taxonomy")
    assert list(frame.columns) == ["Feature ID", "Taxon", "Confidence"]
    assert list(frame["Feature ID"]) == FEATURES
    assert list(tables.read_fasta(paths["sequences"])) == FEATURES
    assert {node.name for node in read_tree(paths["tree"]).tips()} == {*FEATURES, "removed"}


def test_the_readme_counts_what_is_there(study):
    text = readme.text(study, "rarefied")
    assert f"10 ASVs x 10 samples, {int(study.table.sum()):,} reads, rarefied to the same depth" in text


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\x00b"])
def test_ids_that_no_text_file_can_hold_are_refused(tmp_path, name):
    given = biom.Table(np.ones((1, 1)), ["f"], [name])
    path = tmp_path / "t.biom"
    path.write_text(given.to_json("test"))
    assert json.loads(path.read_text())["columns"][0]["id"] == name
    with pytest.raises(InputError, match="has sample ids with tabs, line breaks"):
        tables.read_table(path)
