"""Denoising in shards: the table that DADA2 gives when R calls it directly, and the published counts of real reads.

Direct R: Rscript with the steps of the DADA2 tutorial, all samples of a run in one call.
"""

import gzip
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import biom
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT

from taxoscape import tables
from taxoscape.denoise import dada, figures, given, merge, options, pseudo, shards, strand
from taxoscape.errors import InputError
from taxoscape.tables import reverse_complement

DEFAULTS = yaml.safe_load((ROOT / "config/config.yaml").read_text())
CONFIG = DEFAULTS["denoise"]
TUTORIAL = """
suppressPackageStartupMessages(library(dada2))
arguments <- commandArgs(trailingOnly = TRUE)
pools <- eval(parse(text = arguments[2])); models <- arguments[4]
sheet <- read.delim(arguments[1], colClasses = "character")
setwd(arguments[3])
out <- filterAndTrim(sheet$fq1, paste0(seq_len(nrow(sheet)), "F.gz"), sheet$fq2, paste0(seq_len(nrow(sheet)), "R.gz"),
                     truncLen = c(240, 160), maxN = 0, maxEE = c(2, 2), truncQ = 2, rm.phix = TRUE)
kept <- which(out[, 2] > 0)
forward <- paste0(kept, "F.gz"); reverse <- paste0(kept, "R.gz")
model <- function(files, direction) {
  if (models == "") return(learnErrors(files, multithread = FALSE))
  matrix(read.delim(file.path(models, paste0(direction, ".tsv")))$rate, nrow = 16, byrow = TRUE)
}
error_forward <- model(forward, "forward"); error_reverse <- model(reverse, "reverse")
for (pool in pools) {
  dada_forward <- dada(forward, err = error_forward, pool = pool, multithread = FALSE)
  dada_reverse <- dada(reverse, err = error_reverse, pool = pool, multithread = FALSE)
  table <- makeSequenceTable(mergePairs(dada_forward, forward, dada_reverse, reverse))
  table <- removeBimeraDenovo(table, method = "consensus")
  rownames(table) <- sheet$sample[kept]
  write.table(table, paste0(pool, ".tsv"), sep = "\\t", quote = FALSE)
}
write.table(getErrors(error_forward), "errors.tsv", sep = "\\t", quote = FALSE)
"""


def directly(folder: Path, sheet: pd.DataFrame, pools: str, models: Path | str = "") -> tuple[dict, np.ndarray]:
    """Tables [samples, sequences] of the tutorial's steps run by Rscript, by pool, and forward error rates [16, Q]."""
    (folder / "tutorial.R").write_text(TUTORIAL)
    sheet.to_csv(folder / "sheet.tsv", sep="\t", index=False)
    command = ["Rscript", folder / "tutorial.R", folder / "sheet.tsv", pools, folder, models]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tables_of = {pool: folder / f"{pool}.tsv" for pool in ("FALSE", "TRUE", "pseudo")}
    found = {pool: pd.read_csv(path, sep="\t", index_col=0) for pool, path in tables_of.items() if path.is_file()}
    return found, pd.read_csv(folder / "errors.tsv", sep="\t").to_numpy()


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> pd.DataFrame:
    """Sheet of three samples of real reads: two that come with dada2, and one whose reads are all too short."""
    folder = tmp_path_factory.mktemp("reads")
    extdata = Path(dada.r()('system.file("extdata", package = "dada2")')[0])
    for mate, letter in (("fq1", "F"), ("fq2", "R")):
        lines = gzip.decompress((extdata / f"sam1{letter}.fastq.gz").read_bytes()).decode().split("\n")[:40]
        short = "\n".join(line[:100] if place % 2 else line for place, line in enumerate(lines)) + "\n"
        (folder / f"{mate}.fastq.gz").write_bytes(gzip.compress(short.encode()))
    rows = [(name, *(str(extdata / f"{sam}{letter}.fastq.gz") for letter in "FR")) for name, sam in
            (("it's \"one\" $HOME;", "sam1"), ("NA", "sam2"))]  # fmt: skip
    rows.insert(1, ("short", str(folder / "fq1.fastq.gz"), str(folder / "fq2.fastq.gz")))
    return pd.DataFrame(rows, columns=["sample", "fq1", "fq2"])


NOTHING_KNOWN = np.zeros(4**strand.WORD, dtype=bool)
SCORES = pd.DataFrame([("1", way, str(q)) for way in shards.DIRECTIONS for q in range(2, 39)],
                      columns=["run", "direction", "quality"])  # fmt: skip


