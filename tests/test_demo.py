"""The simulated cohort: reproducible, true to its own account, and neither too easy nor too hard."""

import gzip
import subprocess
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from taxoscape import demo, tables
from taxoscape.demo import cohort, community, genomes, sequencing, sources
from taxoscape.errors import InputError

TINY = {"subjects": 6, "timepoints": 2, "pairs": 200, "taxa": 20}
PATHS = {name: f"{demo.FOLDER}/{path}" for name, path in demo.FILES.items()}


@pytest.fixture(scope="module")
def extdata():
    try:
        return sources.extdata()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def reference(extdata):
    return sources.read_reference(extdata / sources.SEQUENCES)


def make(folder, config, seed, extdata):
    """Write a cohort under `folder`; returns it and the folder of its files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        simulated = cohort.simulate(config, seed, extdata)
        cohort.write(simulated, config["pairs"], seed, extdata, PATHS)
    return simulated, folder / demo.FOLDER


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, extdata):
    return make(tmp_path_factory.mktemp("tiny"), TINY, 0, extdata)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def read_fastq(path):
    """Read names, sequences and qualities of a FASTQ."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return [line.split()[0] for line in lines[::4]], lines[1::4], lines[3::4]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tiny, tmp_path, extdata):
    again, other = tmp_path / "again", tmp_path / "other"
    again.mkdir()
    other.mkdir()
    assert contents(make(again, TINY, 0, extdata)[1]) == contents(tiny[1])
    changed = contents(make(other, TINY, 1, extdata)[1])
    same = {str(path) for path, text in contents(tiny[1]).items() if changed[path] == text}
    assert same == {"samples.tsv", "README.txt"}


def test_every_declared_file_is_written_and_nothing_else(tiny):
    sheet = demo.sheet(TINY)
    declared = [*PATHS.values(), *sheet["fq1"], *sheet["fq2"]]
    assert sorted(f"{demo.FOLDER}/{path}" for path in contents(tiny[1])) == sorted(declared)


def test_more_reads_do_not_change_the_communities(tiny, extdata):
    deeper = cohort.simulate(TINY | {"pairs": 5000}, 0, extdata)
    assert np.array_equal(deeper.shares, tiny[0].shares)


def test_sheet_is_known_from_the_config_alone():
    sheet = demo.sheet({"subjects": 3, "timepoints": 2})
    assert list(sheet["sample"]) == ["S01T1", "S01T2", "S02T1", "S02T2", "S03T1", "S03T2"]
    assert list(sheet["run"]) == ["run1"] * 2 + ["run2"] * 2 + ["run1"] * 2
    assert sheet.loc[0, "fq2"] == "resources/demo/reads/S01T1_R2.fastq.gz"


def test_amplicon_lies_between_the_primers():
    inside = "TACGGAGGATCC"
    forward, reverse = "GTGCCAGCAGCCGCGGTAA", "ATTAGATACCCTAGTAGTCC"  # reverse complement of a 806R
    assert sources.amplicon("AAAC" + forward + inside + reverse + "GG") == inside
    assert sources.amplicon("AAAC" + forward + inside) == ""


def test_word_bound_never_exceeds_the_number_of_edits():
    rng = np.random.default_rng(0)
    sequence = "".join(rng.choice(list("ACGT"), 253))
    for edits in range(6):
        changed = list(sequence)
        for place in rng.choice(253, edits, replace=False):
            changed[place] = {"A": "C", "C": "G", "G": "T", "T": "A"}[changed[place]]
        bound = sources.edits_at_least(
            sources.word_counts(sequence), sources.word_counts("".join(changed))[None].astype(int)
        )
        assert bound[0] <= edits


def test_a_sequence_joined_from_two_others_is_a_chimera():
    one, two, three = "AAAACCCCGGGG", "TTTTCCCCTTTT", "AAAACCCCTTTT"
    assert sources.is_chimera([one, two, three], 2)
    assert not sources.is_chimera([one, two, "AAAACCCCTTAA"], 2)


