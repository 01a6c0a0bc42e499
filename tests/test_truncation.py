"""Truncation: amplicons measured as vsearch does, shares as DADA2's filter counts, lengths that keep the overlap."""

import gzip
import subprocess
from pathlib import Path

import numpy as np
import pytest

from taxoscape.errors import InputError
from taxoscape.files import write_npz
from taxoscape.reads import figures, primers, sampling, truncation

CONFIG = {"truncate": "auto", "max_ee": [2, 2], "max_n": 0, "trunc_q": 2, "trim_left": [0, 0], "trim_right": [0, 0],
          "min_overlap": 12, "just_concatenate": False, "pool": "independent"}  # fmt: skip


def letters(rng: np.random.Generator, count: int) -> str:
    return "".join(rng.choice(list("ACGT"), count))


def pair(template: str, scores: tuple[np.ndarray, ...], rng: np.random.Generator) -> tuple[bytes, ...]:
    """Mates of a template, as long as the scores (or, read through, ending in adapter), with errors as they say."""
    record = []
    for strand, quality in zip((template, primers.reverse_complement(template)), scores, strict=True):
        read = np.array(list((strand + "CTGTCTCTTATACACATCTCCGAGCCCACGAGAC" * 9)[: len(quality)]))
        wrong = rng.random(len(read)) < 10.0 ** (-quality / 10)
        read[wrong] = rng.choice(list("ACGT"), wrong.sum())
        record += ["".join(read).encode(), bytes((quality + 33).astype(np.uint8))]
    return tuple(record)


def falling(rng: np.random.Generator, length: int, last: float) -> np.ndarray:
    """Scores that fall from about 37 to `last` along a read, lower throughout in worse reads."""
    return np.clip(37 - (37 - last) * (np.arange(length) / length) ** 2 - rng.exponential(2), 3, 38).round()


def simulated(amplicons: list[int], reads=(250, 250), last=(25, 18), seed: int = 0) -> dict[str, np.ndarray]:
    """Packed pairs of one sample with these amplicon lengths."""
    rng = np.random.default_rng(seed)
    records = [
        pair(letters(rng, length), tuple(falling(rng, *end) for end in zip(reads, last, strict=True)), rng)
        for length in amplicons
    ]
    return sampling.packed([records], ["forward", "reverse"])


@pytest.mark.parametrize("length", [80, 200, 253, 300, 420, 480])
def test_the_overlap_tells_the_length_of_the_amplicon_also_of_reads_that_run_through(length):
    sampled = truncation.unpacked(simulated([length] * 50))
    assert (sampled.amplicons == length).mean() > 0.95
    assert set(sampled.amplicons) <= {0, length}


def test_mates_that_do_not_overlap_are_not_made_to():
    assert not truncation.unpacked(simulated([600] * 200)).amplicons.any()


def test_reads_of_unequal_length_and_either_case_are_laid_right():
    rng = np.random.default_rng(4)
    records = []
    for number in range(40):
        record = pair(letters(rng, 253), (np.full(250 - number, 35.0), np.full(180 + number, 35.0)), rng)
        records.append((record[0].lower(), record[1], record[2], record[3]))
    assert (truncation.unpacked(sampling.packed([records], ["forward", "reverse"])).amplicons == 253).all()


def test_real_amplicons_are_as_long_as_vsearch_finds_them(data, tmp_path):
    raw = [next((data / "fastq_miseqsop/raw").glob(f"F3D150*_R{mate}_*")) for mate in "12"]
    out = tmp_path / "merged.fastq"
    command = f"vsearch --fastq_mergepairs {raw[0]} --reverse {raw[1]} --fastqout {out} --fastq_allowmergestagger"
    subprocess.run([*command.split(), "--fastq_maxdiffs", "25", "--threads", "1"], check=True, capture_output=True)
    lines = out.read_text().split("\n")
    theirs = {name.split()[0][1:].encode(): len(read) for name, read in zip(lines[::4], lines[1::4], strict=False)}
    mates = [gzip.decompress(path.read_bytes()).split(b"\n")[:-1] for path in raw]
    records = list(zip(*(mate[part::4] for mate in mates for part in (1, 3)), strict=True))
    ours = truncation.unpacked(sampling.packed([records], ["forward", "reverse"])).amplicons
    names = [header.split()[0][1:] for header in mates[0][::4]]
    both = [(length, theirs[name]) for length, name in zip(ours, names, strict=True) if length and name in theirs]
    assert len(both) > 0.85 * len(names)
    assert (ours > 0).mean() > 0.99
    assert np.mean([one == other for one, other in both]) > 0.999


