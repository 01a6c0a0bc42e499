"""Hostile names: refused before any job in one line that names them, or carried to the end as they are.

Whatever a sample, a feature, a subject, a field or a category is called, no file appears outside of the results,
nothing is executed, and on pages a name is text.
"""

import copy
import gzip
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import biom
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from browser import unpack
from conftest import ROOT, TINY, environment
from matplotlib.figure import Figure
from test_checks import defaults, reads, refused, study, write_sheet  # noqa: F401
from test_report import render

from taxoscape import checks, figures, metadata, tables, trees
from taxoscape.aam import saved
from taxoscape.diversity.study import read_ordinations
from taxoscape.errors import InputError, one_line
from taxoscape.files import read_npz
from taxoscape.forecast import animation
from taxoscape.learning import checkpoint
from taxoscape.phenotype import ensemble
from taxoscape.report.parts import Section, Table

# What must pass unchanged.
CARRIED = [
    "a b",
    "it's",
    'say "x"',
    "$(touch PWNED)",
    "`touch PWNED`",
    ";touch PWNED",
    "../../x",
    "a/b",
    "/tmp/x",
    "caf\u00e9",
    "cafe\u0301",  # equal to the one before once it is normalised
    "\U0001f600",
    "x" * 300,
    "-rf",
    "{wildcard}",
    "%s",
    "<script>alert(1)</script>",
    "</script><b>",
    "NaN",
    "NA",
    "001",
    "1",
    "1e5",
    "Case",
    "case",
    "$\\frac$",
    "a,b",
    "a:b|c",
    "#x",
    "=1+1",
    "{{ 7*7 }}",
]
# What no text file or page holds as it is.
REFUSED = [
    "a\tb",
    "a\nb",
    "a\rb",
    "a\x1bb",
    "a\u202eb",
    "a\u2028b",
    "a\x85b",
    "\u200bz",
    " a",
    "a ",
]
TARGETS = [
    *("a b'$(touch PWNED)", "`x`", "../x", "a/b", "/tmp/x", ".x", "-rf", "{x}", "a,b", 'say "x"', "x" * 300, "a\nb"),
    *("<b>", "a;b", "a*", "pretrain", "checkpoints", " a", "a ", "", "a=b", "a\u202eb", "~", "a\\b", "$HOME", "a:b"),
]


def one_clear_line(error: InputError, name: str) -> None:
    line = one_line(error)
    assert "\n" not in line
    assert len(line) < 1500
    assert repr(name)[1:20] in line or ascii(name)[1:20] in line


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("axis", ["sample", "feature"])
def test_ids_of_a_table_that_no_text_file_can_hold_are_refused(axis, name, tmp_path):
    ids = {"sample": ["s1", "s2"], "feature": ["f1", "f2"]}
    ids[axis][1] = name
    tables.write_table(np.ones((2, 2)), ids["feature"], ids["sample"], tmp_path / "t.biom")
    with pytest.raises(InputError, match="rename") as caught:
        tables.read_table(tmp_path / "t.biom")
    one_clear_line(caught.value, name)


@pytest.mark.parametrize("name", CARRIED)
def test_ids_of_a_table_and_lineages_pass_unchanged(name, tmp_path):
    tables.write_table(np.ones((2, 2)), ["f", name + "f"], ["s", name], tmp_path / "t.biom")
    found = tables.read_table(tmp_path / "t.biom")
    assert list(found.ids()) == ["s", name]
    assert list(found.ids("observation")) == ["f", name + "f"]
    (tmp_path / "t.tsv").write_text(f"Feature ID\tTaxon\n{name}\tk__{name}\n", encoding="utf-8")
    assert tables.read_taxonomy(tmp_path / "t.tsv").to_dict() == {name: f"k__{name}"}


@pytest.mark.parametrize("name", CARRIED)
def test_samples_of_a_sheet_pass_unchanged(name, reads):  # noqa: F811
    write(Path("samples.tsv"), {"sample": [name, "other"], "fq1": ["s1_1.fastq.gz", "s2_1.fastq.gz"]})
    assert list(checks.read_sheet("samples.tsv")["sample"]) == [name, "other"]