def test_true_sequences_are_apart_of_many_phyla_and_no_chimeras(reference):
    chosen = sources.choose(reference, 120, np.random.default_rng(0))
    sequences = [reference.amplicons[index] for index in chosen]
    words = np.array([sources.word_counts(sequence) for sequence in sequences])
    nearest = [sources.edits_at_least(own, np.delete(words, place, 0)).min() for place, own in enumerate(words)]
    assert min(nearest) >= sources.DIFFERENCES
    assert not any(sources.is_chimera(sequences, place) for place in range(120))
    assert len({reference.lineages[index][1] for index in chosen}) >= 15
    assert sum(reference.lineages[index][4] in sources.GUT for index in chosen) == 100


def test_more_taxa_than_distinct_sequences_are_refused(reference):
    few = sources.Reference(reference.sequences[:50], reference.lineages[:50], reference.amplicons[:50])
    with pytest.raises(InputError, match=r"demo\.taxa=120 is more than the \d+ distinct sequences"):
        sources.choose(few, 120, np.random.default_rng(0))


def test_missing_dada2_is_named_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="R is not on PATH: install dada2 .*input.samples"):
        sources.extdata()
    fake = tmp_path / "R"
    fake.write_text(f"#!/bin/sh\nprintf %s {tmp_path}\n")
    fake.chmod(0o755)
    with pytest.raises(InputError, match=r"needs ten_16s\.100\.fa\.gz, sam1F\.fastq\.gz.* in .*install dada2"):
        sources.extdata()


@pytest.mark.parametrize("key", TINY)
def test_none_of_anything_is_refused(key, extdata):
    with pytest.raises(InputError, match=f"demo.{key}=0: at least 1"):
        cohort.simulate(TINY | {key: 0}, 0, extdata)


@pytest.mark.parametrize("config", [{"subjects": 1, "timepoints": 1, "pairs": 1, "taxa": 1}, TINY | {"timepoints": 1}])
def test_the_smallest_cohorts_work(config, tmp_path, extdata):
    simulated, folder = make(tmp_path, config, 0, extdata)
    assert set(simulated.metadata["antibiotic"]) == {"none"}
    assert len(read_fastq(folder / "reads/S01T1_R1.fastq.gz")[0]) == config["pairs"]


def test_relatives_covary_by_the_ranks_they_share():
    lineages = [("B", "P", "C", "O", "F", "G"), ("B", "P", "C", "O", "F", "G"), ("B", "P", "C", "X", "Y", "Z")]
    draws = community.clade_normal(lineages, 200_000, np.random.default_rng(0))
    expected = [[1, 0.75, 0.2], [0.75, 1, 0.2], [0.2, 0.2, 1]]  # sums of SHARES down to the last common rank
    np.testing.assert_allclose(np.cov(draws), expected, atol=0.01)


def test_ages_grow_by_the_days_and_nothing_else_of_a_subject_changes(tiny):
    metadata = tiny[0].metadata
    birth = metadata["age"] - metadata["day"] / 365.25
    for _, rows in metadata.assign(birth=birth).groupby("subject"):
        assert np.ptp(rows["birth"]) <= 0.011  # ages are rounded to 0.01
        assert rows["diet"].nunique() == rows["sex"].nunique() == 1
        assert rows["day"].is_monotonic_increasing
        assert rows["day"].iloc[0] == 0


def test_a_course_goes_from_before_to_after_to_recovery():
    metadata = community.draw_metadata(demo.sheet({"subjects": 20, "timepoints": 3}), 3, np.random.default_rng(0))
    states = Counter(tuple(rows["antibiotic"]) for _, rows in metadata.groupby("subject"))
    assert states == {("none",) * 3: 12, ("before", "after", "recovery"): 8}


def test_antibiotic_lowers_susceptible_taxa_which_recover_and_sex_does_nothing():
    rng = np.random.default_rng(0)
    metadata = community.draw_metadata(demo.sheet({"subjects": 20, "timepoints": 3}), 3, rng)
    effects = community.draw_effects([("B", "P", "C", "O", f"F{taxon}", "G") for taxon in range(40)], rng)
    response = community.responses(effects, metadata)
    gone = response - community.responses(effects, metadata.assign(course=np.nan))
    mean = {state: gone[(metadata["antibiotic"] == state).to_numpy()].mean() for state in set(metadata["antibiotic"])}
    assert mean["none"] == mean["before"] == 0
    assert mean["after"] < 2 * mean["recovery"] < 0
    assert np.array_equal(response, community.responses(effects, metadata.assign(sex="female")))


