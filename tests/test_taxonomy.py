"""Lineages: one form whatever the source, classifier and species equal to DADA2 called from R, bad references named."""

import gzip
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from taxoscape import tables
from taxoscape.errors import InputError
from taxoscape.taxonomy import lineages, naive_bayes, species
from taxoscape.taxonomy.classify import classify, provenance
from taxoscape.taxonomy.training import TrainingSet, read_training_set

GOOD = ">Bacteria;Firmicutes;\nACGT\n>Bacteria;\nAC-GT\nACGT\n>Archaea;Eury;\nAC\n"


def put(text, path) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize(
    ("names", "taxon"),
    [
        (["Bacteria", "Firmicutes", None], "k__Bacteria; p__Firmicutes"),
        (["k__Bacteria", " p__Firmicutes", " c__", " o__X"], "k__Bacteria; p__Firmicutes"),  # Greengenes' empty ranks
        (["d__Bacteria", "p__Bacillota_A", "c__Clostridia"], "k__Bacteria; p__Bacillota_A; c__Clostridia"),  # GTDB
        (["k__Bacteria", "c__Clostridia"], "k__Bacteria"),  # a rank is skipped: what follows is not trusted
        (["Bacteria", "", "Clostridia"], "k__Bacteria"),
        (["A", "B", "C", "D", "E", "F", "G", "H"], "k__A; p__B; c__C; o__D; f__E; g__F; s__G"),
        (["Unassigned"], "Unassigned"),
        (["NA", "Firmicutes"], "Unassigned"),
        ([], "Unassigned"),
    ],
)
def test_a_lineage_stops_at_the_last_assigned_rank(names, taxon):
    assert lineages.lineage(names) == taxon


@pytest.mark.parametrize("depth", range(8))
def test_a_lineage_gives_its_names_back(depth):
    names = [f"Name__{rank} x" if rank == "q" else f"Name {rank}" for rank in "abcdefg"][:depth]
    taxon = lineages.lineage(names)
    assert lineages.rank_names(taxon) == names
    assert lineages.lineage(taxon.split(";")) == taxon


def test_the_confidence_is_that_of_the_last_assigned_rank():
    names = np.array([["B", "F", None], [None, None, None], ["B", "F", "C"], [None] * 3], dtype=object)
    bootstraps = np.array([[100, 80, 30], [40, 20, 10], [100, 99, 51], [np.nan] * 3])
    frame = lineages.assigned(["a", "b", "c", "d"], names, bootstraps)
    assert frame["Taxon"].tolist() == ["k__B; p__F", "Unassigned", "k__B; p__F; c__C", "Unassigned"]
    np.testing.assert_allclose(frame["Confidence"], [0.8, 0.4, 0.51, np.nan])


def test_every_feature_has_a_row_and_others_none(tmp_path, capsys):
    path = put("id\tTaxon\tConfidence\nx\tk__B; p__F; c__\t0.9\nq\tk__A\t1\ny\tUnassigned\t\n", tmp_path / "t.tsv")
    frame = lineages.complete(["y", "z", "x"], lineages.read_given(path))
    assert list(frame.columns) == ["Feature ID", "Taxon", "Confidence"]
    assert frame["Feature ID"].tolist() == ["y", "z", "x"]
    assert frame["Taxon"].tolist() == ["Unassigned", "Unassigned", "k__B; p__F"]
    np.testing.assert_array_equal(frame["Confidence"], [np.nan, np.nan, 0.9])
    said = capsys.readouterr().out
    assert "1 of 3 features have no row" in said
    assert "1 rows of the taxonomy belong to no feature" in said


def test_a_taxonomy_of_another_table_is_refused():
    known = pd.DataFrame({"Taxon": ["k__B"], "Confidence": [1.0]}, index=["q"])
    with pytest.raises(InputError, match=r"none of the 2 features \(a, b\) is in the taxonomy \(q\)"):
        lineages.complete(["a", "b"], known)


