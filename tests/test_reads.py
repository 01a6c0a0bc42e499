"""Read pairs: sound ones pass with their measures, each kind of broken one is refused by file and record."""

import gzip

import numpy as np
import pytest
from conftest import ROOT

from taxoscape.errors import InputError
from taxoscape.files import write_npz, write_tsv
from taxoscape.reads import detect, fastq, gather, pairs, quality, sampling, settings

KNOWN = detect.known_primers(ROOT / "resources" / "primers.tsv")
SCORES = "IIHF#5:<?BCDEFGH"  # 13 distinct qualities, none of them Phred+64


def record(name: str, sequence: str = "ACGTACGTACGTACGN", qualities: str = SCORES) -> str:
    return f"@{name}\n{sequence}\n+\n{qualities}\n"


def write(path, text: str):
    """Write FASTQ text, gzipped when the name says so."""
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def check_samples(*sheet, left: str = "error", primers=None):
    return pairs.check_samples(*sheet, KNOWN, {"primers": primers, "primers_left": left})


def mates(folder, count: int = 20, form=("M1:{} 1:N:0:7", "M1:{} 2:N:0:7")) -> list:
    return [
        write(folder / f"R{mate + 1}.fastq.gz", "".join(record(form[mate].format(number)) for number in range(count)))
        for mate in range(2)
    ]


@pytest.mark.parametrize(
    "form",
    [
        ("M1:{} 1:N:0:7", "M1:{} 2:N:0:7"),
        ("M1:{}/1", "M1:{}/2"),
        ("SRR1.{}.1 x length=16", "SRR1.{}.2 x length=16"),
        ("SRR1.{} {} length=16", "SRR1.{} {} length=16"),
        ("M1:{}", "M1:{}"),
    ],
)
def test_sound_pairs_of_every_naming_pass(tmp_path, form):
    form = [text.replace("{}", "{0}") for text in form]
    checked = pairs.check_pair(*mates(tmp_path, 20, form))
    assert checked.records == 20
    assert {direction: counts.sum() for direction, counts in checked.histograms.items()} == {
        "forward": 320,
        "reverse": 320,
    }


def test_plain_fastq_and_several_gzip_members_are_read_whole(tmp_path):
    text = "".join(record(f"r{number}") for number in range(9))
    plain, joined = write(tmp_path / "plain.fastq", text), tmp_path / "joined.fastq.gz"
    joined.write_bytes(gzip.compress(record("r0").encode()) + gzip.compress(text[len(record("r0")) :].encode()))
    assert pairs.check_pair(plain, joined).records == 9


def test_blocks_do_not_change_the_measures(tmp_path, monkeypatch):
    files = mates(tmp_path, 20)
    whole = pairs.check_pair(*files)
    monkeypatch.setattr(fastq, "BLOCK", 3)
    in_blocks = pairs.check_pair(*files)
    np.testing.assert_array_equal(in_blocks.histograms["forward"], whole.histograms["forward"])
    assert in_blocks.sampled == whole.sampled


def test_rows_and_histograms_of_samples(tmp_path):
    forward, reverse = map(str, mates(tmp_path))
    checked = check_samples(["a", "b"], [forward] * 2, [reverse] * 2)
    rows, totals = checked.rows, checked.histograms
    assert rows.iloc[1].tolist() == ["b", 20, 16, 16, 13, 13, 20, "", 0.0, "", 0.0]
    assert totals["forward"].sum() == 2 * 20 * 16


def test_single_reads_are_checked_alone(tmp_path):
    forward, reverse = map(str, mates(tmp_path))
    checked = check_samples(["a", "b"], [forward, reverse], [])
    rows, totals = checked.rows, checked.histograms
    assert rows.columns.tolist()[:5] == ["sample", "pairs", "length_forward", "distinct_qualities_forward", "sampled"]
    assert rows.iloc[1].tolist()[:5] == ["b", 20, 16, 13, 20]
    assert list(totals) == ["forward"]
    assert totals["forward"].sum() == 2 * 20 * 16
    write(tmp_path / "R2.fastq.gz", record("r", qualities="I" * 16))
    with pytest.raises(InputError, match="sample b: every base in .*R2.fastq.gz has quality 40"):
        check_samples(["a", "b"], [forward, reverse], [])


def test_primers_left_on_stop_the_check_unless_they_are_to_be_cut_or_ignored(tmp_path):
    rng = np.random.default_rng(0)
    reads = ["GTGCCAGCAGCCGCGGTAA" + "".join(rng.choice(list("ACGT"), 13)) for _ in range(60)]
    text = "".join(record(f"r{number}", read, SCORES * 2) for number, read in enumerate(reads))
    sheet = [["a"], [str(write(tmp_path / "a.fastq.gz", text))], []]
    with pytest.raises(InputError, match="sample a: primers are left on 100% of the reads of .*a.fastq.gz: 515F "):
        check_samples(*sheet)
    for changed in ({"left": "ignore"}, {"primers": "auto"}):
        row = check_samples(*sheet, **changed).rows.iloc[0]
        assert row[["primer_forward", "primer_share_forward", "primer_reverse"]].tolist() == ["515F", 1.0, ""]


