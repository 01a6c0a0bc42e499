"""What is counted of the reads is what counting them one by one gives; the page flags what is odd and stands alone."""

import gzip
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from taxoscape.files import read_json, write_json
from taxoscape.reads import content, fastq, page

TEMPLATE = ROOT / "workflow" / "report" / "reads.html.j2"
ADAPTER = "AGATCGGAAGAGCACACGTCTG"


def reads_of(seed: int, count: int = 400, length: int = 80, adapter: float = 0.0, gc: float = 0.5, low: int = 20):
    """Sequences of unequal length with a few N, some running into an adapter, and scores from `low` on."""
    rng, chances = np.random.default_rng(seed), [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2 - 0.001, 0.001]
    reads = []
    for _ in range(count):
        size = length - int(rng.integers(0, 3))
        read = "".join(rng.choice(list("ACGTN"), size, p=chances))
        if rng.random() < adapter:
            read = read[:40] + ADAPTER + read[40 + len(ADAPTER) :]
        scores = bytes((rng.integers(low, 40, size) + 33).astype(np.uint8)).decode()
        reads.append((read, scores))
    return reads


def counted(path, reads, monkeypatch=None, block=10_000) -> content.Content:
    text = "".join(f"@r{number}\n{read}\n+\n{scores}\n" for number, (read, scores) in enumerate(reads))
    path.write_bytes(gzip.compress(text.encode()))
    if monkeypatch:
        monkeypatch.setattr(fastq, "BLOCK", block)
    found = content.Content()
    for part in fastq.blocks(path):
        found.add(part)
    return found


@pytest.mark.parametrize("block", [1, 37, 10_000])
def test_counts_are_those_of_reads_one_by_one(tmp_path, monkeypatch, block):
    reads = reads_of(1, adapter=0.2)
    found = content.summary(counted(tmp_path / "a.fastq.gz", reads, monkeypatch, block))
    scores = [np.frombuffer(line.encode(), dtype=np.uint8) - 33.0 for _, line in reads]
    bases = "".join(read for read, _ in reads)
    assert found["reads"] == len(reads)
    assert found["lengths"] == dict(sorted(Counter(len(read) for read, _ in reads).items()))
    assert found["mean_quality"] == pytest.approx(np.concatenate(scores).mean())
    assert found["q30"] == pytest.approx((np.concatenate(scores) >= 30).mean())
    means = [int(np.rint(one.mean())) for one in scores]
    np.testing.assert_array_equal(found["read_quality"], np.bincount(means))
    assert found["gc_mean"] == pytest.approx(sum(map(bases.count, "GC")) / sum(map(bases.count, "ACGT")))
    assert found["n_share"] == pytest.approx(bases.count("N") / len(bases))
    shares = [int(np.rint(100 * sum(map(read.count, "GC")) / sum(map(read.count, "ACGT")))) for read, _ in reads]
    np.testing.assert_array_equal(found["gc"], np.bincount(shares, minlength=101))
    for cycle in (0, 41, 79):
        here = [read[cycle] for read, _ in reads if len(read) > cycle]
        for letter in "ACGTN":
            assert found["by_cycle"]["bases"][letter][cycle] == pytest.approx(here.count(letter) / len(here), abs=1e-4)
        ordered = sorted(score[cycle] for score in scores if len(score) > cycle)
        for share in (10, 25, 50, 75, 90):
            expected = np.quantile(ordered, share / 100, method="inverted_cdf")
            assert found["by_cycle"]["quality"][f"q{share}"][cycle] == expected
    with_adapter = sum(ADAPTER[:12] in read for read, _ in reads)
    assert found["adapters"]["Illumina TruSeq"] == pytest.approx(with_adapter / len(reads))
    rising = found["by_cycle"]["adapters"]["Illumina TruSeq"]
    assert rising[39] == 0
    assert rising[40] == rising[-1] == pytest.approx(with_adapter / len(reads), abs=1e-5)


