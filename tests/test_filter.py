"""The filter: each ASV leaves at the first criterion it fails, every read is counted, lineages match whole names."""

import biom
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from taxoscape import filter as asv_filter
from taxoscape import tables
from taxoscape.digest import ROOT
from taxoscape.errors import InputError

OFF = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["filter"] | {"exclude": []}
SEQUENCES = {"short": "A" * 200, "good": "A" * 250, "mito": "C" * 250, "rare": "G" * 250, "long": "A" * 300}
LINEAGES = pd.Series(
    {
        "short": "k__Bacteria; p__Firmicutes",
        "good": "k__Bacteria; p__Bacteroidota; c__Bacteroidia",
        "mito": "k__Bacteria; p__Proteobacteria; c__Alpha; o__Rickettsiales; f__Mitochondria",
        "rare": "Unassigned",
        "long": "k__Eukaryota",
    }
)
#                    a   b  c
COUNTS = np.array([[4, 0, 1], [50, 9, 0], [7, 0, 3], [1, 0, 0], [0, 2, 2]])


def table() -> biom.Table:
    return biom.Table(COUNTS.astype(float), list(SEQUENCES), ["a", "b", "c"])


def judged(**settings: object) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    asvs = asv_filter.describe(table(), SEQUENCES, LINEAGES)
    return asvs, *asv_filter.judge(asvs, OFF | settings)


def leaving(**settings: object) -> dict[str, str]:
    verdict = judged(**settings)[1]
    return verdict.loc[verdict["step"] != "", "step"].to_dict()


def test_without_settings_everything_stays():
    assert leaving() == {}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"min_length": 250}, {"short": "length"}),
        ({"max_length": 250}, {"long": "length"}),
        ({"min_reads": 5}, {"rare": "abundance", "long": "abundance"}),
        ({"min_samples": 2}, {"rare": "abundance"}),
        ({"min_share": 0.1}, {"short": "abundance", "rare": "abundance", "long": "abundance"}),
        ({"exclude": ["mitochondria", "D__EUKARYOTA"]}, {"mito": "lineage", "long": "lineage"}),
        ({"require": "domain"}, {"rare": "lineage"}),
        ({"require": "phylum"}, {"rare": "lineage", "long": "lineage"}),
        ({"require": "class"}, {"short": "lineage", "rare": "lineage", "long": "lineage"}),
    ],
)
def test_each_setting_removes_what_fails_it_and_nothing_else(settings, expected):
    assert leaving(**settings) == expected


def test_an_asv_leaves_at_the_first_criterion_it_fails_and_is_counted_once():
    _, verdict, summary = judged(min_length=250, min_reads=5, exclude=["Mitochondria"], require="phylum")
    assert verdict.loc["short"].tolist() == ["length", "shorter than 250 nt"]
    assert verdict.loc["rare"].tolist() == ["abundance", "fewer than 5 reads"]
    assert verdict.loc["mito"].tolist() == ["lineage", "lineage holds Mitochondria"]
    assert summary.to_numpy().tolist() == [
        ["length", "min_length", 250, 1, 5],
        ["abundance", "min_reads", 5, 2, 5],
        ["lineage", "exclude", "Mitochondria", 1, 10],
        ["lineage", "require", "phylum", 0, 0],
    ]


@pytest.mark.parametrize(
    ("taxon", "term", "found"),
    [
        ("k__Bacteria; p__Cyanobacteria; c__Chloroplast", "chloroplast", True),
        ("d__Bacteria;p__Cyanobacteriota;c__Cyanobacteriia;o__Chloroplast", "Chloroplast", True),
        ("d__Bacteria;p__Cyanobacteriota;c__Cyanobacteriia;o__Chloroplast", "c__Chloroplast", False),
        ("k__Bacteria; p__Cyanobacteria/Chloroplast", "Chloroplast", False),
        ("Bacteria;Proteobacteria;Alpha;Rickettsiales;Mitochondria", "f__mitochondria", True),
        ("Bacteria;Proteobacteria;Alpha;Rickettsiales;Mitochondria", "o__mitochondria", False),
        ("d__Eukaryota", "k__Eukaryota", True),
        ("Unassigned", "Unassigned", False),
        ("", "Mitochondria", False),
    ],
)
def test_a_term_is_the_whole_name_of_a_rank_with_or_without_prefix(taxon, term, found):
    assert asv_filter.holds(taxon, term) == found


def test_the_track_counts_reads_after_each_step_for_every_sample_also_those_lost_before():
    before = pd.DataFrame({"sample": ["gone", "a", "b", "c"], "input": ["9", "99", "20", "8"]})
    before["nonchimeric"] = ["0", "62", "11", "6"]
    verdict = judged(min_length=250, min_reads=5, exclude=["Mitochondria"])[1]
    left = asv_filter.track(table(), verdict, before)
    assert list(left.columns) == ["sample", "input", "nonchimeric", "length", "abundance", "lineage"]
    assert left[asv_filter.STEPS].to_numpy().tolist() == [[0, 0, 0], [58, 57, 50], [11, 9, 9], [5, 3, 0]]