def test_some_cells_are_empty_but_never_subject_or_day(tiny):
    known = tables.read_tsv(tiny[1] / "metadata.tsv", "metadata")
    assert list(known) == ["sample_id", "subject", "day", *community.FIELDS]
    empty = (known == "").sum()
    assert (empty[list(community.FIELDS)] >= 1).all()
    assert not empty[["sample_id", "subject", "day"]].any()


def test_mates_are_named_alike_and_primers_are_gone(tiny):
    for row in demo.sheet(TINY).itertuples():
        names, reads, scores = read_fastq(tiny[1] / f"reads/{row.sample}_R1.fastq.gz")
        assert names == read_fastq(tiny[1] / f"reads/{row.sample}_R2.fastq.gz")[0]
        assert len(set(names)) == TINY["pairs"]
        assert {len(read) for read in reads} == {len(score) for score in scores} == {250}
        assert not any("CCGCGGTAA" in read[:25] for read in reads)


def test_truth_is_what_the_reads_hold(tiny):
    truth = pd.read_csv(tiny[1] / "truth/table.tsv", sep="\t", index_col=0)
    asvs = tables.read_fasta(tiny[1] / "truth/asvs.fasta")
    assert list(asvs) == list(truth.columns) == [tables.sequence_id(sequence) for sequence in asvs.values()]
    templates = np.array([sequencing.ends(sequence).ravel() for sequence in asvs.values()])
    for sample, counts in truth.iterrows():
        mates = [read_fastq(tiny[1] / f"reads/{sample}_R{mate}.fastq.gz")[1] for mate in (1, 2)]
        pairs = np.array([sequencing.codes(one + two) for one, two in zip(*mates, strict=True)])
        nearest = (pairs[:, None] != templates).sum(axis=2).argmin(axis=1)
        found = np.bincount(nearest, minlength=len(asvs))
        chimeras = TINY["pairs"] - counts.sum()
        assert chimeras == 2 * round(TINY["pairs"] * sequencing.CHIMERA_SHARE)
        assert (found >= counts).all()
        assert (found - counts).sum() == chimeras


def test_truth_counts_follow_the_composition(extdata):
    shares = cohort.simulate(TINY, 0, extdata).shares
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    drawn = sequencing.draw_counts(shares[0], 1_000_000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn / 1e6, shares[0], atol=0.002)


@pytest.mark.parametrize("worse", [0, 1])
def test_errors_are_as_frequent_as_the_qualities_say(extdata, worse):
    qualities = sources.read_qualities(extdata, "sam1")
    template = sequencing.ends("ACGT" * 63)[None]
    pairs = sequencing.draw_pairs(template, np.array([20_000]), qualities, worse, np.random.default_rng(0))
    wrong = pairs.bases != template
    for score in np.unique(pairs.quality):
        at = pairs.quality == score
        expected, n = 10 ** (-float(score) / 10), np.count_nonzero(at)
        assert abs(wrong[at].mean() - expected) < 5 * np.sqrt(expected * (1 - expected) / n) + 1e-6
    shift = (pairs.bases[wrong].astype(int) - np.broadcast_to(template, wrong.shape)[wrong]) % 4
    np.testing.assert_allclose(np.bincount(shift, minlength=4)[1:] / wrong.sum(), 1 / 3, atol=0.005)
    assert pairs.quality.mean() == pytest.approx(qualities.mean() - worse, abs=0.1)


def test_references_leave_out_the_sequences_of_the_truth(tiny, reference):
    own = {reference.sequences[parent] for parent in tiny[0].parents}
    text = gzip.decompress((tiny[1] / "training_set.fa.gz").read_bytes()).decode().split()
    assert len(text[1::2]) == len(reference.sequences) - TINY["taxa"]
    assert all(line.count(";") == 6 for line in text[::2])
    genomes_16s = tables.read_fasta(tiny[1] / "reference.fna")
    assert not own & set(text[1::2])
    assert not own & set(genomes_16s.values())
    copies = pd.read_csv(tiny[1] / "reference_ko.tsv.gz", sep="\t", index_col=0)
    rrna = pd.read_csv(tiny[1] / "reference_16S.tsv.gz", sep="\t", index_col=0)
    assert copies.index.name == "assembly"
    assert list(copies.index) == list(rrna.index) == list(genomes_16s)
    assert (copies.nunique() > 1).all()
    assert rrna["16S_rRNA_Count"].between(1, genomes.MOST).all()