def test_repeated_starts_are_counted_in_the_first_reads_only(tmp_path, monkeypatch):
    monkeypatch.setattr(content, "FIRST", 30)
    common, rare = ("A" * 50 + "CG", "I" * 52), [("C" * number + "G" * (52 - number), "I" * 52) for number in range(10)]
    found = content.summary(counted(tmp_path / "a.fastq", [common] * 20 + rare + rare * 5))
    assert found["commonest"][0] == {"sequence": "A" * 50, "share": 20 / 30}
    assert found["distinct_starts"] == 11 / 30
    assert found["repeats"] == {"once": 10 / 30, "2-9": 0, "10-99": 20 / 30, "100-999": 0, "1000 and more": 0}


@pytest.fixture
def study(tmp_path) -> tuple[list[dict], pd.DataFrame]:
    """Summaries and reads.tsv of 12 samples, four of them odd in ways of their own."""
    odd = {"s3": {"adapter": 0.3}, "s5": {"gc": 0.8}, "s7": {"count": 20}, "s9": {"low": 2}}
    contents, rows = [], []
    for number in range(12):
        sample = f"s{number}"
        for way in ("forward", "reverse"):
            reads = reads_of(number, **odd.get(sample, {}))
            if sample == "s9":
                reads = [(read, "(" * len(scores)) for read, scores in reads[:100]] + reads[100:]
            one = content.summary(counted(tmp_path / "one.fastq.gz", reads))
            contents.append({"sample": sample, "direction": way} | one)
        rows.append([sample, "1", "30", "4" if number == 2 else "30", "0.9" if number == 1 else "0.0", "0.0"])
    columns = ["sample", "run", "distinct_qualities_forward", "distinct_qualities_reverse"]
    columns += ["primer_share_forward", "primer_share_reverse"]
    write_json(contents, tmp_path / "contents.json")
    return read_json(tmp_path / "contents.json"), pd.DataFrame(rows, columns=columns)


def test_odd_samples_are_flagged_and_no_others(study):
    frame = page.table(*study)
    assert list(frame.columns) == [*page.COLUMNS, "flags"]
    assert list(frame["sample"].unique()) == [f"s{number}" for number in range(12)]
    flags = frame.set_index(["sample", "direction"])["flags"].str.split(", ").map(set)
    expected = {"s1": {"primers"}, "s3": {"adapter"}, "s5": {"unusual GC"}, "s7": {"few reads"}, "s9": {"poor quality"}}
    for (sample, way), found in flags.items():
        wanted = expected.get(sample, set()) | ({"binned quality"} if (sample, way) == ("s2", "reverse") else set())
        assert found - {""} == wanted, (sample, way)
    assert set(page.MEANINGS) >= set().union(*flags) - {""}


def test_flagged_samples_are_drawn_before_the_first_of_the_sheet(study):
    frame = page.table(*study)
    assert page.chosen(frame, 5) == ["s1", "s3", "s5", "s7", "s9"]
    assert page.chosen(frame, 8) == ["s1", "s3", "s5", "s7", "s9", "s2", "s0", "s4"]
    assert len(page.chosen(frame, 50)) == 12


def test_the_page_is_one_file_without_links_the_same_each_time(study):
    contents, reads = study
    frame = page.table(contents, reads)
    html = page.write(contents, frame, TEMPLATE, 2)
    assert html == page.write(contents, frame, TEMPLATE, 2)
    assert "http" not in html
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert html.count("<img") == 3
    assert "2 of the 12 samples are drawn in full" in html
    for sample in reads["sample"]:
        assert f"<td>{sample}</td>" in html
    for meaning in page.MEANINGS.values():
        assert meaning in html


def test_names_of_samples_cannot_break_the_page(study):
    contents, reads = study
    contents = [one | {"sample": "<b>&s0"} for one in contents if one["sample"] == "s0"]
    reads = reads.iloc[:1].assign(sample="<b>&s0")
    html = page.write(contents, page.table(contents, reads), TEMPLATE, 1)
    assert "&lt;b&gt;&amp;s0" in html
    assert "<b>&s0" not in html


def test_single_end_reads_have_their_page(study):
    contents, reads = study
    contents = [one for one in contents if one["direction"] == "forward"]
    reads = reads.drop(columns="distinct_qualities_reverse")
    html = page.write(contents, page.table(contents, reads), TEMPLATE, 1)
    assert "single-end reads" in html
