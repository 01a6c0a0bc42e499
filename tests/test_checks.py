"""Bad input is refused before any job, in one line that names the thing, the value, the file and the way out."""

import copy
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from taxoscape import checks, tables
from taxoscape.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
SAMPLES = [f"s{number}" for number in range(12)]
FEATURES = [f"f{number}" for number in range(6)]


def defaults() -> dict:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def leaves(section: dict, prefix: tuple = ()) -> list[tuple]:
    """Key paths of a nested mapping down to its values."""
    found = []
    for key, value in section.items():
        found += leaves(value, (*prefix, key)) if isinstance(value, dict) and value else [(*prefix, key)]
    return found


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A small study that enters as a table, with every file it could have; returns its config."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    tables.write_table(rng.integers(50, 100, (12, 6)), FEATURES, SAMPLES, "table.biom")
    tables.write_fasta({name: "ACGT" * 30 + "A" * (index + 1) for index, name in enumerate(FEATURES)}, "seqs.fasta")
    Path("tree.nwk").write_text("(((f0:1,f1:1):1,(f2:1,f3:1):1):1,(f4:1,f5:1):1);\n")
    lineages = pd.DataFrame({"Feature ID": FEATURES, "Taxon": "k__Bacteria; p__Firmicutes"})
    lineages.to_csv("taxonomy.tsv", sep="\t", index=False)
    rows = {"sample_id": SAMPLES, "host": np.repeat(range(6), 2), "age": range(12), "diet": ["a", "b"] * 6}
    pd.DataFrame(rows).to_csv("metadata.tsv", sep="\t", index=False)
    config = defaults()
    config["input"] |= {
        "kind": "table",
        "table": "table.biom",
        "sequences": "seqs.fasta",
        "tree": "tree.nwk",
        "taxonomy": "taxonomy.tsv",
    }
    config["rarefy"]["depth"] = 100
    config["functions"]["method"] = "none"
    config["metadata"] |= {
        "file": "metadata.tsv",
        "group": ["host"],
        "fields": {"age": {"type": "continuous", "unit": "years"}},
        "targets": {"age": "regression", "diet": "classification"},
    }
    return config


@pytest.fixture
def reads(study):
    """The same study entering as reads."""
    study["input"] = {"kind": "reads", "samples": "samples.tsv"} | dict.fromkeys(
        ("table", "sequences", "tree", "taxonomy", "ko")
    )
    study["taxonomy"]["training_set"] = "training.fa"
    Path("training.fa").write_text(">Bacteria;Firmicutes;\nACGT\n")
    for sample in SAMPLES:
        for mate in "12":
            with gzip.open(f"{sample}_{mate}.fastq.gz", "wt") as handle:
                handle.write("@r\nACGT\n+\nIIII\n")
    write_sheet([[sample, f"{sample}_1.fastq.gz", f"{sample}_2.fastq.gz"] for sample in SAMPLES])
    return study


def write_sheet(rows: list, columns: tuple = ("sample", "fq1", "fq2")) -> None:
    pd.DataFrame(rows, columns=list(columns)).to_csv("samples.tsv", sep="\t", index=False)


def refused(config: dict) -> str:
    checks.check_config(config, SCHEMA)
    with pytest.raises(InputError) as caught:
        checks.check_study(config)
    return str(caught.value)


def test_the_defaults_and_the_demo_pass_the_schema():
    config = defaults()
    checks.check_config(config, SCHEMA)
    demo = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    for section, values in demo.items():
        config[section] |= values
    checks.check_config(config, SCHEMA)


def test_schema_and_defaults_know_the_same_keys():
    schema = yaml.safe_load(SCHEMA.read_text())

    def keys(part: dict, prefix: tuple = ()) -> set[tuple]:
        found = set()
        for key, value in part.get("properties", {}).items():
            inner = keys(value, (*prefix, key)) if value.get("type") == "object" else set()
            found |= inner or {(*prefix, key)}
        return found

    assert keys(schema) == set(leaves(defaults()))


def test_the_order_of_keys_is_that_of_the_defaults_whatever_a_study_writes(study):
    study["metadata"]["targets"] = {"diet": "classification", "age": "regression"}
    turned = {key: dict(reversed(value.items())) if isinstance(value, dict) else value for key, value in study.items()}
    turned["metadata"]["targets"] = study["metadata"]["targets"]
    first, second = (checks.ordered(config, defaults()) for config in (study, dict(reversed(turned.items()))))
    assert str(first) == str(second)
    assert list(first["metadata"]["targets"]) == ["diet", "age"]