FILTER = """
suppressPackageStartupMessages(library(dada2))
a <- commandArgs(trailingOnly = TRUE)
for (lengths in list(c(240, 160), c(150, 140), c(251, 251), c(0, 0))) {
  out <- filterAndTrim(a[1], tempfile(fileext = ".gz"), a[2], tempfile(fileext = ".gz"), truncLen = lengths,
                       trimLeft = c(5, 3), maxN = 0, maxEE = c(2, 1.5), truncQ = 8, rm.phix = FALSE, minLen = 0,
                       OMP = FALSE, qualityType = "FastqQuality")
  cat(out[2], "\\n")
}
"""


def test_expected_shares_are_those_of_dada2s_filter(data, tmp_path):
    raw = [str(next((data / "fastq_miseqsop/raw").glob(f"F3D142*_R{mate}_*"))) for mate in "12"]
    (tmp_path / "filter.R").write_text(FILTER)
    done = subprocess.run(["Rscript", tmp_path / "filter.R", *raw], capture_output=True, text=True, check=True)
    theirs = [int(line) for line in done.stdout.split()]
    records = [
        list(zip(lines[1::4], lines[3::4], strict=True))
        for lines in (gzip.decompress(Path(path).read_bytes()).split(b"\n")[:-1] for path in raw)
    ]
    packed = sampling.packed([[one + other for one, other in zip(*records, strict=True)]], ["forward", "reverse"])
    sampled, config = truncation.unpacked(packed), CONFIG | {"max_ee": [2, 1.5], "trunc_q": 8, "trim_left": [5, 3]}
    passes = truncation.passing(sampled, config)
    for lengths, count in zip(([240, 160], [150, 140], [251, 251]), theirs, strict=False):
        share = truncation.describe(sampled, config, lengths, passes)["passes"]
        assert round(share * len(sampled.amplicons)) == count
    whole = truncation.describe(sampled, config, [0, 0], passes)["passes"] * len(sampled.amplicons)
    assert whole <= theirs[3]  # DADA2 cuts whole reads at trunc_q before it counts their errors


def test_suggested_lengths_keep_the_overlap_of_long_amplicons_and_few_reads_are_lost():
    amplicons = [400] * 180 + [428] * 20
    runs = {"1": simulated(amplicons)}
    entry = truncation.decide(runs, CONFIG)["runs"]["1"]
    assert entry["suggested"] == entry["used"]
    assert entry["suggested"]["overlap_of_long_amplicons"] >= CONFIG["min_overlap"] + truncation.MARGIN
    sampled = truncation.unpacked(runs["1"])
    passes = truncation.passing(sampled, CONFIG)
    best = max(
        truncation.describe(sampled, CONFIG, [forward, 450 - forward], passes)["passes"] for forward in range(200, 251)
    )
    assert entry["suggested"]["passes"] >= truncation.TOLERANCE * best
    # The forward reads are the better ones: they are kept longer.
    assert entry["suggested"]["truncate"][0] > entry["suggested"]["truncate"][1]


def test_worse_reads_are_cut_shorter_where_there_is_room():
    good, bad = (
        truncation.decide({"1": simulated([253] * 300, last=(30, last))}, CONFIG)["used"]["1"] for last in (28, 8)
    )
    assert bad[1] < good[1]
    assert sum(bad) >= 253 + CONFIG["min_overlap"] + truncation.MARGIN


def test_reads_are_not_kept_beyond_their_amplicon():
    used = truncation.decide({"1": simulated([200] * 200, last=(35, 35))}, CONFIG)["used"]["1"]
    assert max(used) <= 200


def test_single_reads_get_one_length_for_all_runs():
    runs = {
        name: {key: array for key, array in simulated([253] * 200, last=(last, 20)).items() if "reverse" not in key}
        for name, last in (("good", 30), ("bad", 8))
    }
    decided = truncation.decide(runs, CONFIG)
    assert decided["used"]["good"] == decided["used"]["bad"]
    assert len(decided["used"]["good"]) == 1
    alone = {name: entry["suggested"]["truncate"] for name, entry in decided["runs"].items()}
    assert alone["bad"] < alone["good"]
    assert truncation.decide(runs, CONFIG | {"truncate": [120, 90]})["used"] == {"good": [120], "bad": [120]}