def test_a_table_without_sequences_is_not_called_unassigned():
    with pytest.raises(InputError, match=r"none of the 2 features .* input.taxonomy"):
        lineages.classifiable(["a", "b"], {})


def test_features_are_classified_in_table_order_and_those_without_sequence_counted(capsys):
    found = lineages.classifiable(["b", "z", "a"], {"a": "AC", "b": "GT", "q": "TT"})
    assert list(found.items()) == [("b", "GT"), ("a", "AC")]
    assert "1 of 3 features have no sequence" in capsys.readouterr().out


def test_the_summary_counts_asvs_and_reads():
    frame = lineages.summarise(["k__B; p__F", "Unassigned", "k__B"], np.array([6.0, 1, 3])).set_index("rank")
    assert list(frame.index) == ["kingdom", "phylum", "class", "order", "family", "genus", "species"]
    np.testing.assert_allclose(frame.loc["kingdom"], [2 / 3, 0.9, 2, 9, 1])
    np.testing.assert_allclose(frame.loc["phylum"], [1 / 3, 0.6, 1, 6, 1])
    assert (frame.loc["class":] == 0).all(axis=None)


def test_the_top_taxa_are_those_with_most_reads_at_each_rank():
    taxa = ["k__B; p__F", "Unassigned", "k__B; p__A", "k__B; p__F", "k__A"]
    frame = lineages.top_taxa(taxa, np.array([4.0, 1, 5, 2, 8]), most=2)
    assert frame.to_numpy().tolist() == [
        ["kingdom", "k__B", 3, 11, 0.55],
        ["kingdom", "k__A", 1, 8, 0.4],
        ["phylum", "k__B; p__F", 2, 6, 0.3],
        ["phylum", "k__B; p__A", 1, 5, 0.25],
    ]


def test_bootstraps_stand_in_the_order_of_the_features():
    frame = lineages.bootstrap_table(["b", "z", "a"], ["a", "b"], np.array([[99.0, 50.0], [80.0, 70.0]]))
    assert frame["Feature ID"].tolist() == ["b", "z", "a"]
    np.testing.assert_array_equal(frame[["kingdom", "phylum"]], [[80, 70], [np.nan, np.nan], [99, 50]])


def test_the_confidence_of_an_exact_species_is_that_of_its_genus():
    names = np.array([list("ABCDEFG"), [*"ABCDE", None, None]], dtype=object)
    bootstraps = np.array([[100.0, 99, 98, 97, 96, 60], [100, 99, 98, 97, 96, 40]])
    frame = lineages.assigned(["a", "b"], names, bootstraps)
    assert frame["Taxon"].str.endswith("g__F; s__G").tolist() == [True, False]
    np.testing.assert_allclose(frame["Confidence"], [0.6, 0.96])


@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(text.encode())])
def test_a_good_training_set_has_its_ranks_counted(pack, tmp_path):
    assert {len(lineage) for lineage in read_training_set(put(pack(GOOD), tmp_path / "set.fa")).lineages} == {2}


def test_a_training_set_is_read_with_its_lineages_and_letters(tmp_path):
    training = read_training_set(put(GOOD.replace("ACGT", "acgu"), tmp_path / "set.fa"))
    assert training.lineages == [("Bacteria", "Firmicutes"), ("Bacteria", ""), ("Archaea", "Eury")]
    assert training.labels.tolist() == [0, 1, 2]
    assert training.letters.tobytes() == b"ACGUAC-GUACGUAC".replace(b"AC-GU", b"AC-GT")
    assert training.ends.tolist() == [4, 13, 15]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no sequence"),
        (">Bacteria;Firmicutes;\nACGT\n>Bacteria\nAC\n", "line 3: 'Bacteria' is no lineage"),
        (">AB12 Bacillus subtilis\nACGT\n", "is a species set: name it in taxonomy.species"),
        (">A;B;C;\nACGT\n>A;B\nAC\n", "line 3: 'A;B' ends before rank 3 without a semicolon"),
        (">A;B;C;D;E;F;G;H;\nACGT\n", "has 8 ranks, seven are the most"),
        ("Bacteria;Firmicutes;\tACGT\n", "line 1: 'Bacteria;Firmicutes;.*is no FASTA"),
        (gzip.compress(GOOD.encode() * 500, mtime=0)[:-9], "cannot be read to its end"),
        (b">\xff\xfe;x;\n", "cannot be read to its end"),
    ],
)
def test_training_sets_dada2_would_misread_are_refused(text, said, tmp_path):
    path = put(text, tmp_path / "set.fa")
    with pytest.raises(InputError, match=said) as error:
        read_training_set(path)
    assert path in str(error.value)