def test_map_holds_every_group_and_relatives_share_functions(tiny):
    lines = [line.split("\t") for line in (tiny[1] / "kegg_map.tsv").read_text().splitlines()]
    known = pd.read_csv(tiny[1] / "reference_ko.tsv.gz", sep="\t", index_col=0).columns
    assert {line[0] for line in lines} == {f"ko{n}" for numbers, *_ in genomes.GROUPS.values() for n in numbers.split()}
    assert all(len(set(line)) == len(line) and set(line[1:]) <= set(known) for line in lines)
    assert set(genomes.SCFA) < set(known)
    lineages = [("B", "P", "C", "O", "F", "G")] * 2 + [("B", "Q", "D", "E", "H", "I")]
    copies = genomes.draw_copies(lineages, genomes.draw_map(np.random.default_rng(0))[1], np.random.default_rng(0))
    assert np.abs(copies[0] - copies[1]).sum() < 0.8 * np.abs(copies[0] - copies[2]).sum()


def test_age_and_diet_can_be_learned_but_not_perfectly(extdata):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.model_selection import GroupKFold, cross_val_predict

    simulated = cohort.simulate({"subjects": 20, "timepoints": 3, "pairs": 2000, "taxa": 120}, 0, extdata)
    rng, metadata = np.random.default_rng(0), simulated.metadata
    logs = np.log(np.array([sequencing.draw_counts(shares, 1000, rng) for shares in simulated.shares]) + 0.5)
    folds = {"groups": metadata["subject"], "cv": GroupKFold(5)}
    age = cross_val_predict(
        RandomForestRegressor(100, max_features=0.33, random_state=0), logs, metadata["age"], **folds
    )
    diet = cross_val_predict(RandomForestClassifier(100, random_state=0), logs, metadata["diet"], **folds)
    spread = np.abs(metadata["age"] - metadata["age"].mean()).mean()
    assert 0.3 < np.abs(age - metadata["age"]).mean() / spread < 0.75
    assert 0.5 < (diet == metadata["diet"]).mean() < 0.95


DADA2 = """
suppressMessages(library(dada2)); set.seed(1)
s <- read.delim("resources/demo/samples.tsv"); f <- paste0("f", seq_along(s$fq1), ".fq"); r <- paste0("r", f)
filterAndTrim(s$fq1, f, s$fq2, r, truncLen=c(240, 160), maxN=0, maxEE=c(2, 2), truncQ=2, rm.phix=TRUE)
d <- function(x) suppressMessages(dada(x, learnErrors(x, verbose=0), verbose=0))
table <- makeSequenceTable(mergePairs(d(f), f, d(r), r))
table <- removeBimeraDenovo(table, method="consensus")
write.table(data.frame(colnames(table), colSums(table)), "found.tsv", sep="\\t", quote=FALSE, row.names=FALSE)
"""


@pytest.mark.slow
def test_dada2_itself_finds_the_truth(tmp_path, extdata):
    _, folder = make(tmp_path, {"subjects": 4, "timepoints": 2, "pairs": 400, "taxa": 20}, 0, extdata)
    subprocess.run(["R", "--vanilla", "--no-echo", "-e", DADA2], cwd=tmp_path, check=True, capture_output=True)
    found = pd.read_csv(tmp_path / "found.tsv", sep="\t", names=["sequence", "reads"], skiprows=1).set_index("sequence")
    total = pd.read_csv(folder / "truth/table.tsv", sep="\t", index_col=0).sum()
    asvs = tables.read_fasta(folder / "truth/asvs.fasta")
    common = [sequence for name, sequence in asvs.items() if total[name] >= 50]
    assert np.mean([sequence in found.index for sequence in common]) >= 0.95
    assert found["reads"][~found.index.isin(list(asvs.values()))].sum() <= 0.05 * found["reads"].sum()