def denoised(folder: Path, sheet: pd.DataFrame, size: int, threads: int = 1, models=None, ways=2, **changed):
    """The stage without its files' names: filter, learn, denoise in shards of `size` samples, merge."""
    config, parts = CONFIG | changed, [sheet.iloc[start : start + size] for start in range(0, len(sheet), size)]
    folders, directions = [folder / str(number) for number in range(len(parts))], shards.DIRECTIONS[:ways]
    counts = [
        shards.filter_shard(
            list(part["sample"]), list(part["fq1"]), list(part["fq2"])[: 99 * (ways - 1)], place, config
        )
        for part, place in zip(parts, folders, strict=True)
    ]
    models = models or [shards.learn(["1"], way, folders, SCORES, config, threads, 0) for way in directions]
    expected = shards.expected_sequences(config["priors"] or [], ways, config)
    batches = [([one], [place]) for one, place in zip(counts, folders, strict=True)]
    given = shards.given_to_dada(models, expected)
    if config["pool"] == "pseudo":
        passes = [pseudo.first_pass(*both, given, config, threads, 0) for both in zip(counts, folders, strict=True)]
        samples = sum((one["filtered"] > 0).sum() for one in counts)
        shared, second = pseudo.share("1", samples, *map(list, zip(*passes, strict=True)), models)
        given = shards.given_to_dada(second, expected, shared)
    elif config["pool"] != "independent":
        batches = [(counts, folders)]
    done = [shards.denoise_batch(*batch, given, config, threads, 0) for batch in batches]
    merged = pd.concat([frame.assign(run="1") for frame, _ in done])
    steps = pd.concat(counts).merge(pd.concat([frame for _, frame in done]), on="sample")
    return *merge.merge(list(sheet["sample"]), steps, merged, NOTHING_KNOWN, config, threads, 0)[:3], models


@pytest.fixture(scope="module")
def in_shards(study, tmp_path_factory):
    return denoised(tmp_path_factory.mktemp("shards"), study, 1)


@pytest.fixture(scope="module")
def direct(study, tmp_path_factory):
    return directly(tmp_path_factory.mktemp("direct"), study, 'list(FALSE, TRUE, "pseudo")')


def test_shards_give_the_table_and_the_errors_of_direct_r(in_shards, direct):
    counts, sequences, _, models = in_shards
    found, errors = direct
    assert list(found["FALSE"].columns) == sequences
    np.testing.assert_array_equal(found["FALSE"].to_numpy(), counts[[0, 2]])
    np.testing.assert_allclose(models[0]["rate"].to_numpy().reshape(16, -1), errors, rtol=1e-12)


def test_one_shard_and_more_threads_change_nothing(study, in_shards, tmp_path):
    counts, sequences, track, models = denoised(tmp_path, study, 3, threads=2)
    assert sequences == in_shards[1]
    np.testing.assert_array_equal(counts, in_shards[0])
    pd.testing.assert_frame_equal(track, in_shards[2])
    for model, other in zip(models, in_shards[3], strict=True):
        pd.testing.assert_frame_equal(model, other)


def test_a_sample_without_reads_is_tracked_and_the_others_go_on(in_shards):
    counts, _, track, _ = in_shards
    assert track.columns.tolist() == ["sample", *merge.STEPS]
    assert track.iloc[1].tolist() == ["short", 10, 0, 0, 0, 0, 0]
    assert track["nonchimeric"].tolist() == counts.sum(axis=1).tolist()
    for way in ("denoised_forward", "denoised_reverse"):
        nested = track[["input", "filtered", way, "merged", "nonchimeric"]]
        assert (nested.diff(axis=1).iloc[:, 1:] <= 0).all(axis=None)
    assert (track.iloc[[0, 2]]["nonchimeric"] > 500).all()


@pytest.mark.parametrize(("pool", "argument"), [("within_run", "TRUE"), ("pseudo", "pseudo")])
def test_pooling_over_shards_is_that_of_one_call_in_direct_r(study, in_shards, direct, tmp_path, pool, argument):
    counts, sequences, _, _ = denoised(tmp_path, study, 1, threads=2, models=in_shards[3], pool=pool)
    assert list(direct[0][argument].columns) == sequences
    np.testing.assert_array_equal(direct[0][argument].to_numpy(), counts[[0, 2]])