def test_an_absent_training_set_is_refused():
    with pytest.raises(InputError, match=r"taxonomy.training_set gone.fa does not exist"):
        read_training_set("gone.fa")


def training_of(references: dict[str, list[str]]) -> TrainingSet:
    """Training set of lineages `A;B` with their sequences."""
    pairs = [(lineage, sequence) for lineage, sequences in references.items() for sequence in sequences]
    names = [tuple(lineage.split(";")) for lineage in references]
    letters = np.frombuffer("".join(sequence for _, sequence in pairs).encode(), dtype=np.uint8)
    labels = np.array([list(references).index(lineage) for lineage, _ in pairs])
    return TrainingSet(names, labels, letters, np.cumsum([len(sequence) for _, sequence in pairs]))


def random_dna(length: int, seed: int) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def test_words_are_the_8_mers_without_ambiguous_bases():
    def number(word: str) -> int:
        return sum("ACGT".index(base) * 4**place for place, base in enumerate(reversed(word)))

    sequence = "ACGTTGCAAN" + "ACGTTGCAC"
    assert naive_bayes.words(sequence).tolist() == sorted(
        number(word) for word in ("ACGTTGCA", "CGTTGCAA", "ACGTTGCA", "CGTTGCAC")
    )
    assert naive_bayes.words("acguugca").tolist() == [number("ACGTTGCA")]
    assert naive_bayes.words("ACG").tolist() == []


def test_probabilities_are_those_of_wang_et_al():
    a, b, c = (random_dna(60, seed) for seed in range(3))
    model = naive_bayes.Model(training_of({"A;X": [a, b], "A;Y": [c, a, a]}))
    have = np.array([[word in naive_bayes.words(one) for one in (a, b, c, a, a)] for word in range(naive_bayes.WORDS)])
    prior = (have.sum(axis=1) + 0.5) / (5 + 1)
    expected = [(have[:, rows].sum(axis=1) + prior) / (len(rows) + 1) for rows in ([0, 1], [2, 3, 4])]
    np.testing.assert_allclose(model.probabilities(0), np.log(expected).T, rtol=1e-6)


def test_equal_lineages_share_the_draws_and_always_in_the_same_way():
    sequence = random_dna(200, 0)
    training = training_of(
        {"A;X;One": [sequence], "A;Y;Two": [sequence], "A;X;Three": [sequence], "B;Z;F": [random_dna(200, 1)]}
    )
    first, again, other = (naive_bayes.classify([sequence], training, 0, 10, seed) for seed in (0, 0, 1))
    assert first[1][0, 0] == 100
    assert 15 < first[1][0, 2] < 55  # three genera are equally good: a third of the draws each
    assert (first[1] == again[1]).all()
    assert (first[0] == again[0]).all()
    assert (first[1] != other[1]).any()
    chosen = {naive_bayes.classify([sequence], training, 0, 10, seed)[0][0, 2] for seed in range(20)}
    assert chosen == {"One", "Two", "Three"}