def refused(forward, reverse, *said):
    with pytest.raises(InputError) as caught:
        check_samples(["gut 7"], [str(forward)], [str(reverse)])
    message = str(caught.value)
    assert "\n" not in message
    for words in ("sample gut 7", *said):
        assert words in message, message


def test_truncated_gzip_is_refused(tmp_path):
    forward, reverse = mates(tmp_path, 400)
    reverse.write_bytes(reverse.read_bytes()[:-30])
    refused(forward, reverse, "R2.fastq.gz is a truncated gzip file", "copy or download it again")


def test_damaged_gzip_is_refused(tmp_path):
    forward, reverse = mates(tmp_path, 400)
    damaged = bytearray(forward.read_bytes())
    damaged[-6] ^= 1  # in the checksum
    forward.write_bytes(damaged)
    refused(forward, reverse, "R1.fastq.gz is a damaged gzip file")


def test_text_after_the_gzip_is_refused(tmp_path):
    forward, reverse = mates(tmp_path)
    forward.write_bytes(forward.read_bytes() + b"more")
    refused(forward, reverse, "R1.fastq.gz is a damaged gzip file")


def test_shuffled_mates_are_refused_at_the_first_stranger(tmp_path):
    forward, reverse = mates(tmp_path)
    numbers = [0, 1, 2, 4, 3, *range(5, 20)]
    write(reverse, "".join(record(f"M1:{number} 2:N:0:7") for number in numbers))
    refused(forward, reverse, "record 4 is '@M1:3 1:N:0:7'", "'@M1:4 2:N:0:7'", "R2.fastq.gz")


def test_swapped_mates_are_refused(tmp_path):
    forward, reverse = mates(tmp_path)
    refused(reverse, forward, "record 1", "forward and reverse mates")


def test_forward_given_twice_is_refused(tmp_path):
    forward, _ = mates(tmp_path)
    refused(forward, forward, "is given as both mates")


def test_unequal_counts_are_refused_and_the_gap_is_named(tmp_path):
    forward, reverse = mates(tmp_path)
    write(reverse, "".join(record(f"M1:{number} 2:N:0:7") for number in range(20) if number != 6))
    refused(forward, reverse, "R1.fastq.gz holds 20 reads", "R2.fastq.gz 19", "record 7")


@pytest.mark.parametrize("content", [b"", gzip.compress(b"")], ids=["no bytes", "empty gzip"])
def test_empty_file_is_refused(tmp_path, content):
    forward, reverse = mates(tmp_path)
    reverse.write_bytes(content)
    refused(forward, reverse, "R2.fastq.gz holds no read", "leave the sample out of the sheet")


def test_missing_file_is_refused(tmp_path):
    forward, _ = mates(tmp_path)
    refused(forward, tmp_path / "none.fastq.gz", "none.fastq.gz does not exist")


def test_constant_quality_is_refused(tmp_path):
    forward, reverse = mates(tmp_path)
    write(forward, "".join(record(f"M1:{number} 1:N:0:7", qualities="I" * 16) for number in range(20)))
    refused(forward, reverse, "every base in", "R1.fastq.gz has quality 40")


def test_phred_64_is_refused(tmp_path):
    forward, reverse = mates(tmp_path)
    write(forward, "".join(record(f"M1:{number} 1:N:0:7", qualities="hgfedcbaZYXWVUTB") for number in range(20)))
    refused(forward, reverse, "R1.fastq.gz run from 33 to 71", "Phred+64")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("M1:5 1:N:0:7\nACGT\n+\nIIII\n", "record 6 has the header 'M1:5 1:N:0:7'"),
        ("@M1:5\nACGT\nIIII\n@M1:5b\n", "record 6 has the third line 'IIII'"),
        ("@M1:5\nAC-T\n+\nIIII\n", "record 6 has the letters '-'"),
        ("@M1:5\r\nACGT\r\n+\r\nIIII\r\n", "record 6 has a Windows line end (\\r\\n): convert the file with dos2unix"),
        ("@M1:5\nACGT\n+\nIIII\n@M1:3 1:N:0:7\nA\n+\nI\n", "record 7 ('@M1:3 1:N:0:7') is in the file a second time"),
        ("@M1:5\nACGT\n+\nIII\n", "record 6 has 4 bases but 3 qualities"),
        ("@M1:5\nACGT\n+\nII I\n", "record 6 has the qualities 'II I'"),
        ("@M1:5\n\n+\n\n", "record 6 has no bases"),
        ("@M1:5\nACGT\n", "record 6 has 2 of its 4 lines"),
    ],
)
def test_malformed_record_is_refused_by_number(tmp_path, broken, said):
    forward, reverse = mates(tmp_path)
    write(forward, "".join(record(f"M1:{number} 1:N:0:7") for number in range(5)) + broken)
    refused(forward, reverse, f"R1.fastq.gz {said}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"BZh91AY&SY", "is a bzip2 file"),
        (b"\xfd7zXZ\x00\x00", "is a xz file"),
        (b"PK\x03\x04", "is a zip file"),
        (b">read1\nACGT\n", "is FASTA, without the qualities"),
        (b"BAM\x01\n\n", "is neither gzip nor FASTQ, it starts with 'BAM\\x01"),
    ],
)
def test_what_is_neither_gzip_nor_fastq_is_named(tmp_path, content, said):
    forward, reverse = mates(tmp_path)
    forward.write_bytes(content)
    refused(forward, reverse, f"R1.fastq.gz {said}")