def test_numbers_that_the_command_line_gives_as_text_are_numbers_where_no_text_belongs():
    given = {
        "aam": {"epochs": "100", "lr": "1e-3", "device": "1"},
        "diffusion": {"calibrate": "false", "conditions": "a.tsv"},
    }
    given |= {
        "denoise": {"max_ee": ["2", "2.5"]},
        "metadata": {"fields": {"who": {"type": "1"}}},
        "rarefy": {"depth": "deep"},
        "reads": {"shard": "64"},
        "functions": {"normalise": "true"},
    }
    found = checks.ordered(given, defaults())
    assert found["aam"] == {"epochs": 100, "lr": 0.001, "device": "1"}
    assert found["diffusion"] == {"calibrate": False, "conditions": "a.tsv"}
    assert found["denoise"] == {"max_ee": [2, 2.5]}
    assert found["metadata"]["fields"]["who"]["type"] == "1"
    assert found["rarefy"] == {"depth": "deep"}
    assert found["reads"] == {"shard": 64}  # by default auto
    assert found["functions"] == {"normalise": True}


def test_a_whole_study_is_accepted(study):
    checks.check_config(study, SCHEMA)
    checks.check_study(study)


def test_a_study_of_reads_is_accepted(reads):
    checks.check_config(reads, SCHEMA)
    checks.check_study(reads)