def test_neither_chunks_nor_threads_nor_blocks_of_lineages_change_the_result(monkeypatch):
    references = {f"A;P{number // 4};G{number}": [random_dna(300, number)] for number in range(40)}
    references |= {f"A;P0;H{number}": references[f"A;P{number // 4};G{number}"] for number in range(0, 40, 3)}
    given = [sequence[20:220] for (sequence,) in references.values()]
    training = training_of(references)
    names, bootstraps = naive_bayes.classify(given, training, 30, 1000, 0)
    monkeypatch.setattr(naive_bayes, "GENERA", 7)
    other_names, other_bootstraps = naive_bayes.classify(given, training, 30, 9, 0, threads=2)
    assert (names == other_names).all()
    assert (bootstraps == other_bootstraps).all()


def test_both_strands_give_the_same():
    references = {f"A;P{number // 4};G{number}": [random_dna(300, number)] for number in range(12)}
    given = [sequence[20:220] for (sequence,) in references.values()]
    forward, reverse = (
        naive_bayes.classify(strand, training_of(references), 30, 1000, 0)
        for strand in (given, list(map(naive_bayes.reverse_complement, given)))
    )
    assert (forward[0] == reverse[0]).all()
    assert (forward[1] == reverse[1]).all()
    assert (forward[0][:, 2] == [f"G{number}" for number in range(12)]).all()


def test_what_cannot_be_classified_stays_without_name_and_disturbs_nobody():
    references = {f"A;P{number};G{number}": [random_dna(300, number)] for number in range(3)}
    sequence = references["A;P1;G1"][0][:100]
    names, bootstraps = naive_bayes.classify(["ACGT" * 12, sequence, "N" * 80], training_of(references), 50, 10, 0)
    assert np.equal(names[[0, 2]], None).all()
    assert np.isnan(bootstraps[[0, 2]]).all()
    assert names[1].tolist() == ["A", "P1", "G1"]
    alone = naive_bayes.classify([sequence], training_of(references), 50, 10, 0)
    assert (alone[1][0] == bootstraps[1]).all()


def config_of(**settings: object) -> dict:
    return {
        "method": "naive_bayes",
        "min_bootstrap": 50,
        "chunk": 100,
        "species": None,
        "allow_multiple": False,
    } | settings


def test_species_need_a_training_set_down_to_the_genus(tmp_path):
    path = put(GOOD, tmp_path / "set.fa")
    for method in ("naive_bayes", "dada2"):
        with pytest.raises(InputError, match=r"taxonomy.species=x.fa adds species to genera, but .*set.fa has 2 ranks"):
            classify(["ACGT" * 20], path, config_of(method=method, species="x.fa"), 0, 1)


def test_versions_name_tools_arguments_and_references(tmp_path, data):
    known = data / "fastq_dadaist2" / "original" / "rdp_train_set_16.fa.gz"
    said = provenance(config_of(species="x"), 3, known, put(SPECIES, tmp_path / "s.fa"))
    assert {"taxoscape", "numba", "numpy"} == set(said["versions"])
    assert (said["method"], said["seed"]) == ("naive_bayes", 3)
    assert said["arguments"]["assignTaxonomy"] == {"minBoot": 50, "tryRC": True}
    assert (said["references"]["training_set"]["name"], said["references"]["training_set"]["version"]) == (
        "rdp_16",
        "16",
    )
    assert "name" not in said["references"]["species"]
    assert len(said["references"]["species"]["sha256"]) == 64


ONE, TWO, THREE = (random_dna(120, seed) for seed in (11, 12, 13))
SPECIES = (
    f">r1 Bacillus cereus\n{ONE}\n>r2 Bacillus subtilis strain 9\n{naive_bayes.reverse_complement(ONE[20:] + TWO)}\n"
    f">r3 Shigella flexneri\nNN{TWO}\n>r4 Escherichia coli\n{TWO[:60]}\n{TWO[60:]}\n"
    f">r5 Vibrio sp\n{THREE[:50]}N{THREE[51:]}\n"
)
QUERIES = [ONE[:60], ONE[30:100], TWO[10:110], THREE[60:], THREE[20:80], ONE[:59] + "A", TWO + ONE]