# Settings other than the defaults: ours, and the lines of R that a user of dada2 would write.
VARIANTS = {
    "single": (
        1,
        {"truncate": [200, 0], "trim_left": [10, 7], "trim_right": [5, 0], "max_length": 251, "min_length": 150,
         "max_ee": [1, 1], "trunc_q": 5, "remove_phix": False, "homopolymer_gap_penalty": -1, "band_size": 32,
         "error_bases": 100_000, "chimera": "pooled", "min_fold_parent_over_abundance": 1.2},
        """
        filterAndTrim(sheet$fq1, paste0("single", names, "F.gz"), truncLen = 200, trimLeft = 10, trimRight = 5,
                      maxLen = 251, minLen = 150, maxN = 0, maxEE = 1, truncQ = 5, rm.phix = FALSE)
        files <- paste0("single", c(1, 3), "F.gz")
        errors <- learnErrors(files, nbases = 1e5, HOMOPOLYMER_GAP_PENALTY = -1, BAND_SIZE = 32)
        table <- makeSequenceTable(dada(files, err = errors, HOMOPOLYMER_GAP_PENALTY = -1, BAND_SIZE = 32))
        table <- removeBimeraDenovo(table, method = "pooled", minFoldParentOverAbundance = 1.2)
        """,
    ),
    "priors": (
        2,
        {"trim_left": [3, 4], "trim_right": [0, 2], "max_mismatch": 2, "min_overlap": 20, "chimera": "per-sample"},
        """
        filterAndTrim(sheet$fq1, paste0("priors", names, "F.gz"), sheet$fq2, paste0("priors", names, "R.gz"),
                      truncLen = c(240, 160), trimLeft = c(3, 4), trimRight = c(0, 2), maxEE = c(2, 2))
        forward <- paste0("priors", c(1, 3), "F.gz"); reverse <- paste0("priors", c(1, 3), "R.gz")
        expected <- as.character(Biostrings::readDNAStringSet("expected.fasta"))
        dada_forward <- dada(forward, err = given("forward"), priors = substr(expected, 4, 240))
        dada_reverse <- dada(reverse, err = given("reverse"), priors = substr(rc(expected), 5, 160))
        merged <- mergePairs(dada_forward, forward, dada_reverse, reverse, maxMismatch = 2, minOverlap = 20)
        table <- removeBimeraDenovo(makeSequenceTable(merged), method = "per-sample")
        """,
    ),
    "concatenated": (
        2,
        {"truncate": [150, 120], "just_concatenate": True},
        """
        filterAndTrim(sheet$fq1, paste0("apart", names, "F.gz"), sheet$fq2, paste0("apart", names, "R.gz"),
                      truncLen = c(150, 120), maxEE = c(2, 2))
        forward <- paste0("apart", c(1, 3), "F.gz"); reverse <- paste0("apart", c(1, 3), "R.gz")
        merged <- mergePairs(dada(forward, err = given("forward")), forward, dada(reverse, err = given("reverse")),
                             reverse, justConcatenate = TRUE)
        table <- removeBimeraDenovo(makeSequenceTable(merged))
        """,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def varied(study, in_shards, tmp_path_factory) -> Path:
    """Folder with the table of every variant from Rscript, and the expected sequences: some rare reads, in full."""
    folder = tmp_path_factory.mktemp("varied")
    for way, model in zip(shards.DIRECTIONS, in_shards[3], strict=True):
        model.to_csv(folder / f"{way}.tsv", sep="\t", index=False)
    study.assign(fq2=study["fq2"]).to_csv(folder / "sheet.tsv", sep="\t", index=False)
    tables.write_fasta(dict(enumerate(singletons(study))), folder / "expected.fasta")
    lines = [f"setwd('{folder}'); suppressPackageStartupMessages(library(dada2)); sheet <- read.delim('sheet.tsv')"]
    lines += ["names <- seq_len(nrow(sheet))"]
    lines += ["given <- function(way) matrix(read.delim(paste0(way, '.tsv'))$rate, nrow = 16, byrow = TRUE)"]
    for name, (_, _, text) in VARIANTS.items():
        lines += [text, f"write.table(table, '{name}.tsv', sep = '\\t', quote = FALSE)"]
    (folder / "variants.R").write_text("\n".join(lines))
    done = subprocess.run(["Rscript", folder / "variants.R"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def singletons(study: pd.DataFrame) -> list[str]:
    """Amplicons of the first sample that one read pair alone shows: too rare for dada by itself."""
    forward, reverse = (gzip.decompress(Path(study[mate][0]).read_bytes()).decode().split("\n")[1::4]
                        for mate in ("fq1", "fq2"))  # fmt: skip
    mates = [(one[:240], reverse_complement(other[:160])) for one, other in zip(forward, reverse, strict=True)]
    seen = Counter(one + other[other.find(one[220:]) + 20 :] for one, other in mates if one[220:] in other)
    return [amplicon for amplicon, pairs in seen.items() if pairs == 1]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_option_does_what_it_does_in_direct_r(study, in_shards, varied, tmp_path, name):
    ways, changed, _ = VARIANTS[name]
    models = None if name == "single" else in_shards[3]
    changed = changed | ({"priors": str(varied / "expected.fasta")} if name == "priors" else {})
    counts, sequences, track, _ = denoised(tmp_path, study, 1, models=models, ways=ways, **changed)
    direct = pd.read_csv(varied / f"{name}.tsv", sep="\t", index_col=0)
    assert list(direct.columns) == sequences
    np.testing.assert_array_equal(direct.to_numpy(), counts[[0, 2]])
    assert counts.sum() > 500
    if name == "priors":
        rare = {amplicon[3:-4] for amplicon in tables.read_fasta(varied / "expected.fasta").values()}
        assert rare & set(sequences)
    if ways == 1:
        assert (track["merged"] == track["denoised_forward"]).all()
        assert (track["denoised_reverse"] == track["denoised_forward"]).all()


REFUSED = {
    "nothing left": ({"truncate": [240, 160], "trim_left": [225, 0]}, r"trim_left=\[225, 0\] leave 15 nt of a read"),
    "too long and too short": ({"max_length": 200}, "denoise.max_length=200 drops reads before they are truncated"),
    "lengths crossed": ({"min_length": 300, "max_length": 200}, "max_length=200 is below denoise.min_length=300"),
    "one sample": ({"pool": "pseudo"}, "denoise.pool=pseudo shares what samples have in common, but .* one sample"),
    "no mates": ({"just_concatenate": True}, "just_concatenate joins mates, but the sample sheet has no fq2"),
    "no overlap": ({"just_concatenate": True, "max_mismatch": 1}, "max_mismatch=1 is about the overlap of mates"),
    "unknown distance": (
        {"just_concatenate": True},
        "ten N for a stretch of unknown length .* functions.method=nearest",
    ),
    "all differ": ({"max_mismatch": 12}, "max_mismatch=12 allows every base of an overlap of .*min_overlap=12"),
    "ambiguous": ({"priors": "ambiguous.fasta"}, "ambiguous.fasta holds 1 sequences with letters other than .* [(]b"),
    "absent": ({"priors": "absent.fasta"}, "absent.fasta does not exist"),
    "no marker": ({"strand_reference": "absent.fasta"}, "absent.fasta does not exist"),
    "no mates to turn": ({"strand": "turn"}, "strand=turn needs mates that merge, but the reads are single-end"),
    "gap to turn": ({"strand": "turn", "just_concatenate": True}, "strand=turn .*just_concatenate is true"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_exclude_each_other_are_refused(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ambiguous.fasta").write_text(">a\nACGT\n>b\nACNT\n")
    changed, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        options.check_denoise(
            DEFAULTS | {"denoise": CONFIG | changed}, 1 if case == "one sample" else 2, not case.startswith("no mates")
        )
    assert "\n" not in str(caught.value)
    options.check_denoise(DEFAULTS, 1, True)


def test_reads_with_n_are_named_with_the_setting_that_let_them_pass(study, tmp_path):
    lines = gzip.decompress(Path(study["fq1"][0]).read_bytes()).decode().split("\n")
    lines[1::4] = ["N" + line[1:] for line in lines[1::4]]
    (tmp_path / "n.fastq.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    sheet = study.iloc[[0]].assign(fq1=str(tmp_path / "n.fastq.gz"))
    with pytest.raises(InputError, match="learning the errors of run 1: .*denoise.max_n: 0"):
        denoised(tmp_path, sheet, 1, ways=1, max_n=1, trunc_q=0)


def test_what_samples_share_changes_the_table(direct):
    for one, other in itertools.combinations(direct[0].values(), 2):
        assert not one.equals(other[one.columns.intersection(other.columns)])


def test_a_sample_alone_shares_nothing_and_keeps_its_error_model(in_shards):
    found = pd.DataFrame([("forward", "ACGT", 1, 9)], columns=["direction", "sequence", "samples", "reads"])
    priors, models = pseudo.share("1", 1, [found], [], in_shards[3])
    assert priors.empty
    assert models is in_shards[3]


def test_errors_estimated_anew_follow_the_model_of_the_run():
    observed = np.random.default_rng(0).integers(1, 50, size=(16, 41))
    observed[[0, 5, 10, 15]] += 10_000
    parts = [shards.model_frame(observed, half, [2, 20, 37]).assign(direction="forward") for half in
             (observed // 2, observed - observed // 2)]  # fmt: skip
    found = pd.DataFrame([("forward", "ACGT", 2, 9), ("forward", "AAAA", 1, 9)],
                         columns=["direction", "sequence", "samples", "reads"])  # fmt: skip
    priors, (model,) = pseudo.share("1", 2, [found], parts, [parts[0]])
    assert priors["sequence"].tolist() == ["ACGT"]
    logs = np.log10(shards.rates_of(model)[1])
    np.testing.assert_allclose(logs, np.interp(np.arange(41), [2, 20, 37], logs[[2, 20, 37]]))
    loess = shards.model_frame(observed, observed * 0, [])
    with pytest.raises(InputError, match="too few reads for denoise.pool: pseudo"):
        pseudo.share("1", 2, [found], [loess.assign(direction="forward")], [loess])


def test_error_figure_shows_what_dada2_plots(in_shards, tmp_path):
    model = in_shards[3][0]
    curves = figures.panels(model)
    assert list(curves) == shards.TRANSITIONS
    totals = sum(curves[f"A2{base}"]["observed"].fillna(0).to_numpy() for base in "ACGT")
    np.testing.assert_allclose(totals[totals > 0], 1)
    promised = curves["A2C"].set_index("quality")["promised"]
    assert promised[30] == pytest.approx(1e-3 / 3)
    np.testing.assert_array_equal(curves["T2G"]["fitted"], model.loc[model["transition"] == "T2G", "rate"])
    for name, shown in (("a", model), ("b", model), ("empty", model.iloc[:0])):
        figures.draw_errors(shown, "Errors of run 1, forward reads", tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "empty.png").stat().st_size < (tmp_path / "a.png").stat().st_size


def test_no_read_left_in_any_sample_is_refused(study, tmp_path):
    with pytest.raises(InputError, match=r"no read of the 1 samples passed the filter with denoise.truncate=\[240"):
        denoised(tmp_path, study.iloc[[1]], 1)


def test_reads_of_which_nothing_is_denoised_are_refused():
    track = {"sample": ["a", "b"], "filtered": [70, 30], "denoised_forward": [0, 0], "merged": [0, 0]}
    with pytest.raises(InputError, match="no read of the 2 samples was denoised, though 100 passed the filter"):
        merge.check_reads_left(pd.DataFrame(track), CONFIG)


def test_mates_that_cannot_overlap_are_refused(study, in_shards, tmp_path):
    with pytest.raises(InputError, match="no pair of the 1 samples could be merged .* denoise.min_overlap=12"):
        denoised(tmp_path, study.iloc[[0]], 1, models=in_shards[3], truncate=[100, 100])


def test_an_error_in_r_names_the_sample(tmp_path):
    (tmp_path / "a.fastq").write_text("no FASTQ\n")
    with pytest.raises(InputError, match="DADA2 failed while filtering sample gut 7"):
        dada.filter_sample("gut 7", [str(tmp_path / "a.fastq")], [tmp_path / "b.fastq"], CONFIG)


def test_a_filtered_folder_is_whole_or_absent(study, tmp_path):
    (tmp_path / "a.fastq").write_text("no FASTQ\n")
    bad = [study["fq1"][0], str(tmp_path / "a.fastq")]
    with pytest.raises(InputError):
        shards.filter_shard(["good", "bad"], bad, bad, tmp_path / "filtered", CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["a.fastq"]


def test_binned_errors_follow_the_bins_and_are_straight_between():
    generator = np.random.default_rng(0)
    observed = generator.integers(1, 50, size=(16, 41))
    observed[[0, 5, 10, 15]] += 10_000
    bins = [2, 11, 25, 37]
    make = dada.r()("""function(bins, counts) {
        bases <- c("A", "C", "G", "T")
        dimnames(counts) <- list(paste0(rep(bases, each = 4), "2", bases), 0:40)
        binned_errors(bins)(counts) }""")
    table = dada.robjects.r.matrix(dada.robjects.IntVector(observed.ravel("F")), nrow=16)
    rates = np.array(make(dada.robjects.IntVector(bins), table))
    np.testing.assert_allclose(rates.reshape(4, 4, 41).sum(axis=1), 1)
    np.testing.assert_allclose(rates[1, bins], (observed[1] + 1)[bins] / observed[:4].sum(axis=0)[bins])
    logs = np.log10(rates[1])
    np.testing.assert_allclose(logs, np.interp(np.arange(41), bins, logs[bins]))


def test_few_distinct_qualities_call_for_the_binned_model(study, tmp_path):
    bins = np.array([2, 12, 24, 38])
    rows = []
    for name, row in study.iloc[[0, 2]].reset_index(drop=True).iterrows():
        for mate in ("fq1", "fq2"):
            lines = gzip.decompress(Path(row[mate]).read_bytes()).split(b"\n")
            nearest = bins[np.abs(np.arange(94)[:, None] - bins).argmin(axis=1)]
            table = bytes(33) + bytes((nearest + 33).astype(np.uint8)) + bytes(256 - 33 - 94)
            lines[3::4] = [line.translate(table) for line in lines[3::4]]
            (tmp_path / f"{name}{mate}.fastq.gz").write_bytes(gzip.compress(b"\n".join(lines)))
        rows.append((str(name), *(str(tmp_path / f"{name}{mate}.fastq.gz") for mate in ("fq1", "fq2"))))
    sheet = pd.DataFrame(rows, columns=["sample", "fq1", "fq2"])
    shards.filter_shard(*(list(sheet[column]) for column in sheet), tmp_path / "0", CONFIG)
    scores = SCORES.iloc[: len(bins)].assign(quality=bins.astype(str))
    model = shards.learn(["1"], "forward", [tmp_path / "0"], scores, CONFIG, 1, 0)
    logs = np.log10(model.loc[model["transition"] == "A2C", "rate"].to_numpy())
    seen = [place for place in bins if place < len(logs) and place > 2]
    np.testing.assert_allclose(logs, np.interp(np.arange(len(logs)), seen, logs[seen]), rtol=1e-9)


def test_versions_and_every_argument_are_recorded():
    found = dada.provenance(CONFIG, True, 3, {"run1 forward": "loessErrfun"})
    assert found["versions"]["dada2"].startswith("1.")
    assert found["arguments"]["filterAndTrim"] == {
        "truncLen": [240, 160], "trimLeft": [0, 0], "trimRight": [0, 0], "minLen": 20, "maxN": 0, "maxEE": [2, 2],
        "truncQ": 2, "rm.phix": True, "qualityType": "FastqQuality",
    }  # fmt: skip
    assert found["arguments"]["learnErrors"] == {
        "nbases": 100_000_000, "BAND_SIZE": 16, "qualityType": "FastqQuality",
        "errorEstimationFunction": {"run1 forward": "loessErrfun"},
    }  # fmt: skip
    assert found["arguments"]["dada"] == {"pool": False, "BAND_SIZE": 16}
    assert found["arguments"]["removeBimeraDenovo"] == {"method": "consensus", "minFoldParentOverAbundance": 1.5}
    single = options.arguments(CONFIG | {"max_length": 300, "homopolymer_gap_penalty": -1}, paired=False)
    assert "mergePairs" not in single
    assert single["filterAndTrim"]["truncLen"] == 240
    assert single["filterAndTrim"]["maxLen"] == 300
    assert single["dada"]["HOMOPOLYMER_GAP_PENALTY"] == -1


def test_defaults_are_those_of_dada2():
    formals = dada.r()("""function(name) { values <- formals(name); Filter(is.numeric, lapply(values, function(value)
        tryCatch(eval(value), error = function(failed) NULL))) }""")
    asked = options.arguments(CONFIG)
    of = {name: dict(formals(name).items()) for name in ("filterAndTrim", "mergePairs", "isBimeraDenovo",
                                                         "isBimeraDenovoTable", "learnErrors")}  # fmt: skip
    for argument in ("trimLeft", "trimRight", "minLen", "maxN", "truncQ"):
        assert set(np.atleast_1d(asked["filterAndTrim"][argument])) == set(of["filterAndTrim"][argument]), argument
    for argument in ("minOverlap", "maxMismatch"):
        assert asked["mergePairs"][argument] == of["mergePairs"][argument][0]
    assert asked["learnErrors"]["nbases"] == of["learnErrors"]["nbases"][0]
    assert asked["dada"]["BAND_SIZE"] == dada.r()('getDadaOpt("BAND_SIZE")')[0]
    assert options.MIN_FOLD["consensus"] == of["isBimeraDenovoTable"]["minFoldParentOverAbundance"][0]
    for method in ("pooled", "per-sample"):
        assert options.MIN_FOLD[method] == of["isBimeraDenovo"]["minFoldParentOverAbundance"][0]


# Strands.


@pytest.fixture(scope="module")
def known() -> np.ndarray:
    """Words of the 16S sequences that come with dada2."""
    return strand.known_words(strand.read_reference([]).values())


def both_strands(in_shards) -> tuple[np.ndarray, list[str]]:
    """The table with every other sequence of the last sample, and a third of one of the first's, read backwards."""
    counts, sequences = in_shards[:2]
    back = np.zeros_like(counts)
    back[2, ::2] = counts[2, ::2]
    back[0, 1] = counts[0, 1] // 3
    mixed = np.hstack([counts - back, back])
    names = [*sequences, *map(reverse_complement, sequences)]
    held = [place for place in np.argsort(-mixed.sum(axis=0), kind="stable") if mixed[:, place].any()]
    return mixed[:, held], [names[place] for place in held]


def test_turned_sequences_give_the_table_of_one_strand(in_shards, known):
    mixed, names = both_strands(in_shards)
    assert mixed.shape[1] > in_shards[0].shape[1]
    counts, sequences, found = strand.settle(mixed, names, known, CONFIG | {"strand": "turn"})
    expected = dict(zip(in_shards[1], in_shards[0].T.tolist(), strict=True))
    assert dict(zip(sequences, counts.T.tolist(), strict=True)) == expected
    assert (np.diff(counts.sum(axis=0)) <= 0).all()
    told = found.set_index("strand")["sequences"]
    assert told["forward"] + told["reverse"] == len(names)


def test_both_strands_of_an_unknown_marker_become_one(in_shards):
    mixed, names = both_strands(in_shards)
    counts, sequences, _ = strand.settle(mixed, names, NOTHING_KNOWN, CONFIG | {"strand": "turn"})
    known_pairs = {min(name, reverse_complement(name)) for name in names}
    assert len(sequences) == len(known_pairs) < len(names)
    assert counts.sum() == mixed.sum()


def test_reversed_sequences_are_refused_with_counts_examples_and_the_way_out(in_shards, known):
    mixed, names = both_strands(in_shards)
    with pytest.raises(InputError, match=r"\d+ of \d+ ASVs with .*% of the reads .* reads.primers .* denoise.strand"):
        strand.settle(mixed, names, known, CONFIG)
    backwards = [reverse_complement(name) for name in in_shards[1]]
    with pytest.raises(InputError, match="100.0% of the reads .*: swap fq1 and fq2"):
        strand.settle(in_shards[0], backwards, known, CONFIG)
    counts, sequences, found = strand.settle(mixed, names, known, CONFIG | {"strand": "ignore"})
    assert sequences == names
    np.testing.assert_array_equal(counts, mixed)
    assert found["reads"].sum() == mixed.sum()


def test_few_reversed_reads_are_counted_and_stop_nothing(in_shards, known):
    counts = np.hstack([in_shards[0], [[1], [0], [0]]])
    names = [*in_shards[1], reverse_complement(in_shards[1][0])]
    same, sequences, found = strand.settle(counts, names, known, CONFIG)
    assert sequences == names
    assert found.set_index("strand").loc["reverse"].tolist() == [1, 1]


def test_directions_are_those_of_vsearch_and_random_sequences_have_none(tmp_path):
    reference = strand.read_reference([])
    rng = np.random.default_rng(0)
    held_out = list(reference)[::200]
    known = strand.known_words(sequence for name, sequence in reference.items() if name not in set(held_out))
    queries = {name: reference[name][500:750] for name in held_out}
    queries |= {f"r{name}": reverse_complement(queries[name]) for name in held_out}
    queries |= {f"x{number}": "".join(rng.choice(list("ACGT"), 250)) for number in range(50)}
    tables.write_fasta(queries, tmp_path / "queries.fasta")
    tables.write_fasta({n: s for n, s in reference.items() if n not in queries}, tmp_path / "reference.fasta")
    command = ["vsearch", "--orient", tmp_path / "queries.fasta", "--db", tmp_path / "reference.fasta"]
    done = subprocess.run([*command, "--tabbedout", tmp_path / "strands.tsv"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    other = pd.read_csv(tmp_path / "strands.tsv", sep="\t", header=None, index_col=0)[1]
    ours = dict(zip(queries, strand.directions(list(queries.values()), known), strict=True))
    assert all(way == {"g": 1, "r": -1, "x": 0}[name[0]] for name, way in ours.items())
    told = [name for name in queries if other[name] != "?" and ours[name]]
    assert len(told) >= 2 * len(held_out) * 0.95
    assert all({"+": 1, "-": -1}[other[name]] == ours[name] for name in told)


def test_dada2_without_its_example_data_is_named():
    with pytest.raises(InputError, match="comes without absent.fa.gz: name a FASTA in denoise.strand_reference"):
        dada.example_file("absent.fa.gz")


# The table entry point.


def table_of(features, counts=((3, 0, 1), (0, 0, 4))) -> biom.Table:
    return biom.Table(np.array(counts, dtype=float).T, list(features), ["a", "b"])


ONE, TWO = "ACGT" * 10, "TTGCA" * 8


def test_ids_that_are_sequences_become_their_md5():
    counts, features, samples, known = given.adopt(table_of([ONE, "CCCCC" * 8, TWO.lower()]), None)
    assert features == [tables.sequence_id(ONE), tables.sequence_id(TWO)]
    assert known == dict(zip(features, (ONE, TWO), strict=True))
    assert counts.tolist() == [[3, 1], [0, 4]]


def test_ids_stay_where_sequences_are_given_or_there_are_none():
    table = table_of(["x", "y", "z"])
    assert given.adopt(table, {"z": ONE, "other": TWO})[1::2] == (["x", "z"], {"z": ONE})
    assert given.adopt(table, None)[1::2] == (["x", "z"], {})


def test_samples_without_reads_are_only_in_the_track():
    table = table_of(["x", "y", "z"], ((3, 0, 1), (0, 0, 0)))
    counts, _, samples, _ = given.adopt(table, None)
    track = given.track(table, counts, samples)
    assert samples == ["a"]
    assert track["nonchimeric"].tolist() == [4, 0]
    assert track.columns.tolist() == ["sample", *merge.STEPS]
    assert track[merge.STEPS[:-1]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("features", "sequences", "said"),
    [
        (["x", "y", "z"], {"x": ONE, "z": ONE}, "features x and z .* are the same sequence"),
        (["x", "y", "z"], {"w": ONE}, "none of the 2 features"),
        ([ONE, "y", ONE.lower()], None, "one sequence in several spellings"),
        ([ONE, "y", "z"], None, "1 feature ids .* are sequences but 1 are not"),
    ],
)
def test_ambiguous_sequences_are_refused(features, sequences, said):
    with pytest.raises(InputError, match=said):
        given.adopt(table_of(features), sequences)


def test_a_table_without_reads_is_refused():
    with pytest.raises(InputError, match="holds no read"):
        given.adopt(table_of(["x", "y", "z"], ((0, 0, 0), (0, 0, 0))), None)


# Real reads with published answers.


@pytest.fixture(scope="module")
def sop(data) -> pd.DataFrame:
    """Sheet of the 14 MiSeq SOP pairs."""
    forward = sorted((data / "fastq_miseqsop/raw").glob("*_R1_001.fastq.gz"))
    rows = [(path.name.split("_")[0], str(path), str(path).replace("_R1_", "_R2_")) for path in forward]
    return pd.DataFrame(rows, columns=["sample", "fq1", "fq2"])


@pytest.fixture(scope="module")
def miseq(data, sop, tmp_path_factory):
    """The stage through the workflow on three of the pairs in two shards, pseudo-pooled: (results, sheet).

    What it keeps on request, the filtered reads and the error models, serves the other settings. All 14 take ten
    minutes; docs/measured.md says what they gave.
    """
    folder = tmp_path_factory.mktemp("miseq")
    sheet = sop[sop["sample"].isin(["F3D1", "F3D143", "Mock"])].reset_index(drop=True)
    sheet.to_csv(folder / "samples.tsv", sep="\t", index=False)
    pd.DataFrame({"sample_id": sheet["sample"]}).to_csv(folder / "metadata.tsv", sep="\t", index=False)
    config = {
        "input": {"samples": "samples.tsv"},
        "metadata": {"file": "metadata.tsv", "folds": 3},
        "reads": {"shard": 2},
        "denoise": {"pool": "pseudo"},
        "taxonomy": {"training_set": str(data / "miseq360_f1000/original/rdp_train_set_14.fa.gz")},
        "functions": {"method": "none"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    targets = ["results/denoise/table.biom", "results/denoise/errors/1/forward.png"]
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", "2", "--notemp", "--snakefile"]
    command += [ROOT / "Snakefile", "--directory", folder, "--configfile", folder / "config.yaml"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(list(map(str, command)), env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "results", sheet


@pytest.fixture(scope="module")
def miseq_alone(miseq):
    """The same reads, error models and shards with samples denoised independently: counts, sequences, track."""
    results, sheet = miseq
    models = [tables.read_tsv(results / f"denoise/errors/1/{way}.tsv", "model") for way in shards.DIRECTIONS]
    given, folders = shards.given_to_dada(models, [[], []]), [results / f"denoise/filtered/1/{n}" for n in range(2)]
    counts = [tables.read_tsv(results / f"denoise/counts/1/{n}.tsv", "counts") for n in range(2)]
    parts = [
        shards.denoise_batch([one], [place], given, CONFIG, 1, 0) for one, place in zip(counts, folders, strict=True)
    ]
    merged = pd.concat([frame.assign(run="1") for frame, _ in parts])
    steps = pd.concat(counts).merge(pd.concat([frame for _, frame in parts]), on="sample")
    return merge.merge(list(sheet["sample"]), steps, merged, NOTHING_KNOWN, CONFIG, 1, 0)[:3]


@pytest.fixture(scope="module")
def miseq_direct(miseq, tmp_path_factory):
    results, sheet = miseq
    models = results / "denoise/errors/1"
    return directly(tmp_path_factory.mktemp("direct"), sheet, 'list(FALSE, "pseudo")', models)[0]


PUBLISHED = {"F3D1": 5299, "F3D141": 5463, "F3D142": 2914, "F3D143": 2941, "F3D144": 4312, "F3D145": 6741,
             "F3D146": 4560, "F3D150": 5032, "F3D3": 6250, "F3D5": 4052, "F3D7": 4765, "F3D8": 4871, "F3D9": 6504,
             "Mock": 4314}  # fmt: skip
# DADA2 tutorial, by its author with dada2 1.37: reads after filterAndTrim.


@pytest.mark.slow
def test_filtered_reads_are_the_published_ones(sop, tmp_path):
    mates = list(sop["fq1"]), list(sop["fq2"])
    counts = shards.filter_shard(list(sop["sample"]), *mates, tmp_path / "filtered", CONFIG)
    assert counts.set_index("sample")["filtered"].to_dict() == PUBLISHED
    assert counts["input"].sum() == 74_400


@pytest.mark.slow
def test_real_table_in_shards_is_that_of_one_call_in_direct_r(miseq_alone, miseq_direct):
    counts, sequences, track = miseq_alone
    direct = miseq_direct["FALSE"]
    assert list(direct.columns) == sequences
    assert list(direct.index) == list(track["sample"])
    np.testing.assert_array_equal(direct.to_numpy(), counts)
    assert len(direct) == 3
    assert direct.shape[1] > 100


@pytest.mark.slow
def test_real_pseudo_pooling_in_shards_is_that_of_one_call_in_direct_r(miseq, miseq_direct):
    results, direct = miseq[0], miseq_direct["pseudo"]
    assert len(list((results.parent / "benchmarks/denoise/find_shared/1").iterdir())) == 2
    table = tables.read_table(results / "denoise/table.biom")
    assert [tables.sequence_id(sequence) for sequence in direct.columns] == list(table.ids("observation"))
    assert list(direct.index) == list(table.ids())
    np.testing.assert_array_equal(tables.counts(table), direct.to_numpy())


@pytest.mark.slow
def test_mock_community_is_found_exactly(miseq_alone, data):
    counts, sequences, track = miseq_alone
    (mock,) = counts[track["sample"] == "Mock"]
    found = [sequence for sequence, reads in zip(sequences, mock, strict=True) if reads]
    truth = tables.read_fasta(data / "fastq_miseqsop/original/HMP_MOCK.v35.fasta").values()
    assert len(found) == 20
    assert all(any(sequence in reference for reference in truth) for sequence in found)


@pytest.mark.slow
def test_real_samples_are_those_of_the_published_table(miseq_alone, data):
    """The same mice, denoised by their authors (F1000Research 5:1492) and trimmed shorter: ASVs that hold theirs."""
    counts, sequences, track = miseq_alone
    known = tables.read_fasta(data / "miseq360_f1000/rep_seqs.fasta")
    published = tables.read_table(data / "miseq360_f1000/table.biom")
    names = list(known)
    theirs = [next((place for place, name in enumerate(names) if known[name] in ours), -1) for ours in sequences]
    mice = (track["sample"] != "Mock").to_numpy()
    theirs, ours = np.array(theirs), counts[mice]
    assert ours[:, theirs >= 0].sum() >= 0.995 * ours.sum()
    added = np.zeros((mice.sum(), len(names)))
    np.add.at(added.T, theirs[theirs >= 0], ours[:, theirs >= 0].T)
    expected = tables.counts(published, track["sample"][mice], names)
    assert min(np.corrcoef(one, other)[0, 1] for one, other in zip(added, expected, strict=True)) >= 0.98


@pytest.mark.slow
def test_reads_strands_versions_and_errors_are_reported(miseq):
    results, sheet = miseq
    reads = tables.read_tsv(results / "reads/reads.tsv", "reads")
    assert list(reads["sample"]) == list(sheet["sample"])
    track = tables.read_tsv(results / "denoise/track.tsv", "track")
    assert list(reads["pairs"]) == list(track["input"])
    assert track.set_index("sample")["filtered"].astype(int).to_dict() == {
        name: PUBLISHED[name] for name in track["sample"]
    }
    strands = tables.read_tsv(results / "denoise/strands.tsv", "strands").set_index("strand")["sequences"].astype(int)
    assert strands["forward"] > 100
    assert strands[["reverse", "unknown"]].sum() <= 2
    arguments = json.loads((results / "denoise/versions.json").read_text())["arguments"]
    assert arguments["dada"]["pool"] == "pseudo"
    assert (results / "denoise/errors/1/forward.png").read_bytes().startswith(b"\x89PNG")