def test_plain_fastq_may_be_named_gz(tmp_path):
    forward, reverse = mates(tmp_path)
    forward.write_bytes(gzip.decompress(forward.read_bytes()))
    assert pairs.check_pair(forward, reverse).records == 20


def test_a_file_joined_twice_is_refused_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(fastq, "BLOCK", 7)
    forward, reverse = mates(tmp_path)
    for path in (forward, reverse):
        path.write_bytes(path.read_bytes() * 2)
    refused(forward, reverse, "R1.fastq.gz record 21 ('@M1:0 1:N:0:7') is in the file a second time")


@pytest.mark.parametrize("block", [1, 7, 300, 10_000])
def test_sampled_records_are_evenly_spread_whatever_the_blocks(block):
    kept, step = [], 1
    for start in range(0, 9_001, block):
        kept, step = sampling.thinned(kept, step, list(range(9_001))[start : start + block], start)
    assert kept == list(range(0, 9_001, step))
    assert sampling.MOST / 2 < len(kept) <= sampling.MOST


def test_profile_is_that_of_numpy():
    generator = np.random.default_rng(0)
    scores = generator.integers(2, 41, size=(501, 30))
    counts = quality.counts((scores + quality.OFFSET).astype(np.uint8))
    frame = quality.profile(counts)
    np.testing.assert_allclose(frame["mean"], scores.mean(axis=0))
    for name, share in (("q25", 0.25), ("q50", 0.5), ("q75", 0.75)):
        expected = np.quantile(scores, share, axis=0, method="inverted_cdf")
        np.testing.assert_array_equal(frame[name], expected)


def test_reads_of_unequal_length_count_in_their_cycles_only():
    counts = quality.counts(quality.padded([b"II", b"I5I"]))
    assert counts.sum(axis=1).tolist() == [2, 2, 1]
    assert quality.add(counts, counts[:1]).sum(axis=1).tolist() == [4, 2, 1]


def test_gathered_rows_follow_the_sheet_and_runs_add_up(tmp_path):
    forward, reverse = map(str, mates(tmp_path))
    checked = check_samples(["b", "NA"], [forward] * 2, [reverse] * 2)
    rows, histograms = checked.rows, checked.histograms
    for shard in range(2):
        write_tsv(rows.iloc[[shard]], tmp_path / f"{shard}.tsv")
        write_npz(tmp_path / f"{shard}.npz", **histograms)
    frame = gather.samples(["NA", "b"], ["1", "2"], [tmp_path / "0.tsv", tmp_path / "1.tsv"])
    assert frame[["sample", "run", "pairs"]].to_numpy().tolist() == [["NA", "2", "20"], ["b", "1", "20"]]
    cycles, scores = gather.qualities(["1", "1"], [tmp_path / "0.npz", tmp_path / "1.npz"])
    assert scores.groupby("direction")["bases"].sum().tolist() == [4 * 320, 4 * 320]
    assert cycles.columns.tolist() == ["run", "direction", "cycle", "mean", "q25", "q50", "q75"]
    assert len(cycles) == 32


@pytest.mark.parametrize(("samples", "runs"), [(60, 2), (5000, 20), (15_096, 38), (15_096, 1), (100_000, 100)])
def test_shards_grow_so_that_large_studies_stay_below_a_thousand_jobs(samples, runs):
    size, of_run = settings.shard_size("auto", samples), -(-samples // runs)
    shards = runs * -(-of_run // size)
    # A shard is checked, trimmed, filtered and denoised; a run has two error models, drawn, and a sample of its reads.
    assert shards <= settings.SHARDS + runs
    assert size == settings.SHARD or size * settings.SHARDS >= samples
    if runs <= 40:
        assert 4 * shards + 7 * runs < 900
    assert settings.shard_size(50, samples) == 50