def test_species_are_those_of_every_reference_that_contains_the_sequence(tmp_path):
    path = put(gzip.compress(SPECIES.encode()), tmp_path / "species.fa.gz")
    cereus, subtilis = ("Bacillus", "cereus"), ("Bacillus", "subtilis")
    both = {("Shigella", "flexneri"), ("Escherichia", "coli")}
    last = set() if ONE[59] != "A" else {cereus}
    expected = [{cereus}, {cereus, subtilis}, both | {subtilis}, {("Vibrio", "sp")}, set(), last, set()]
    assert species.matches(QUERIES, path) == expected
    assert species.matches([naive_bayes.reverse_complement(query) for query in QUERIES], path) == expected
    assert species.matches([query.lower() for query in QUERIES], path) == expected
    assert species.matches(["", "ACGTN" * 20], path) == [set(), set()]


def test_batches_of_references_do_not_change_the_species(tmp_path, monkeypatch):
    path = put(SPECIES, tmp_path / "species.fa")
    whole = species.matches(QUERIES, path)
    monkeypatch.setattr(species, "BATCH", 100)
    assert species.matches(QUERIES, path) == whole


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no sequence"),
        (">AB12 Bacillus\nACGT\n", "line 1: 'AB12 Bacillus' names no species"),
        (">Bacteria;Firmicutes;Bacilli;B;C;D;\nACGT\n", "this is a training set: name it in taxonomy.training_set"),
        ("ACGT\n", "line 1: 'ACGT' is no FASTA"),
        (gzip.compress(SPECIES.encode() * 50, mtime=0)[:-9], "cannot be read to its end"),
    ],
)
def test_bad_species_sets_are_refused(text, said, tmp_path):
    path = put(text, tmp_path / "species.fa")
    with pytest.raises(InputError, match=said) as error:
        species.matches(QUERIES, path)
    assert path in str(error.value)


def test_an_absent_species_set_is_named(tmp_path):
    with pytest.raises(InputError, match="taxonomy.species .*no.fa does not exist"):
        species.matches(QUERIES, tmp_path / "no.fa")


needs_dada2 = pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")


@pytest.fixture(scope="module")
def bundled() -> tuple[str, list[str]]:
    """Small training set installed with dada2, and V4-like stretches of it to classify."""
    show = ["Rscript", "-e", 'cat(system.file("extdata", "example_train_set.fa.gz", package = "dada2"))']
    path = subprocess.run(show, capture_output=True, text=True).stdout
    if not path:
        pytest.skip("dada2 is not installed in R")
    with gzip.open(path, "rt") as handle:
        references = [line.strip().replace("-", "") for line in handle if not line.startswith(">")]
    return path, [sequence[500:750] for sequence in references[:12]]


def assign_in_r(sequences: list[str], training_set: str, seed: int, folder) -> tuple[np.ndarray, np.ndarray]:
    """Names at min_bootstrap 0 and bootstraps that DADA2 called from R gives."""
    put("\n".join(sequences), folder / "sequences.txt")
    script = f"""
      suppressMessages(library(dada2)); set.seed({seed})
      out <- assignTaxonomy(readLines("{folder}/sequences.txt"), "{training_set}", minBoot = 0, tryRC = TRUE,
                            outputBootstraps = TRUE)
      write.table(out$tax, "{folder}/names.tsv", sep = "\\t", quote = FALSE, row.names = FALSE)
      write.table(out$boot, "{folder}/boot.tsv", sep = "\\t", quote = FALSE, row.names = FALSE)"""
    subprocess.run(["Rscript", "-e", script], check=True, capture_output=True)
    names = tables.read_tsv(folder / "names.tsv", "names").replace("NA", None).to_numpy()
    return names, tables.read_tsv(folder / "boot.tsv", "boot").to_numpy().astype(float)


