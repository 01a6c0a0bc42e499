"""Primers: cut away they leave the reads as they were, whichever way round; reads without them are dropped, counted."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT

from taxoscape import tables
from taxoscape.errors import InputError
from taxoscape.files import write_tsv
from taxoscape.reads import primers, settings

CONFIG = {"primers": None, "primer_errors": 0.1, "primer_overlap": 12, "primer_share": 0.1}
V4 = {"forward": "GTGYCAGCMGCCGCGGTAA", "reverse": "GGACTACNVGGGTWTCTAAT"}
READS, LENGTH = 200, 120


def spelt_out(primer: str, rng: np.random.Generator) -> str:
    return "".join(rng.choice(list(primers.IUPAC[letter])) for letter in primer)


def random_reads(rng: np.random.Generator, count: int = READS, length: int = LENGTH) -> list[tuple[str, str]]:
    """Sequences with qualities."""
    bases, scores = rng.choice(list("ACGT"), (count, length)), rng.choice(list("5:BFHI"), (count, length))
    return [("".join(read), "".join(score)) for read, score in zip(bases, scores, strict=True)]


def ahead(primer: str, read: tuple[str, str]) -> tuple[str, str]:
    return primer + read[0], "I" * len(primer) + read[1]


def write(path: Path, reads: list[tuple[str, str]], mate: int = 1) -> str:
    text = "".join(
        f"@M:{number} {mate}:N:0:7\n{read}\n+\n{score}\n" for number, (read, score) in enumerate(reads) if read
    )
    path.write_bytes(gzip.compress(text.encode()))
    return str(path)


def read(path: Path) -> dict[int, tuple[str, str]]:
    """Number in the name -> sequence and qualities."""
    lines = gzip.decompress(Path(path).read_bytes()).decode().split("\n")
    names = [int(line.split()[0][3:]) for line in lines[:-1:4]]
    assert len(set(names)) == len(names)
    return dict(zip(names, zip(lines[1::4], lines[3::4], strict=True), strict=True))


def order(path: Path) -> list[str]:
    return [line.split()[0] for line in gzip.decompress(Path(path).read_bytes()).decode().split("\n")[:-1:4]]


@pytest.fixture
def pairs() -> list[list[tuple[str, str]]]:
    rng = np.random.default_rng(1)
    return [random_reads(rng), random_reads(rng)]


@pytest.fixture
def with_primers(pairs) -> list[list[tuple[str, str]]]:
    """The same pairs with primers in front, every degenerate base drawn."""
    rng = np.random.default_rng(2)
    return [
        [ahead(spelt_out(V4[direction], rng), one) for one in reads]
        for direction, reads in zip(("forward", "reverse"), pairs, strict=True)
    ]


def trim(folder: Path, mates: list, used: dict = V4, cores: int = 1, **changed):
    """Counts and trimmed files of one sample named `gut 7`."""
    files = [[write(folder / f"raw{mate}.fastq.gz", reads, mate + 1)] for mate, reads in enumerate(mates)]
    files += [[]] * (2 - len(files))
    table = primers.trim_samples(["gut 7"], *files, used, folder / "cut", CONFIG | changed, cores)
    return table.iloc[0].to_dict(), sorted((folder / "cut").iterdir())


def test_cutting_undoes_what_adding_did(tmp_path, pairs, with_primers):
    counts, files = trim(tmp_path, with_primers)
    assert [path.name for path in files] == ["0001_R1.fastq.gz", "0001_R2.fastq.gz"]
    assert [list(read(path).values()) for path in files] == pairs
    fates = {"as_given": READS, "turned": 0, "without_primers": 0, "empty": 0, "kept": READS}
    assert counts == {"sample": "gut 7", "reads": READS, **fates}


def test_swapped_mates_are_turned_round(tmp_path, pairs, with_primers):
    swapped = [pair[::-1] if number % 3 == 0 else pair for number, pair in enumerate(zip(*with_primers, strict=True))]
    counts, files = trim(tmp_path, list(zip(*swapped, strict=True)))
    for path, reads in zip(files, pairs, strict=True):
        assert read(path) == dict(enumerate(reads))
    assert order(files[0]) == order(files[1])
    assert (counts["as_given"], counts["turned"], counts["kept"]) == (133, 67, READS)


def test_a_pair_with_one_primer_only_is_dropped_whole(tmp_path, pairs, with_primers):
    mixed = [pairs[0][:30] + with_primers[0][30:], pairs[1][:10] + with_primers[1][10:]]
    counts, files = trim(tmp_path, mixed)
    assert counts["without_primers"] == 30
    assert [sorted(read(path)) for path in files] == [list(range(30, READS))] * 2


@pytest.mark.parametrize("beyond", [-5, 30], ids=["part of the primer", "beyond the primer"])
def test_reads_that_run_through_end_where_their_amplicon_does(tmp_path, pairs, beyond):
    rng = np.random.default_rng(3)
    whole = [[], []]
    for sequence, score in pairs[0]:
        forward, reverse = spelt_out(V4["forward"], rng), spelt_out(V4["reverse"], rng)
        strand = forward + sequence + primers.reverse_complement(reverse)
        for mate, template in enumerate((strand, primers.reverse_complement(strand))):
            read_through = (template + "CTGTCTCTTATACACATCTCCGAGCCCACGAGAC")[: len(template) + beyond]
            scores = "I" * (len(forward), len(reverse))[mate] + (score if mate == 0 else score[::-1])
            whole[mate].append((read_through, scores.ljust(len(read_through), "5")[: len(read_through)]))
    _, files = trim(tmp_path, whole)
    assert list(read(files[0]).values()) == pairs[0]
    assert list(read(files[1]).values()) == [(primers.reverse_complement(one), score[::-1]) for one, score in pairs[0]]


def test_single_reads_that_span_their_amplicon_are_turned_round(tmp_path, pairs):
    rng = np.random.default_rng(4)
    through = []
    for number, (sequence, score) in enumerate(pairs[0]):
        tail = primers.reverse_complement(spelt_out(V4["reverse"], rng))
        strand, scores = spelt_out(V4["forward"], rng) + sequence + tail, "I" * 19 + score + "I" * 20
        through.append((primers.reverse_complement(strand), scores[::-1]) if number % 4 == 0 else (strand, scores))
    counts, files = trim(tmp_path, [through + pairs[1][:9]])
    assert [path.name for path in files] == ["0001_R1.fastq.gz"]
    assert list(read(files[0]).values()) == pairs[0]
    assert (counts["as_given"], counts["turned"], counts["without_primers"]) == (150, 50, 9)


def test_a_single_forward_primer_is_enough_for_single_reads(tmp_path, pairs, with_primers):
    counts, files = trim(tmp_path, with_primers[:1], V4 | {"reverse": None})
    assert list(read(files[0]).values()) == pairs[0]
    assert counts["kept"] == READS


def test_bases_before_the_primer_go_with_it(tmp_path, pairs, with_primers):
    spaced = [[ahead("TCAGT"[: number % 6], one) for number, one in enumerate(reads)] for reads in with_primers]
    _, files = trim(tmp_path, spaced)
    assert [list(read(path).values()) for path in files] == pairs


def test_errors_are_forgiven_up_to_the_rate_asked_for(tmp_path, with_primers):
    def mistaken(read, count):
        sequence = list(read[0])
        for place in range(2, 2 + 3 * count, 3):
            sequence[place] = "T" if sequence[place] == "A" else "A"
        return "".join(sequence), read[1]

    reads = [[mistaken(one, number % 3) for number, one in enumerate(with_primers[0])], with_primers[1]]
    found = [trim(tmp_path / name, reads, primer_errors=rate)[0]["kept"] for name, rate in made(tmp_path)]
    assert found[0] == 67
    assert 67 < found[1] < 150
    assert found[2] == READS


def made(folder: Path):
    for name, rate in {"none": 0.0, "one": 0.06, "two": 0.15}.items():
        (folder / name).mkdir()
        yield name, rate


def test_primer_dimers_are_counted_apart(tmp_path, with_primers):
    reads = [[(sequence[:19], score[:19]) for sequence, score in with_primers[0][:5]] + with_primers[0][5:]]
    counts, _ = trim(tmp_path, [*reads, with_primers[1]])
    assert (counts["empty"], counts["kept"], counts["without_primers"]) == (5, READS - 5, 0)


def test_cores_and_repeats_change_no_byte(tmp_path, with_primers):
    found = []
    for number, cores in enumerate((1, 2, 2)):
        (tmp_path / str(number)).mkdir()
        found.append([path.read_bytes() for path in trim(tmp_path / str(number), with_primers, cores=cores)[1]])
    assert found[0] == found[1] == found[2]


def test_a_sample_without_primers_is_refused_by_name(tmp_path, pairs, with_primers):
    few = [with_primers[mate][:15] + pairs[mate][15:] for mate in range(2)]
    with pytest.raises(InputError, match="sample gut 7: only 15 of 200 reads .*raw0.fastq.gz.* start with") as caught:
        trim(tmp_path, few)
    for words in (V4["forward"], V4["reverse"], "set it to null", "reads.primer_share=0.1"):
        assert words in str(caught.value)
    assert not (tmp_path / "cut").exists()
    assert trim(tmp_path, few, primer_share=0.05)[0]["kept"] == 15


def test_complements_pair_and_letters_are_read_as_they_are_ordered():
    for letter, bases in primers.IUPAC.items():
        paired = {primers.reverse_complement(base) for base in bases}
        assert set(primers.IUPAC[primers.reverse_complement(letter)]) == paired
    assert primers.reverse_complement(primers.reverse_complement(V4["reverse"])) == V4["reverse"]
    assert primers.spelled(" ggIcu ") == "GGNCT"


def test_trimmed_shards_take_the_place_of_raw_files_in_their_order(tmp_path):
    for shard, count in (("0", 2), ("1", 1)):
        (tmp_path / shard).mkdir()
        for place in range(count):
            for mate in "12":
                (tmp_path / shard / f"{place + 1:04d}_R{mate}.fastq.gz").touch()
    forward, reverse = primers.trimmed_files([tmp_path / "0", tmp_path / "1"], ["a"], ["b"])
    assert [path[-19:] for path in forward] == [f"/{shard}/000{n}_R1.fastq.gz" for shard, n in ("01", "02", "11")]
    assert [path.replace("_R2", "_R1") for path in reverse] == forward
    assert primers.trimmed_files([], ["a"], []) == (["a"], [])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"forward": "GTGXCAGCMGCCGCGGTAA"}, "reads.primers.forward='GTGXCAGCMGCCGCGGTAA' holds 'X'"),
        ({"reverse": "GGACTAC NVGGG"}, "reads.primers.reverse='GGACTAC NVGGG' holds ' '"),
        ({"forward": "GTGCC"}, "reads.primers.forward='GTGCC' has 5 nt"),
        ({"reverse": V4["forward"].lower()}, "are one primer"),
        ({"reverse": primers.reverse_complement(V4["forward"])}, "are one primer"),
    ],
)
def test_what_is_no_primer_is_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        settings.check_reads(CONFIG | {"primers": V4 | wrong})


def test_an_overlap_longer_than_a_primer_is_refused():
    with pytest.raises(InputError, match="has 19 nt, .* reads.primer_overlap=20"):
        settings.check_reads(CONFIG | {"primers": V4, "primer_overlap": 20})


def test_pairs_need_both_primers_and_both_lengths():
    config = {"reads": CONFIG | {"primers": V4 | {"reverse": None}}, "denoise": {"truncate": [240, 160]}}
    settings.check_ends(config, paired=False)
    with pytest.raises(InputError, match="reads.primers.reverse is null"):
        settings.check_ends(config, paired=True)
    config = {"reads": CONFIG, "denoise": {"truncate": [240]}}
    settings.check_ends(config, paired=False)
    with pytest.raises(InputError, match=r"denoise.truncate=\[240\] has one length"):
        settings.check_ends(config, paired=True)


# Through the workflow, on real reads.


@pytest.fixture(scope="module")
def mock(data, tmp_path_factory) -> Path:
    """Results of the MiSeq SOP mock with V4 primers put on and every third pair swapped, up to DADA2's filter."""
    folder, rng = tmp_path_factory.mktemp("mock"), np.random.default_rng(5)
    raw = sorted((data / "fastq_miseqsop/raw").glob("Mock*.fastq.gz"))
    lines = [gzip.decompress(path.read_bytes()).decode().split("\n")[:-1] for path in raw]
    mates = [[], []]
    for number in range(0, len(lines[0]), 4):
        pair = [
            ahead(spelt_out(V4[way], rng), reads[number + 1 : number + 4 : 2])
            for way, reads in zip(V4, lines, strict=True)
        ]
        for reads, one in zip(mates, pair[::-1] if number % 3 == 0 else pair, strict=True):
            reads.append(one)
    rows = []
    for sample, last in {"some": 300, "Mock": 0, "few": 100}.items():
        files = [folder / f"{sample}_R{mate}.fastq.gz" for mate in (1, 2)]
        written = [write(path, mates[mate][-last:], mate + 1) for mate, path in enumerate(files)]
        rows.append((sample, *written))
    write_tsv(pd.DataFrame(rows, columns=["sample", "fq1", "fq2"]), folder / "samples.tsv")
    write_tsv(pd.DataFrame({"sample_id": ["some", "Mock", "few"]}), folder / "metadata.tsv")
    config = {
        "input": {"samples": "samples.tsv"},
        "reads": {"primers": "auto", "shard": 2},
        "metadata": {"file": "metadata.tsv", "folds": 3},
        "taxonomy": {"training_set": str(data / "miseq360_f1000/original/rdp_train_set_14.fa.gz")},
        "functions": {"method": "none"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = f"{sys.executable} -m snakemake results/denoise/counts/1/0.tsv --notemp --cores 2".split()
    command += ["--snakefile", ROOT / "Snakefile", "--directory", folder, "--configfile", folder / "config.yaml"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(list(map(str, command)), env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "results"


@pytest.mark.slow
def test_real_reads_come_back_and_filter_as_published(mock, data):
    for mate in "12":
        before = gzip.decompress(next((data / "fastq_miseqsop/raw").glob(f"Mock*_R{mate}_*")).read_bytes()).split(b"\n")
        after = read(mock / f"reads/trimmed/1/0/0002_R{mate}.fastq.gz")
        whole = zip(before[1::4], before[3::4], strict=True)
        assert after == {number: (one.decode(), score.decode()) for number, (one, score) in enumerate(whole)}
    fates = tables.read_tsv(mock / "reads/primers.tsv", "primers").iloc[1]
    assert fates[["reads", "as_given", "turned", "kept"]].astype(int).tolist() == [4779, 3186, 1593, 4779]
    assert json.loads((mock / "reads/primers.json").read_text()) == V4
    filtered = tables.read_tsv(mock / "denoise/counts/1/0.tsv", "counts")
    assert filtered["filtered"].iloc[1] == "4314"  # as the tutorial has it for the reads as they were
    assert json.loads((mock / "reads/versions.json").read_text())["versions"]["cutadapt"]