@pytest.mark.parametrize("path", leaves(defaults()), ids=".".join)
def test_a_misspelt_key_is_named_with_the_right_one(path):
    config = defaults()
    section = config
    for key in path[:-1]:
        section = section[key]
    section[path[-1] + "s_"] = section.get(path[-1])
    with pytest.raises(InputError, match="unknown config key") as caught:
        checks.check_config(config, SCHEMA)
    assert path[-1] in str(caught.value)


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("images", "size", "large", "config images.size='large' has the wrong type: integer"),
        ("denoise", "pool", "all", "config denoise.pool='all': choose one of independent, pseudo, within_run, pooled"),
        ("rarefy", "depth", None, "config rarefy.depth=None has the wrong type: integer, string"),
        ("rarefy", "depth", "automatic", "config rarefy.depth: 'automatic' does not match"),
        ("rarefy", "keep", 0, "config rarefy.keep: 0 is less than or equal to the minimum of 0"),
        ("rarefy", "depth", 0, "config rarefy.depth: 0 is less than the minimum of 1"),
        ("denoise", "truncate", [240, 160, 9], "config denoise.truncate: .* too long"),
        ("denoise", "truncate", "best", "config denoise.truncate: .best. does not match"),
        ("reads", "primers", "V4", "config reads.primers: 'V4' does not match '\\^auto\\$'"),
        ("reads", "primers", {"forward": "GTGCCAGCMGCCGCGGTAA"}, "config reads.primers: 'reverse' is a required"),
        ("reads", "primer_errors", 0.9, "config reads.primer_errors: 0.9 is greater than or equal to"),
        ("metadata", "test", 1.5, "config metadata.test: 1.5 is greater than the maximum"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(section, key, value, message):
    config = defaults()
    config[section][key] = value
    with pytest.raises(InputError, match=message):
        checks.check_config(config, SCHEMA)


CASES = {
    "absent table": (lambda c: c["input"].update(table="no.biom"), "table no.biom does not exist"),
    "absent tree": (lambda c: c["input"].update(tree="no.nwk"), "input.tree no.nwk does not exist"),
    "absent metadata": (lambda c: c["metadata"].update(file="no.tsv"), "no.tsv does not exist"),
    "no metadata": (lambda c: c["metadata"].update(file=None), "metadata.file"),
    "depth above every sample": (lambda c: c["rarefy"].update(depth=10**6), r"rarefy.depth=1000000 keeps 0 of 12"),
    "more folds than groups": (lambda c: c["metadata"].update(folds=7), "7 .*6|6 .*7"),
    "regression on words": (lambda c: c["metadata"].update(targets={"diet": "regression"}), "diet.*'a'|'a'.*diet"),
    "absent column": (lambda c: c["metadata"].update(targets={"agee": "regression"}), "agee.*age"),
    "no ko table": (
        lambda c: c["functions"].update(method="table"),
        "functions.method=table needs functions.reference.ko",
    ),
    "no reference": (
        lambda c: c["functions"].update(method="nearest"),
        "functions.method=nearest needs functions.reference.sequences",
    ),
    "filter of everything": (lambda c: c["filter"].update(min_length=200), "filter keeps 0 of 6 ASVs"),
    "lengths in disorder": (lambda c: c["filter"].update(min_length=9, max_length=8), "filter.min_length=9 is above"),
    "prevalence above all": (lambda c: c["filter"].update(min_samples=13), "more than the 12 samples"),
    "lineage of ranks": (lambda c: c["filter"].update(exclude=["A;B"]), "filter.exclude holds 'A;B'"),
    "no such training set": (
        lambda c: (c["input"].update(taxonomy=None), c["taxonomy"].update(training_set="silva_138.3")),
        "taxonomy.training_set silva_138.3 does not exist.* did you mean silva_138.2 or silva_138.1",
    ),
    "species set as training set": (
        lambda c: (c["input"].update(taxonomy=None), c["taxonomy"].update(training_set="rdp_18_species")),
        "taxonomy.training_set=rdp_18_species: .* of kind 'species set' .* 'training set' is needed",
    ),
    "absent species set": (
        lambda c: (
            c["input"].update(taxonomy=None),
            c["taxonomy"].update(training_set="seqs.fasta", species="silva_138"),
        ),
        "taxonomy.species silva_138 does not exist.* did you mean silva_138.* or silva_138",
    ),
    "training set as species set": (
        lambda c: (c["input"].update(taxonomy=None), c["taxonomy"].update(training_set="seqs.fasta", species="rdp_19")),
        "taxonomy.species=rdp_19: .* of kind 'training set' .* 'species set' is needed",
    ),
    "several of no species": (
        lambda c: c["taxonomy"].update(allow_multiple=True),
        "taxonomy.allow_multiple is true, but taxonomy.species names no species set",
    ),
    "a download offline": (
        lambda c: (c["input"].update(taxonomy=None), c["references"].update(offline=True)),
        "taxonomy.training_set=silva_138.2 would be downloaded, but references.offline is true: put https://zenodo",
    ),
    "no table": (lambda c: c["input"].update(table=None), "input.kind is table, but input.table names no file"),
    "no Newick": (
        lambda c: c["input"].update(tree="seqs.fasta"),
        "input.tree seqs.fasta is no Newick tree: it must start with '[(]' and end with ';'",
    ),
    "absent taxonomy": (lambda c: c["input"].update(taxonomy="no.tsv"), "taxonomy no.tsv does not exist"),
    "absent ko": (lambda c: c["input"].update(ko="no.tsv"), "input.ko no.tsv does not exist"),
    "table with kind reads": (lambda c: c["input"].update(kind="reads"), "input.samples names no sample sheet"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_study_that_does_not_fit_is_refused(study, case):
    change, message = CASES[case]
    change(study)
    assert pytest.raises(InputError, checks.check_study, study).match(message)


def test_a_tree_that_lacks_tips_is_refused_with_counts_and_examples(study):
    Path("tree.nwk").write_text("((f0:1,f1:1):1,f2:1);\n")
    assert "lacks 3 of the 6 features" in refused(study)
    assert "f3, f4, f5" in refused(study)
    study["phylogeny"]["missing_tips"] = "drop"
    checks.check_study(study)


def test_a_tree_may_lack_what_the_filter_removes(study):
    frame = pd.read_csv("taxonomy.tsv", sep="\t")
    frame.loc[5, "Taxon"] = "k__Bacteria; p__Cyanobacteria; c__Chloroplast"
    frame.to_csv("taxonomy.tsv", sep="\t", index=False)
    Path("tree.nwk").write_text("(((f0:1,f1:1):1,(f2:1,f3:1):1):1,f4:1);\n")
    checks.check_study(study)
    study["filter"]["exclude"] = []
    assert "lacks 1 of the 6 features of the table: f5" in refused(study)


def test_a_depth_that_the_filtered_samples_do_not_reach_is_refused(study):
    study["rarefy"]["depth"] = 300
    checks.check_study(study)
    study["filter"]["max_length"] = 123
    assert "rarefy.depth=300 keeps 0 of 12" in refused(study)


def test_a_sample_without_a_metadata_row_is_refused_unless_it_may_be_dropped(study):
    frame = pd.read_csv("metadata.tsv", sep="\t")
    frame.drop(index=[2]).to_csv("metadata.tsv", sep="\t", index=False)
    assert "s2" in refused(study)
    study["metadata"]["unmatched"] = "drop"
    checks.check_study(study)


def test_duplicate_metadata_rows_are_refused(study):
    frame = pd.read_csv("metadata.tsv", sep="\t")
    pd.concat([frame, frame.iloc[[4]]]).to_csv("metadata.tsv", sep="\t", index=False)
    assert "s4" in refused(study)


def test_relative_abundances_are_refused(study):
    tables.write_table(np.full((12, 6), 0.25), FEATURES, SAMPLES, "table.biom")
    assert "relative abundances" in refused(study)


def test_a_table_without_sequences_says_what_needs_them(study):
    study["input"]["sequences"] = None
    assert "aam.enabled: false" in refused(study)
    study["aam"]["enabled"] = False
    checks.check_study(study)
    study["functions"]["method"] = "parsimony"
    assert "functions.method=parsimony needs sequences, but the feature ids of table.biom (f0, f1," in refused(study)
    study["functions"]["method"] = "none"
    study["input"]["taxonomy"] = None
    assert "comes without sequences, so input.taxonomy must name its lineages" in refused(study)
    study["input"]["tree"] = None
    assert "comes without sequences, so input.tree must name its tree" in refused(study)


def test_sequences_of_another_study_are_refused(study):
    tables.write_fasta({"other": "ACGT" * 30}, "seqs.fasta")
    assert "none of the 6 features" in refused(study)


def test_denoise_settings_are_held_against_the_study(reads):
    reads["denoise"]["max_length"] = 200
    assert "denoise.max_length=200" in refused(reads)


def test_absent_and_empty_fastq_files_are_named(reads):
    Path("s3_2.fastq.gz").unlink()
    assert "s3_2.fastq.gz" in refused(reads)
    Path("s3_2.fastq.gz").touch()
    assert "empty" in refused(reads)


def test_a_sheet_with_a_sample_twice_is_refused(reads):
    rows = [[sample, f"{sample}_1.fastq.gz", f"{sample}_2.fastq.gz"] for sample in [*SAMPLES, "s1"]]
    write_sheet(rows)
    assert "names 1 samples twice: s1" in refused(reads)


def test_a_file_given_twice_is_refused(reads):
    write_sheet([[sample, "s1_1.fastq.gz", "s1_1.fastq.gz"] for sample in SAMPLES])
    assert "stand twice" in refused(reads)


def test_a_sheet_with_nothing_in_it_is_refused(reads):
    write_sheet([])
    assert "sample sheet samples.tsv names no sample" in refused(reads)
    write_sheet([["s1", "s1_1.fastq.gz", "s1_2.fastq.gz"], ["s2", "", "s2_2.fastq.gz"]])
    assert "sample sheet samples.tsv line 3: fq1 is empty" in refused(reads)


@pytest.mark.parametrize("key", ["sequences", "tree", "taxonomy"])
def test_files_given_beside_reads_must_exist(reads, key):
    reads["input"][key] = "no.file"
    assert f"input.{key} no.file does not exist (paths are relative to the working directory)" in refused(reads)


def test_reads_and_a_table_at_once_are_refused(reads):
    reads["input"]["table"] = "table.biom"
    assert "input.kind is reads, but input.table names table.biom: set input.kind: table" in refused(reads)


def test_a_sheet_without_its_columns_is_refused(reads):
    write_sheet([["s1", "x"]], ("sample", "forward"))
    assert "lacks the columns fq1 (it has sample, forward)" in refused(reads)


@pytest.mark.parametrize("columns", [("sample", "fq1"), ("sample", "fq1", "fq2")])
def test_a_sheet_without_second_files_is_single_end(reads, columns):
    write_sheet([[sample, f"{sample}_1.fastq.gz", ""][: len(columns)] for sample in SAMPLES], columns)
    assert (checks.read_sheet("samples.tsv")["fq2"] == "").all()
    reads["denoise"]["truncate"] = [240]
    checks.check_study(reads)


def test_single_reads_among_pairs_are_refused_by_name(reads):
    rows = [[sample, f"{sample}_1.fastq.gz", f"{sample}_2.fastq.gz"] for sample in SAMPLES]
    rows[4][2] = ""
    write_sheet(rows)
    assert "mixes single-end and paired-end samples: fq2 is empty for 1 of 12 (s4)" in refused(reads)


def test_second_files_under_another_name_are_no_single_end_study(reads):
    write_sheet([["s1", "s1_1.fastq.gz", "s1_2.fastq.gz"]], ("sample", "fq1", "fastq_2"))
    assert "has a column 'fastq_2' but none called fq2" in refused(reads)


def test_one_length_for_pairs_is_refused(reads):
    reads["denoise"]["truncate"] = [240]
    assert "denoise.truncate=[240] has one length, but the samples are paired-end" in refused(reads)


def test_what_is_no_primer_is_refused_before_any_job(reads):
    reads["reads"]["primers"] = {"forward": "GTGCCAGCMGCCGCGGTAA", "reverse": "GGACTACHVGGG.."}
    with pytest.raises(InputError, match=r"reads.primers.reverse='GGACTACHVGGG..' holds '\.'"):
        checks.check_config(reads, SCHEMA)


def test_a_loss_without_its_optimizer_is_refused_before_any_job(study):
    study["embedding"]["loss"] = "edges"
    with pytest.raises(InputError, match="embedding.loss=edges is minimized by radam only"):
        checks.check_config(study, SCHEMA)


def test_options_of_aam_that_do_not_go_together_are_refused(study):
    study["metadata"]["targets"] = {"diet": "classification"}
    study["aam"]["best_metric"] = "mae"
    with pytest.raises(InputError, match="aam.best_metric=mae does not fit target diet"):
        checks.check_config(study, SCHEMA)


def test_fields_that_no_distribution_could_read_are_refused(study):
    study["phenotype"]["fields"] = True
    with pytest.raises(InputError, match="phenotype.fields is true, but metadata.fields names nothing besides"):
        checks.check_config(study, SCHEMA)


def test_a_run_name_that_is_no_file_name_is_refused(reads):
    write_sheet([["s1", "../up", "s1_1.fastq.gz", "s1_2.fastq.gz"]], ("sample", "run", "fq1", "fq2"))
    assert "../up" in refused(reads)


def test_every_message_is_one_line(study):
    for change, _ in CASES.values():
        config = copy.deepcopy(study)
        change(config)
        with pytest.raises(InputError) as caught:
            checks.check_study(config)
        assert "\n" not in str(caught.value)


def test_the_readme_of_the_config_lists_every_key_with_its_default():
    text = (ROOT / "config" / "README.md").read_text()
    config = defaults()
    for path in leaves(config):
        value = config
        for key in path:
            value = value[key]
        name = ".".join(path)
        if name.startswith("functions.reference."):
            name = "functions.reference"
            value = config["functions"]["reference"]
        row = next((line for line in text.splitlines() if line.startswith(f"| `{name}` |")), None)
        assert row, f"config/README.md lacks {name}"
        assert yaml.safe_load(row.split("`")[3]) == value, f"config/README.md has another default for {name}"


@pytest.mark.parametrize(
    ("section", "changed", "message"),
    [
        ("input", {"kind": "reads"}, "^R is not installed: run make setup, or snakemake --sdm conda"),
        ("functions", {"method": "nearest"}, "^vsearch is not installed"),
        ("functions", {"method": "parsimony"}, "^vsearch is not installed"),
        ("functions", {"method": "picrust2"}, r"^PICRUSt2 \(picrust2_pipeline.py\) is not installed"),
    ],
)
def test_absent_programs_are_named_before_any_job(study, monkeypatch, section, changed, message):
    monkeypatch.setenv("PATH", "/nowhere")
    checks.check_programs(study)
    study[section] |= changed
    with pytest.raises(InputError, match=message):
        checks.check_programs(study)


def test_cutadapt_is_needed_where_primers_are_cut(study, monkeypatch, tmp_path):
    (tmp_path / "R").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    study["input"] |= {"kind": "reads"}
    checks.check_programs(study)
    study["reads"]["primers"] = "auto"
    with pytest.raises(InputError, match="^cutadapt is not installed"):
        checks.check_programs(study)