def tied_draws(sequences: list[str], training: TrainingSet, seed: int) -> np.ndarray:
    """Draws [n] of each sequence, the one of all its words included, in which lineages are exactly equally probable."""
    probabilities = naive_bayes.Model(training).probabilities(0)
    uniforms = naive_bayes.Uniforms([len(sequence) for sequence in sequences], seed).of(0, len(sequences))
    tied = np.zeros(len(sequences), dtype=int)
    for row, sequence in enumerate(sequences):
        found = naive_bayes.words(sequence)
        size = len(found) // naive_bayes.K
        drawn = (len(found) * uniforms[row, : 100 * size]).astype(int).reshape(100, size)
        for places in [np.arange(len(found)), *drawn]:
            sums = np.add.accumulate(probabilities[found[places]], axis=0, dtype=np.float32)[-1]
            tied[row] += np.sort(sums)[-2] == sums.max()
    return tied


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1])
def test_the_uniform_numbers_are_those_of_r(seed):
    script = f'set.seed({seed}); cat(format(runif(2000), digits = 17), sep = "\n")'
    expected = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True).stdout.split()
    uniforms = naive_bayes.Uniforms([107] * 3, seed)  # 100 words, draws of 12: 1,200 numbers from place 0, 100, 200
    for row, start in enumerate((0, 100, 200)):
        assert uniforms.of(0, 3)[row].tolist() == [float(number) for number in expected[start : start + 1200]]
    assert (uniforms.of(1, 2) == uniforms.of(0, 3)[1:]).all()


@needs_dada2
def test_names_and_bootstraps_are_those_of_dada2_wherever_no_tie_is(bundled, tmp_path):
    path, sequences = bundled
    training = read_training_set(path)
    names, bootstraps = naive_bayes.classify(sequences, training, 0, 5, seed=7)
    expected, expected_bootstraps = assign_in_r(sequences, path, 7, tmp_path)
    ties = tied_draws(sequences, training, 7)
    assert (ties == 0).any()
    assert (names[ties == 0] == expected[ties == 0]).all()
    assert (np.abs(bootstraps - expected_bootstraps).max(axis=1) <= ties).all()


@pytest.mark.slow
@needs_dada2
def test_dada2_and_the_own_classifier_agree_on_real_asvs(data, tmp_path):
    sequences = list(tables.read_fasta(data / "miseq360_f1000" / "rep_seqs.fasta").values())[::3]
    path = str(data / "miseq360_f1000" / "original" / "rdp_train_set_14.fa.gz")
    names, bootstraps = naive_bayes.classify(sequences, read_training_set(path), 0, 1000, seed=7)
    expected, expected_bootstraps = assign_in_r(sequences, path, 7, tmp_path)
    for least in (50, 80):
        same = np.where(bootstraps >= least, names, None) == np.where(expected_bootstraps >= least, expected, None)
        print(f"equal names at a bootstrap of {least}: {same.mean():.2%} of {same.size} ASVs x ranks")
        assert same.mean() >= 0.99
    assert (bootstraps == expected_bootstraps).mean() > 0.9


@needs_dada2
def test_dada2_through_rpy2_is_dada2_called_from_r(bundled, tmp_path):
    path, sequences = bundled
    names, bootstraps = classify(sequences, path, config_of(method="dada2", min_bootstrap=0, chunk=1000), 7, 1)
    expected, expected_bootstraps = assign_in_r(sequences, path, 7, tmp_path)
    ties = tied_draws(sequences, read_training_set(path), 7)
    assert (names[ties == 0] == expected[ties == 0]).all()
    assert (np.abs(bootstraps - expected_bootstraps).max(axis=1) <= ties).all()
    assert "dada2" in provenance(config_of(method="dada2"), 7, path, None)["versions"]