def test_runs_have_lengths_of_their_own_unless_their_reads_must_be_alike():
    runs = {name: simulated([253] * 200, last=(30, last)) for name, last in (("good", 30), ("bad", 5))}
    used = truncation.decide(runs, CONFIG)["used"]
    assert used["good"] != used["bad"]
    for changed in ({"pool": "pooled"}, {"just_concatenate": True}):
        used = truncation.decide(runs, CONFIG | changed)["used"]
        assert used["good"] == used["bad"]


def test_lengths_asked_for_are_used_beside_the_suggestion():
    decided = truncation.decide({"1": simulated([253] * 100)}, CONFIG | {"truncate": [240, 160]})
    assert decided["used"] == {"1": [240, 160]}
    assert decided["runs"]["1"]["used"]["overlap_median"] == 147
    assert decided["runs"]["1"]["suggested"]["truncate"] != [240, 160]
    config = {"truncate": "auto", "max_n": 0}
    assert truncation.resolved(config, decided, "1") == {"truncate": [240, 160], "max_n": 0}
    assert truncation.reported(config, decided)["truncate"] == [240, 160]
    two = {"used": {"a": [1, 2], "b": [3, 4]}}
    assert truncation.reported(config, two)["truncate"] == two["used"]


@pytest.mark.parametrize(
    ("changed", "amplicon", "said"),
    [
        ({"truncate": [251, 160]}, 253, r"keeps 251 nt of the forward reads, but those of run 1 have at most 250 nt"),
        ({"truncate": [240, 260]}, 253, r"keeps 260 nt of the reverse reads, .* is suggested"),
        ({"truncate": [130, 120]}, 253, r"leaves 250 nt for amplicons of 253 nt .*denoise.min_overlap=12; \["),
        ({"truncate": [240, 160]}, 600, r"mates do not overlap in run 1: .* 0.0% of 100 .*just_concatenate: true"),
        ({}, 600, r"mates do not overlap in run 1"),
        ({"max_ee": [0, 0]}, 253, r"auto finds no length .* run 1 pass denoise.max_ee=\[0, 0\]"),
    ],
)
def test_lengths_that_would_leave_nothing_are_refused(changed, amplicon, said):
    with pytest.raises(InputError, match=said) as caught:
        truncation.decide({"1": simulated([amplicon] * 100)}, CONFIG | changed)
    assert "\n" not in str(caught.value)


def test_concatenated_mates_need_no_overlap():
    config = CONFIG | {"just_concatenate": True}
    used = truncation.decide({"1": simulated([600] * 100, last=(35, 35))}, config)["used"]["1"]
    assert min(used) > 200


def test_packed_shards_are_thinned_alike_and_repeat(tmp_path):
    records = [[(b"ACGT", b"IIII", b"AC", b"I5")] * count for count in (40, 0, 300, 1000)]
    for number, part in enumerate((records[:2], records[2:])):
        write_npz(tmp_path / f"{number}.npz", **sampling.packed(part, ["forward", "reverse"]))
    files = [tmp_path / "0.npz", tmp_path / "1.npz"]
    runs = sampling.read_runs(["a", "b"], files)
    assert {run: len(arrays["sample"]) for run, arrays in runs.items()} == {"a": 40, "b": 1300}
    thin = sampling.gathered(files, 300)
    assert len(thin["sample"]) == 40 + 100 + 100
    assert thin["bases_reverse"].shape == (240, 2)
    assert thin["scores_reverse"][0].tolist() == [40, 20]
    again = sampling.gathered(files, 300)
    assert all(np.array_equal(thin[name], again[name]) for name in thin)


def test_the_figure_is_the_same_each_time(tmp_path):
    runs = {"1": simulated([253] * 60), "2": simulated([253] * 60, seed=1)}
    decided = truncation.decide(runs, CONFIG)
    for name in "ab":
        figures.draw_truncation(runs, decided, CONFIG, tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    single = {"1": {key: array for key, array in runs["1"].items() if "reverse" not in key}}
    figures.draw_truncation(single, truncation.decide(single, CONFIG), CONFIG, tmp_path / "single.png")
    assert (tmp_path / "single.png").stat().st_size > 5000
