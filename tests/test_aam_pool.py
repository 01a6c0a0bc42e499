"""Pooling of studies: no read is lost or moved, and sequences of one region meet wherever their reads start."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from taxoscape import tables
from taxoscape.aam import cli
from taxoscape.errors import InputError

RNG = np.random.default_rng(0)
GENES = ["".join(RNG.choice(list("ACGT"), 120)) for _ in range(30)]


def write(folder, sequences: list[str], prefix: str) -> dict:
    """A study of these sequences, three samples of two people."""
    folder.mkdir()
    counts = RNG.poisson(5, (3, len(sequences))) + 1
    names, samples = [f"f{n}" for n in range(len(sequences))], [f"{prefix}{n}" for n in range(3)]
    tables.write_table(scipy.sparse.csr_matrix(counts), names, samples, folder / "table.biom")
    tables.write_fasta(dict(zip(names, sequences, strict=True)), folder / "asvs.fasta")
    pd.DataFrame({"id": samples, "host": ["h1", "h1", "h2"]}).to_csv(folder / "people.tsv", sep="\t", index=False)
    return {"folder": folder, "counts": counts, "sequences": sequences, "samples": samples}


def pool(out, *studies: dict, **options: object) -> None:
    arguments = ["pool", "--output-dir", str(out)]
    for study in studies:
        arguments += ["--table", str(study["folder"] / "table.biom")]
        arguments += ["--sequences", str(study["folder"] / "asvs.fasta")]
        arguments += ["--metadata", str(study["folder"] / "people.tsv"), "--group-column", "host"]
    for name, value in options.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    cli.aam.main(arguments, standalone_mode=False)


def reads_of(out) -> dict[tuple[str, str], int]:
    """Reads of (sample, sequence) in a pooled table."""
    table, known = tables.read_table(out / "table.biom"), tables.read_fasta(out / "asvs.fasta")
    matrix = table.matrix_data.T.tocoo()
    names = [known[name] for name in table.ids("observation")]
    return {(table.ids()[r], names[c]): int(v) for r, c, v in zip(matrix.row, matrix.col, matrix.data, strict=True)}


@pytest.mark.parametrize(("late", "short"), [(0, 0), (9, 0), (0, 17), (30, 11)])
def test_every_read_stays_with_its_sample_and_its_bases(tmp_path, late, short):
    """The second study starts `late` bases later, the third ends `short` bases earlier; 20 ASVs are common."""
    one = write(tmp_path / "one", GENES[:25], "a")
    two = write(tmp_path / "two", [gene[late:] for gene in GENES[5:]], "b")
    three = write(tmp_path / "three", [gene[: len(gene) - short] for gene in GENES[3:28]], "c")
    pool(tmp_path / "out", one, two, three, max_bp=1000)
    wanted = {}
    for study, begins in ((one, late), (two, 0), (three, late)):
        for row, sample in enumerate(study["samples"]):
            for column, sequence in enumerate(study["sequences"]):
                wanted[sample, sequence[begins : begins + 120 - late - short]] = study["counts"][row, column]
    assert reads_of(tmp_path / "out") == wanted
    report = json.loads((tmp_path / "out" / "pool.json").read_text())
    assert report["bases"] == 120 - late - short
    assert [study["first_base"] for study in report["studies"]] == [late, 0, late]
    assert report["asvs"] == 30
    assert report["asvs_shared"] == 25
    owners = pd.read_csv(tmp_path / "out" / "samples.tsv", sep="\t")
    assert owners["group"].nunique() == 6
    assert list(owners["sample_id"]) == one["samples"] + two["samples"] + three["samples"]


def test_asvs_that_differ_only_beyond_the_common_bases_are_one(tmp_path):
    twins = [GENES[0], GENES[0][:100] + GENES[1][100:], *GENES[2:20]]
    one, two = write(tmp_path / "one", twins, "a"), write(tmp_path / "two", GENES[:20], "b")
    pool(tmp_path / "out", one, two, max_bp=90)
    reads = reads_of(tmp_path / "out")
    assert {len(sequence) for _, sequence in reads} == {90}
    assert reads["a0", GENES[0][:90]] == one["counts"][0, :2].sum()


def test_asvs_that_end_too_early_are_left_out_and_told(tmp_path):
    cut = [GENES[0][:60], *GENES[1:25]]
    one, two = write(tmp_path / "one", cut, "a"), write(tmp_path / "two", GENES[:25], "b")
    one["counts"][:, 0] = 1
    tables.write_table(
        scipy.sparse.csr_matrix(one["counts"]),
        [f"f{n}" for n in range(25)],
        one["samples"],
        tmp_path / "one/table.biom",
    )
    pool(tmp_path / "out", one, two)
    report = json.loads((tmp_path / "out" / "pool.json").read_text())
    assert report["bases"] == 120
    assert report["studies"][0]["reads_left_out"] == pytest.approx(3 / one["counts"].sum())
    assert report["studies"][1]["reads_left_out"] == 0


def test_another_region_is_refused(tmp_path):
    other = ["".join(RNG.choice(list("ACGT"), 120)) for _ in range(30)]
    one, two = write(tmp_path / "one", GENES, "a"), write(tmp_path / "two", other, "b")
    with pytest.raises(InputError, match=r"two/table.biom does not read the region that .*one/table.biom reads"):
        pool(tmp_path / "out", one, two)


def test_samples_of_one_name_are_refused(tmp_path):
    one, two = write(tmp_path / "one", GENES, "a"), write(tmp_path / "two", GENES, "a")
    with pytest.raises(InputError, match="3 samples have the same name in two tables: a0, a1"):
        pool(tmp_path / "out", one, two)


def test_options_that_do_not_stand_once_per_table_are_refused(tmp_path):
    one, two = write(tmp_path / "one", GENES, "a"), write(tmp_path / "two", GENES, "b")
    with pytest.raises(InputError, match=r"--sequences stands 3 times, --table 2 times"):
        pool(tmp_path / "out", one, two, sequences=one["folder"] / "asvs.fasta")