@pytest.mark.parametrize("name", ["a\u202eb", "a\x1bb", "a\x85b", "\u200bz"])
def test_samples_of_a_sheet_that_no_text_file_can_hold_are_refused(name, reads):  # noqa: F811
    write_sheet([[name, "s1_1.fastq.gz", "s1_2.fastq.gz"]])
    with pytest.raises(InputError, match="rename") as caught:
        checks.read_sheet("samples.tsv")
    one_clear_line(caught.value, name)


@pytest.mark.parametrize("name", ["$(touch PWNED)", "../x", "a/b", "a b", "-x", ".x", "x" * 300, "a'b", "{x}", "a,b"])
def test_runs_that_name_no_folder_are_refused(name, reads):  # noqa: F811
    write_sheet([["s1", name, "s1_1.fastq.gz", "s1_2.fastq.gz"]], ("sample", "run", "fq1", "fq2"))
    assert repr(name) in refused(reads)


@pytest.mark.parametrize("name", ["x" * 300, "no/such", "s1_1.fastq.gz/x", "\u202e", "$(touch PWNED)"])
def test_reads_that_are_not_there_are_named_whatever_they_are_called(name, reads):  # noqa: F811
    write_sheet([["s1", name, "s1_2.fastq.gz"]])
    assert "do not exist" in refused(reads)


@pytest.mark.parametrize("name", TARGETS)
def test_targets_that_name_no_folder_are_refused(name):
    config = defaults()["metadata"] | {"targets": {name: "regression"}}
    with pytest.raises(InputError, match="rename the column") as caught:
        metadata.columns(config)
    one_clear_line(caught.value, name)


@pytest.mark.parametrize("name", ["age", "age (years)", "BMI", "b_12", "Gr\u00f6\u00dfe", "1st-visit", "fat %", "x+y"])
def test_targets_of_plain_words_are_taken(name):
    assert metadata.columns(defaults()["metadata"] | {"targets": {name: "regression"}}) == {name: True}


@pytest.mark.parametrize("section", ["rarefy", "metadata", "input"])
def test_a_config_that_multiplies_itself_is_refused_in_one_short_line(section):
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    bomb = yaml.safe_load(text)["a8"]
    config = copy.deepcopy(defaults())
    config[section] = bomb
    with pytest.raises(InputError) as caught:
        checks.check_config(config, ROOT / "workflow" / "schemas" / "config.schema.yaml")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["$\\frac$", "$(touch PWNED)$", "a $x_{", "\U0001f600", "x" * 300])
def test_a_figure_shows_a_name_as_it_is(name):
    figure = Figure()
    axis = figure.subplots()
    axis.set(title=name, xlabel=name, yscale="log")
    axis.bar([name, "b"], [1, 100], label=name)
    axis.legend()
    figure.tight_layout()
    assert figures.png(figure, dpi=20).startswith(b"\x89PNG")
    assert axis.title.get_text() == name


