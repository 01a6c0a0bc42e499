"""What the documentation says exists: links, config keys, files, options of commands; its example of a stage runs."""

import copy
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import snakemake.cli
import yaml
from conftest import environment

from taxoscape import checks, tables
from taxoscape.digest import ROOT

SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
DEFAULTS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "config").glob("*.md")])
# Its blocks are parts of a stage that does not exist (yet): the last test puts them together.
STAGES = ROOT / "docs" / "stages.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
FILES = {"html", "zarr", "md", "png", "json", "smk", "yaml", "yml", "py", "tsv", "biom", "npy", "npz", "nwk", "pt"}
FREE = {"fields", "targets", "what_if", "time"}  # their keys are a study's own


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of a language, in order."""
    return [text for named, text in FENCE.findall(page.read_text()) if named == language]


def inline(page: Path) -> list[str]:
    """What stands between single backticks, outside of fenced blocks."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """Headings as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def merged(study: dict) -> dict:
    """A study's config over the defaults."""
    config = copy.deepcopy(DEFAULTS)
    for section, values in study.items():
        config[section] = {**config[section], **values} if isinstance(values, dict) and section in config else values
    return config


def outputs() -> set[str]:
    """What the rules can make, wildcards open (*)."""
    text = "".join(path.read_text() for path in RULES)
    return {re.sub(r"\{[^}]+\}", "*", path) for path in re.findall(r'"(results/[^"]+)"', text)}


def made(path: str, outputs: set[str]) -> bool:
    """Whether a path is a file that the rules make, or a folder of such."""
    parts = path.split("/")
    names = [known.split("/")[: len(parts)] for known in outputs]
    return any(len(known) == len(parts) and all(map(fnmatch, parts, known)) for known in names)


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 149


@pytest.mark.parametrize("stage", [path.stem for path in RULES if path.stem != "common"])
def test_every_stage_has_its_row_and_its_section(stage):
    assert f"\n| {stage} |" in (ROOT / "README.md").read_text(), f"README.md has no row for {stage}"
    assert stage in DEFAULTS, f"config/config.yaml has no section {stage}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name} links to {target}"
        assert not heading or heading in anchors(found), f"{page.name} links to {target}: no such heading"


@pytest.mark.parametrize("page", [page for page in PAGES if page != STAGES], ids=name_of)
def test_configs_are_valid(page):
    for text in blocks(page, "yaml"):
        checks.check_config(merged(yaml.safe_load(text)), SCHEMA)


@pytest.mark.parametrize("page", [page for page in PAGES if page != STAGES], ids=name_of)
def test_settings_in_sentences_exist(page):
    sections = "|".join(DEFAULTS)
    for text in inline(page):
        if re.fullmatch(rf"({sections}): \{{.*\}}", text):
            checks.check_config(merged(yaml.safe_load(text)), SCHEMA)
        elif re.fullmatch(rf"({sections})(\.\w+)+(: .*|=.*)?", text):
            here, path = DEFAULTS, re.split("[:=]", text)[0].split(".")
            if path[-1] in FILES:
                continue
            for place, key in enumerate(path):
                assert isinstance(here, dict), f"{page.name} names {text}"
                assert key in here, f"{page.name} names {text}"
                here = here[key]
                if key in FREE and place:
                    break


@pytest.mark.parametrize("page", [page for page in PAGES if page != STAGES], ids=name_of)
def test_results_that_are_named_can_be_made(page):
    known = outputs()
    for path in re.findall(r"(?<![\w/])results/[\w./-]+", page.read_text()):
        assert made(path.rstrip("./"), known), f"{page.name} names {path}"


def commands(page: Path) -> list[str]:
    """Commands of snakemake in the blocks of a page, one line each."""
    text = "\n".join(blocks(page, "") + blocks(page, "bash")).replace("\\\n", " ")
    return [line for line in text.splitlines() if re.match(r'(S=")?(snakemake|\$S) ', line)]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name_of)
def test_commands_have_options_and_rules_that_exist(page):
    parser = snakemake.cli.get_argument_parser()
    options = {option for action in parser._actions for option in action.option_strings}
    rules = {rule for path in RULES for rule in re.findall(r"^ *rule (\w+):", path.read_text(), re.M)}
    for line in commands(page):
        for option in re.findall(r"(?<=\s)(--?[a-z][\w-]*)", line.split("#")[0]):
            assert option in options, f"{page.name}: {line.strip()}"
        for rule in re.findall(r"--forcerun (\w+)", line):
            assert rule in rules | {"RULE"}, f"{page.name}: {line.strip()}"


def test_the_catalogue_is_told_what_it_asks_for():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) <= {"mandatory-flags", "software-stack-deployment", "report"}
    # No image is published, so a command of the catalogue's with --sdm apptainer alone would be refused.
    assert usage["software-stack-deployment"] == {"conda": True, "apptainer": False, "apptainer+conda": False}
    # It lists workflows whose Snakefile it finds, and that explain their config.
    assert (ROOT / "Snakefile").is_file()
    assert (ROOT / "config" / "README.md").is_file()


def add(path: Path, text: str, before: str | None = None) -> None:
    """Add text to a file: before a line that must be there, or at the end."""
    old = path.read_text()
    assert before is None or before in old
    path.write_text(old.replace(before, text + before, 1) if before else f"{old}\n{text}")


def test_the_example_of_a_stage_is_whole(tmp_path):
    for name in ("taxoscape", "workflow", "config", "resources", "profiles"):
        ignored = shutil.ignore_patterns("__pycache__", "demo", "downloads")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "Snakefile", tmp_path)
    text = STAGES.read_text()
    for path, block in re.findall(r"^`(\S+)`:\n\n```\w+\n(.*?)^```$", text, re.M | re.S):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(block)
    included, wanted = blocks(STAGES, "snakemake")[1:]
    add(tmp_path / "Snakefile", included, 'include: "workflow/rules/report.smk"\n')
    add(tmp_path / "Snakefile", wanted, '        "results/export/table.biom",\n')
    _, defaults, schema = blocks(STAGES, "yaml")
    add(tmp_path / "config/config.yaml", defaults)
    add(tmp_path / "workflow/schemas/config.schema.yaml", schema)
    tables.write_table([[6, 3, 1], [0, 0, 4]], ["a", "b", "c"], ["s1", "s2"], tmp_path / "results/rarefy/table.biom")
    arguments = ["--cores", "1", "--allowed-rules", "measure_dominance", "--", "results/dominance/dominance.tsv"]
    for command in (["snakemake", *arguments], ["pytest", "-q", "-p", "no:cacheprovider", "tests"]):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    written = (tmp_path / "results/dominance/dominance.tsv").read_text()
    assert written == "sample\tdominance\ns1\t0.6\ns2\t1.0\n"