def test_an_emptied_sample_leaves_the_table_and_is_named(capsys):
    verdict = judged(min_length=250, min_reads=5, exclude=["Mitochondria"])[1]
    counts, taxa, samples = asv_filter.keep(table(), (verdict["step"] == "").to_numpy())
    assert (taxa, samples) == (["good"], ["a", "b"])
    assert counts.toarray().tolist() == [[50], [9]]
    said = capsys.readouterr().out
    assert "1 samples have no reads left and are not in the table: c" in said
    assert "1 of 5 ASVs" in said


@given(st.integers(1, 310), st.integers(1, 60), st.integers(1, 3), st.floats(0, 1), st.booleans())
def test_no_read_is_lost_silently(shortest, reads, samples, share, organelles):
    settings = {"min_length": shortest, "min_reads": reads, "min_samples": samples, "min_share": share}
    asvs, verdict, summary = judged(**settings, exclude=["Mitochondria"] if organelles else [])
    before = pd.DataFrame({"sample": ["a", "b", "c"], "nonchimeric": COUNTS.sum(axis=0)})
    left = asv_filter.track(table(), verdict, before)
    gone = asv_filter.removed(asvs, verdict)
    assert gone["reads"].sum() == summary["reads"].sum() == COUNTS.sum() - left["lineage"].sum()
    assert len(gone) == summary["asvs"].sum()
    assert (left[["nonchimeric", *asv_filter.STEPS]].diff(axis=1).iloc[:, 1:] <= 0).all(axis=None)


def test_what_is_removed_is_listed_by_falling_reads_with_the_reason():
    asvs, verdict, _ = judged(min_length=250, exclude=["Mitochondria"])
    gone = asv_filter.removed(asvs, verdict)
    assert list(gone.columns) == ["asv", "length", "reads", "samples", "taxon", "step", "reason"]
    assert gone["asv"].tolist() == ["mito", "short"]
    assert gone["length"].tolist() == [250, 200]


def test_an_asv_without_a_sequence_has_no_length_and_stays():
    known = {name: text for name, text in SEQUENCES.items() if name != "short"}
    asvs = asv_filter.describe(table(), known, None)
    verdict, _ = asv_filter.judge(asvs, OFF | {"min_length": 250, "exclude": ["Mitochondria"]})
    assert (verdict["step"] == "").all()


def test_a_filter_that_removes_everything_says_what_each_setting_removed():
    with pytest.raises(InputError) as caught:
        asv_filter.check_left(*judged(min_length=290, min_reads=5))
    assert str(caught.value) == (
        "filter keeps 0 of 5 ASVs (filter.min_length=290 removes 4, filter.min_reads=5 removes 1; "
        "they are 200 to 300 nt long): loosen it"
    )


def test_lengths_asked_of_a_table_without_sequences_are_refused():
    asvs = asv_filter.describe(table(), {}, LINEAGES)
    with pytest.raises(InputError, match="none of the 5 ASVs has one: name their FASTA in input.sequences"):
        asv_filter.judge(asvs, OFF | {"max_length": 250})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_length": 300, "max_length": 250}, "filter.min_length=300 is above filter.max_length=250"),
        ({"min_samples": 9}, "filter.min_samples=9 is more than the 8 samples of the study"),
        ({"exclude": ["Bacteria; Cyanobacteria"]}, "filter.exclude holds 'Bacteria; Cyanobacteria'"),
        ({"exclude": ["f__"]}, "filter.exclude holds 'f__': give the name of one rank"),
        ({"exclude": [" "]}, "filter.exclude holds ' '"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        asv_filter.check_filter({"filter": OFF | settings}, 8)


def test_what_the_files_of_a_study_foretell_is_what_the_filter_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tables.write_fasta(SEQUENCES, "seqs.fasta")
    frame = pd.DataFrame({"Feature ID": LINEAGES.index, "Taxon": LINEAGES.to_numpy()})
    frame.to_csv("taxonomy.tsv", sep="\t", index=False)
    settings = OFF | {"min_length": 250, "exclude": ["Mitochondria"], "require": "phylum"}
    config = {"input": {"sequences": "seqs.fasta", "taxonomy": "taxonomy.tsv"}, "filter": settings}
    assert list(asv_filter.foreseen(table(), config).ids("observation")) == ["good"]
    config["input"]["taxonomy"] = None
    assert list(asv_filter.foreseen(table(), config).ids("observation")) == ["good", "mito", "rare", "long"]


def test_lineages_of_sequences_reach_features_that_go_by_their_md5_and_the_other_way_round(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = "ACGT" * 10, "TTTT" * 10
    ids = [first, tables.sequence_id(second)]
    rows = [(tables.sequence_id(first), "d__Bacteria;f__Mitochondria"), (second, "d__Bacteria;p__P")]
    pd.DataFrame(rows, columns=["Feature ID", "Taxon"]).to_csv("taxonomy.tsv", sep="\t", index=False)
    config = {"input": {"sequences": None, "taxonomy": "taxonomy.tsv"}, "filter": OFF | {"exclude": ["Mitochondria"]}}
    left = asv_filter.foreseen(biom.Table(np.ones((2, 1)), ids, ["a"]), config)
    assert list(left.ids("observation")) == [tables.sequence_id(second)]