@needs_dada2
@pytest.mark.parametrize("several", [False, True])
def test_species_are_those_of_dada2(bundled, tmp_path, several):
    with gzip.open(bundled[0].replace("example_train_set", "example_species_assignment"), "rt") as handle:
        example = handle.read()
    records = [record.split("\n", 1) for record in example.split(">")[1:]]
    records = [(header, body.replace("\n", "")[300:550]) for header, body in records]
    records = [(header, stretch) for header, stretch in records if set(stretch) <= set("ACGT")]  # DADA2 takes no other
    queries = [*QUERIES[:6], *(stretch for _, stretch in records)]
    queries += [naive_bayes.reverse_complement(query) for query in queries[:10]]
    genera = ["Bacillus", "Bacillus", "Escherichia/Shigella", "Vibrio_1", "Vibrio", None]
    genera += [header.split()[1] for header, _ in records]
    genera += genera[:10]
    path = put(SPECIES + example, tmp_path / "species.fa")
    put("\n".join(queries), tmp_path / "queries.txt")
    put("\n".join(genus or "NA" for genus in genera), tmp_path / "genera.txt")
    script = f"""
      suppressMessages(library(dada2))
      genera <- readLines("{tmp_path}/genera.txt"); genera[genera == "NA"] <- NA
      given <- matrix(genera, ncol = 1, dimnames = list(readLines("{tmp_path}/queries.txt"), "Genus"))
      out <- addSpecies(given, "{path}", allowMultiple = {"TRUE" if several else "FALSE"}, tryRC = TRUE)
      cat(out[, "Species"], sep = "\n")"""
    expected = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True).stdout.split()
    names = np.array([[*"ABCDE", genus] for genus in genera], dtype=object)
    found = species.add_species(queries, names, path, several)
    assert [one or "NA" for one in found[:, 6]] == expected
    assert sum(one is not None for one in found[:, 6]) > 5
    assert any("/" in one for one in expected) == several


@pytest.mark.slow
@pytest.mark.parametrize("method", ["naive_bayes", pytest.param("dada2", marks=needs_dada2)])
def test_the_mock_community_has_its_genera(data, method):
    # Strains of the HMP mock community (HMP_MOCK.v35.fasta names them by initial and epithet).
    genera = {
        "A.baumannii": "Acinetobacter", "A.odontolyticus": "Actinomyces", "B.cereus": "Bacillus",
        "B.vulgatus": "Bacteroides", "C.beijerinckii": "Clostridium_sensu_stricto", "D.radiodurans": "Deinococcus",
        "E.faecalis": "Enterococcus", "E.coli": "Escherichia/Shigella", "H.pylori": "Helicobacter",
        "L.gasseri": "Lactobacillus", "L.monocytogenes": "Listeria", "N.meningitidis": "Neisseria",
        "P.acnes": "Propionibacterium", "P.aeruginosa": "Pseudomonas", "P.gingivalis": "Porphyromonas",
        "R.sphaeroides": "Rhodobacter", "S.aureus": "Staphylococcus", "S.epidermidis": "Staphylococcus",
        "S.agalactiae": "Streptococcus", "S.mutans": "Streptococcus", "S.pneumoniae": "Streptococcus",
    }  # fmt: skip
    strains = tables.read_fasta(data / "fastq_miseqsop" / "original" / "HMP_MOCK.v35.fasta")
    training_set = data / "miseq360_f1000" / "original" / "rdp_train_set_14.fa.gz"
    v4 = [sequence.partition("GCCGCGGTAA")[2][:253] for sequence in strains.values()]  # what follows primer 515F
    names, _ = classify(v4, training_set, config_of(method=method), seed=0, threads=2)
    found = dict(zip(strains, names[:, 5], strict=True))
    named = {name: genus for name, genus in found.items() if genus is not None}
    assert {name: genera[name.rsplit(".", 1)[0]] for name in named} == named
    assert len(named) >= 28  # of 31 strains; 253 nt leave a few genera below a bootstrap of 50
