"""Primers left on the reads: each known one is found under its name, none where there is none."""

import gzip
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from taxoscape import tables
from taxoscape.errors import InputError
from taxoscape.reads import detect, primers

KNOWN = detect.known_primers(ROOT / "resources" / "primers.tsv")
BY_NAME = {primer.name: primer for primer in KNOWN}


@pytest.fixture(scope="module")
def extdata() -> Path:
    """Data that come with the R package dada2."""
    call = 'cat(system.file("extdata", package = "dada2"))'
    return Path(subprocess.run(["Rscript", "-e", call], capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def genes(extdata) -> list[str]:
    """400 full-length 16S sequences of both domains, from the forward strand."""
    found = [sequence for sequence in tables.read_fasta(extdata / "ten_16s.100.fa.gz").values() if len(sequence) > 1400]
    return found[:: len(found) // 400]


def spelt_out(primer: str, rng: np.random.Generator) -> str:
    return "".join(rng.choice(list(primers.IUPAC[letter])) for letter in primer)


def site(gene: str, primer: detect.Primer) -> tuple[int, int]:
    """Where a primer binds a gene best: first base after it, on the strand that is read from it, and mismatches."""
    strand = gene if primer.direction == "forward" else primers.reverse_complement(gene)
    codes = detect.READ_CODES[np.frombuffer(strand.encode(), dtype=np.uint8)]
    letters = np.array([detect.MASKS[letter] for letter in primer.sequence], dtype=np.uint8)
    wrong = ((np.lib.stride_tricks.sliding_window_view(codes, len(letters)) & letters) == 0).sum(axis=1)
    return int(wrong.argmin()) + len(letters), int(wrong.min())


def reads_from(genes: list[str], name: str, rng, spacer: int = 0, length: int = 150, errors: float = 0.005) -> list:
    """Reads that start with a primer, every degenerate base drawn, and go on into the gene."""
    reads, primer = [], BY_NAME[name]
    for number, gene in enumerate(genes):
        start, _ = site(gene, primer)
        strand = gene if primer.direction == "forward" else primers.reverse_complement(gene)
        ahead = "TGACATCG"[: number % (spacer + 1)] + spelt_out(primer.sequence, rng)
        read = np.array(list((ahead + strand[start:])[:length]))
        wrong = rng.random(len(read)) < errors
        read[wrong] = rng.choice(list("ACGT"), wrong.sum())
        reads.append("".join(read).encode())
    return reads


# Sites at the ends of the gene, which these sequences often lack, and archaeal primers.
UNCOVERED = {"27F", "27F-C", "27F-YM", "27F-PacBio", "1492R", "1492R-PacBio", "349F-Arch", "806R-Arch"}


def test_every_primer_of_the_table_binds_16s_in_its_direction_and_order(genes):
    places = {}
    for primer in KNOWN:
        found = np.array([site(gene, primer) for gene in genes])
        bound = found[:, 1] <= 2
        assert bound.mean() > (0.02 if primer.name in UNCOVERED else 0.6), (primer.name, bound.mean())
        places[primer.name] = np.median(found[bound, 0])
    for direction, first in (("forward", 1), ("reverse", -1)):
        order = [places[primer.name] for primer in KNOWN if primer.direction == direction][::first]
        assert all(later > earlier - 30 for earlier, later in zip(order, order[1:], strict=False))


def test_the_table_is_whole():
    frame = tables.read_tsv(ROOT / "resources" / "primers.tsv", "known primers")
    assert list(frame.columns) == ["name", "region", "direction", "sequence", "citation"]
    assert frame["name"].is_unique
    assert frame["sequence"].is_unique
    assert (frame != "").all(axis=None)
    assert set(frame["direction"]) == {"forward", "reverse"}
    assert frame["sequence"].str.fullmatch(f"[{''.join(primers.IUPAC)}]+").all()
    assert frame["sequence"].str.len().between(10, detect.LONGEST).all()


@pytest.mark.parametrize("spacer", [0, 5])
@pytest.mark.parametrize("name", BY_NAME)
def test_every_primer_is_found_under_its_own_name(genes, name, spacer):
    reads = reads_from(genes, name, np.random.default_rng(0), spacer)
    found = detect.find([reads], KNOWN)
    primer, share = found[BY_NAME[name].direction]
    assert primer.name == name
    assert share > 0.9
    assert found["any"][1] > 0.9


@pytest.mark.parametrize("swapped", [0.0, 0.5, 1.0])
def test_both_primers_are_found_whichever_way_round_the_mates_are(genes, swapped):
    rng = np.random.default_rng(1)
    mates = [reads_from(genes, name, rng) for name in ("515F-Y", "806R-N")]
    turn = rng.random(len(genes)) < swapped
    files = [[pair[mate ^ now] for pair, now in zip(zip(*mates, strict=True), turn, strict=True)] for mate in (0, 1)]
    found = detect.find(files, KNOWN)
    assert [found[direction][0].name for direction in ("forward", "reverse")] == ["515F-Y", "806R-N"]
    assert found["any"][1] > 0.95


@pytest.mark.parametrize("name", BY_NAME)
def test_reads_without_their_primer_raise_no_alarm(genes, name):
    reads = [read[len(BY_NAME[name].sequence) :] for read in reads_from(genes, name, np.random.default_rng(2))]
    assert detect.find([reads], KNOWN)["any"][1] < 0.1
    detect.check_left("gut 7", detect.find([reads], KNOWN), ["a.fastq.gz"])


def test_primers_left_on_are_refused_with_name_share_sample_and_way_out(genes):
    rng = np.random.default_rng(3)
    files = [reads_from(genes, name, rng) for name in ("341F-NW", "785R")]
    with pytest.raises(InputError) as caught:
        detect.check_left("gut 7", detect.find(files, KNOWN), ["a_R1.fastq.gz", "a_R2.fastq.gz"])
    message = str(caught.value)
    for words in ("sample gut 7: primers are left on 100% of the reads of a_R1.fastq.gz or a_R2.fastq.gz", "341F-NW",
                  "CCTACGGGNGGCWGCAG (50%)", "785R", "reads.primers: auto", "reads.primers_left: ignore"):  # fmt: skip
        assert words in message, message
    assert "\n" not in message


def test_the_real_long_reads_of_dada2_have_their_published_primer(extdata):
    # samPBprimers.fastq.gz: PacBio reads of the full gene, primers of Callahan 2019; samPB.fastq.gz: cut.
    for name, expected in (("samPBprimers", "27F-PacBio"), ("samPB", None)):
        reads = gzip.decompress((extdata / f"{name}.fastq.gz").read_bytes()).split(b"\n")[1::4]
        found = detect.find([reads], KNOWN)
        assert (found["forward"][0].name if found["forward"][0] else None) == expected
        assert (found["any"][1] > detect.MOST_READS) == (expected is not None)


def test_real_reads_without_primers_raise_no_alarm(data):
    for path in sorted((data / "fastq_miseqsop/raw").glob("*.fastq.gz")):
        reads = gzip.decompress(path.read_bytes()).split(b"\n")[1::4]
        assert detect.find([reads], KNOWN)["any"][1] < 0.01, path.name


def rows(**changed) -> pd.DataFrame:
    frame = pd.DataFrame({"sample": ["a", "b", "c"], "sampled": ["900", "800", "20"], "length_reverse": "250"})
    frame = frame.assign(primer_forward=["515F", "515F", ""], primer_reverse=["806R", "806R", ""])
    return frame.assign(**changed)


AUTO = {"primers": "auto"}


def test_auto_takes_what_all_samples_have_and_does_not_ask_tiny_ones():
    found = {"forward": BY_NAME["515F"].sequence, "reverse": BY_NAME["806R"].sequence}
    assert detect.chosen(rows(), KNOWN, AUTO) == found
    single = rows(primer_reverse=["", "", ""]).drop(columns="length_reverse")
    assert detect.chosen(single, KNOWN, AUTO) == found | {"reverse": None}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"primer_forward": ["515F", "", ""]}, "finds no known forward primer in 1 of 2 samples .b."),
        ({"primer_reverse": ["", "", ""]}, "finds no known reverse primer in 2 of 2 samples .a, b."),
        ({"primer_forward": ["515F", "515F-Y", ""]}, "forward primer 515F in 1 samples but 515F-Y in 1 .b."),
        ({"sampled": ["9", "9", "9"]}, "finds no known forward primer in 0 of 0 samples"),
    ],
)
def test_auto_is_refused_where_samples_have_none_or_differ(changed, said):
    with pytest.raises(InputError, match=said):
        detect.chosen(rows(**changed), KNOWN, AUTO)


def test_primers_of_the_config_are_spelt_as_cutadapt_reads_them():
    config = {"primers": {"forward": "gugIc", "reverse": None}}
    assert detect.chosen(rows(), KNOWN, config) == {"forward": "GTGNC", "reverse": None}
    assert detect.chosen(rows(), KNOWN, {"primers": None}) == {"forward": None, "reverse": None}