class Elements(HTMLParser):
    """Every element and attribute of a page, and its texts."""

    def __init__(self):
        super().__init__()
        self.found, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, sorted(name for name, _ in attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def elements(html: str) -> list:
    parser = Elements()
    parser.feed(html)
    return parser.found


def files_of(place: Path, *but: str) -> set[str]:
    return {
        str(path.relative_to(place)) for path in place.rglob("*") if path.relative_to(place).parts[:2][-1] not in but
    }


FIELD = "<b>diet $x$ 'y'"
CONFIG = TINY | {
    "input": {"kind": "table", "table": "ta ble's.biom", "tree": "tr ee.nwk", "taxonomy": "tax \u00e9.tsv"},
    "functions": {"method": "none"},
    "rarefy": {"depth": 100},
    "aam": {"enabled": False},
    "phenotype": {"enabled": False},
    "diffusion": {"enabled": False},
    "forecast": {"enabled": False},
    "metadata": {
        "file": "meta data.tsv",
        "sample": "sample id",
        "group": ["who?"],
        "fields": {FIELD: {"type": "categorical"}},
        "folds": 2,
    },
}


@pytest.fixture(scope="module")
def carried(tmp_path_factory):
    """A study of hostile names, in a folder with a blank, a quote and an umlaut, run from its table to its gallery."""
    place = tmp_path_factory.mktemp("hostile")
    folder = place / "my st\u00fcdy's (1)"
    folder.mkdir()
    rng = np.random.default_rng(0)
    samples, features = CARRIED, [f"{name}" for name in CARRIED[:12]]
    tables.write_table(rng.integers(10, 90, (len(samples), 12)), features, samples, folder / "ta ble's.biom")
    tips = [f"'{name.replace(chr(39), 2 * chr(39))}':0.{1 + place}" for place, name in enumerate(features)]
    newick = f"(({','.join(tips[:6])}):0.2,({','.join(tips[6:])}):0.3);"
    (folder / "tr ee.nwk").write_text(newick + "\n", encoding="utf-8")
    lineages = [f"k__Bacteria; p__{name}; g__{name}" for name in features]
    rows = {"Feature ID": features, "Taxon": lineages}
    write(folder / "tax \u00e9.tsv", rows)
    kinds = ["<script>alert(2)</script>", "NaNo", "$\\frac$"] * len(samples)
    hosts = [f"{name}'s" for name in CARRIED]
    write(folder / "meta data.tsv", {"sample id": samples, "who?": hosts, FIELD: kinds[: len(samples)]})
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG, allow_unicode=True), encoding="utf-8")
    wanted = ["results/images/gallery.html", "results/export/table.biom", "results/rarefy/depths.png"]
    given = ["--snakefile", ROOT / "Snakefile", "--directory", folder, "--configfile", folder / "config.yaml"]
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *map(str, given), "--", *wanted]
    done = subprocess.run(command, cwd=place, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return folder


def write(path: Path, columns: dict) -> None:
    lines = ["\t".join(columns), *map("\t".join, zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.slow
def test_every_stage_has_the_names_as_they_were_given(carried):
    results = carried / "results"
    for name in ("denoise/table.biom", "filter/table.biom", "rarefy/table.biom"):
        assert list(tables.read_table(results / name).ids()) == CARRIED
    exported = biom.load_table(str(results / "export/table.biom"))
    assert set(exported.ids()) == set(CARRIED)
    assert set(exported.ids("observation")) == set(CARRIED[:12])
    design = metadata.read_design(results / "metadata/design.tsv")
    assert list(design.index) == CARRIED
    assert list(design["group"]) == [f"{name}'s" for name in CARRIED]
    assert set(design[FIELD]) == {"<script>alert(2)</script>", "NaNo", "$\\frac$"}
    assert {tip.name for tip in trees.read_tree(results / "phylogeny/tree.nwk").tips()} == set(CARRIED[:12])
    assert set(read_npz(results / "images/composition.npz")["samples"]) == set(CARRIED)


@pytest.mark.slow
def test_no_file_lies_outside_of_the_results_and_nothing_was_executed(carried):
    given = {"ta ble's.biom", "tr ee.nwk", "tax \u00e9.tsv", "meta data.tsv", "config.yaml"}
    assert {path.name for path in carried.iterdir()} <= given | {"results", "logs", "benchmarks", ".snakemake"}
    assert [path.name for path in carried.parent.iterdir()] == [carried.name]
    assert not [path for path in carried.parent.rglob("*") if "PWNED" in path.name]
    assert not (ROOT / "PWNED").exists()


@pytest.mark.slow
def test_no_name_is_an_element_of_the_gallery(carried):
    html = (carried / "results/images/gallery.html").read_text(encoding="utf-8")
    assert not [tag for tag, _ in elements(html) if tag == "b"]
    assert "alert(" not in html
    data = html.split('id="data"')[1].split(">", 1)[1].split("<", 1)[0]
    content, _ = unpack(data.strip())
    assert FIELD in str(content) or FIELD.replace("_", " ") in str(content)


def test_reads_in_a_folder_with_a_blank_a_quote_and_an_umlaut_are_accepted(reads, tmp_path):  # noqa: F811
    folder = tmp_path / "my r\u00e9ads' $(touch PWNED)"
    folder.mkdir()
    rows = []
    for sample in ("s1", "s2", "s3"):
        paths = [folder / f"{sample} '{mate}'.fastq.gz" for mate in "12"]
        for path in paths:
            path.write_bytes(gzip.compress(b"@r\nACGT\n+\nIIII\n"))
        rows.append([sample, *map(str, paths)])
    write_sheet(rows)
    assert len(checks._check_reads(reads)) == 3
    assert not (tmp_path / "PWNED").exists()


def test_pages_of_tables_show_names_as_text():
    def html(names):
        section = Section("reads", "Reads", "lead", tables=[Table("caption", pd.DataFrame({"sample": names}))])
        return render(sections=[section])

    plain = [f"n{place}" for place in range(len(CARRIED))]
    assert elements(html(CARRIED)) == elements(html(plain))


def test_the_page_of_a_course_shows_names_as_text():
    def html(names):
        place = pd.DataFrame({"row": range(len(names)), "col": range(len(names))}, index=names)
        shown = [{"time": 0.0, "observed": np.ones(len(names)), "forecast": None, "low": None, "high": None}]
        colours, template = ["#123456"] * len(names), ROOT / "workflow" / "report" / "course.html.j2"
        clades = dict.fromkeys(names, "#123456")
        return animation.page(template, shown, place, list(names), colours, clades, subject=names[0], unit=names[1])

    hostile = [*CARRIED, "<!--<script>", "]]>"]
    assert "<!--" not in html(hostile)  # in a script, browsers would then look for the end of a second one
    assert elements(html(hostile)) == elements(html([f"n{place}" for place in range(len(hostile))]))


def test_a_sample_called_nan_keeps_its_place_in_an_ordination(tmp_path):
    write(tmp_path / "places.tsv", {"sample": ["NaN", "NA", "001"], "PC1": ["0.5", "", "1"]})
    write(tmp_path / "explained.tsv", {"axis": ["PC1"], "share": ["0.5"]})
    found = read_ordinations(["bray_curtis"], [tmp_path / "places.tsv"], [tmp_path / "explained.tsv"])
    places, _ = found["bray_curtis"]
    assert list(places["sample"]) == ["NaN", "NA", "001"]
    assert places["PC1"].isna().tolist() == [False, True, False]


# Numbers and words of the config that its schema lists; everything else in a shell command is quoted.
PLAIN = re.compile(r"threads|params\.(hits|normalise|config\[(min_identity|placement|max_nsti)\])")


def unquoted(rules: str) -> list[str]:
    """What stands unquoted in the shell commands of a file of rules."""
    commands = re.findall(r"^ +shell:\n((?: +\".*\"\n)+)", rules, re.MULTILINE)
    fields = [field for command in commands for field in re.findall(r"(?<!\{)\{([^{}]+)\}", command)]
    return [field for field in fields if not field.endswith(":q") and not PLAIN.fullmatch(field)]


def test_every_shell_command_quotes_what_it_is_given():
    files = [ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]
    assert sum(len(re.findall(r"^ +shell:", path.read_text(), re.MULTILINE)) for path in files) == sum(
        len(re.findall(r"^ +shell:\n +\"", path.read_text(), re.MULTILINE)) for path in files
    )
    assert not [field for path in files for field in unquoted(path.read_text())]
    assert unquoted('    shell:\n        "cat {input.a} {output:q} {params.config[name]}"\n') == [
        "input.a",
        "params.config[name]",
    ]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"members": [], "options": {}},
        {"members": [{}], "options": {"epochs": "many"}, "target": 3},
        {"kind": "Generator", "options": {"nonsense": 1}, "taxa": {}},
        {"kind": "<b>\n"},
    ],
)
@pytest.mark.parametrize(("load", "kind"), [(saved.load, "TrainedPredictor"), (ensemble.read_model, "PhenotypeModel")])
def test_a_checkpoint_of_another_kind_or_content_is_refused_in_one_line(load, kind, state, tmp_path):
    torch.save({"version": checkpoint.VERSION, "kind": kind} | state, tmp_path / "m.pt")
    with pytest.raises(InputError) as caught:
        load(tmp_path / "m.pt")
    assert len(one_line(caught.value)) < 1000
