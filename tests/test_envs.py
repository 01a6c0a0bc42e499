"""Each stage's conda environment lists, with exact pins, all that its scripts import and call."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from taxoscape.digest import ROOT, imported, module_names

RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
# Import name -> name of the package that brings it.
PACKAGES = {"sklearn": "scikit-learn", "skbio": "scikit-bio", "biom": "biom-format", "yaml": "pyyaml", "PIL": "pillow"}


def rules() -> dict[str, str]:
    """Rule name -> its text."""
    found = {}
    for path in RULES:
        parts = re.split(r"^(?: *)(?:rule|checkpoint) (\w+):", path.read_text(), flags=re.M)
        found |= dict(zip(parts[1::2], parts[2::2], strict=True))
    return found


def pins(env: Path) -> dict[str, str]:
    """Package -> exact version, conda's and pip's."""
    entries = yaml.safe_load(env.read_text())["dependencies"]
    flat = [entry for entry in entries if isinstance(entry, str)]
    flat += [line for entry in entries if isinstance(entry, dict) for line in entry["pip"]]
    return dict(re.fullmatch(r"([\w.-]+)==?([\w.]+)", line).groups() for line in flat)


def needed(script: Path) -> set[str]:
    """Packages outside the standard library that a script imports, directly or through our modules."""
    roots = {name.split(".")[0] for path in imported(script) for name in module_names(path)}
    return {PACKAGES.get(name, name) for name in roots - set(sys.stdlib_module_names) - {"taxoscape"}}


@pytest.mark.parametrize("name", rules())
def test_every_rule_says_all_that_a_user_relies_on(name):
    text = rules()[name]
    for directive in ("message:", "output:", "log:", "benchmark:", "conda:", "threads:", "mem_mb="):
        assert directive in text, f"{name} lacks {directive}"
    script = re.search(r'"../scripts/(\w+\.py)"', text)
    if script:
        assert script[1] == f"{name}.py", f"{name} runs {script[1]}"
        assert f'code=code("{name}.py")' in text, f"{name} lacks its code digest"


@pytest.mark.parametrize("name", [name for name, text in rules().items() if "script:" in text])
def test_env_lists_what_the_script_imports(name):
    env = ROOT / "workflow" / "envs" / re.search(r'"../envs/(\w+\.yaml)"', rules()[name])[1]
    listed = {re.sub(r"[_.]", "-", package.lower()) for package in pins(env)}
    lacking = {
        re.sub(r"[_.]", "-", package) for package in needed(ROOT / "workflow" / "scripts" / f"{name}.py")
    } - listed
    assert not lacking, f"{env.name} lacks {sorted(lacking)}, which {name}.py imports"


def test_envs_and_requirements_pin_the_same_versions():
    wanted = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text(), flags=re.M))
    for env in sorted((ROOT / "workflow" / "envs").glob("*.yaml")):
        text = env.read_text()
        for package, version in re.findall(r"- ([\w.-]+)==([\w.]+)", text):
            assert wanted.get(package) == version, f"{env.name} pins {package}=={version}"


def test_constraints_hold_every_requirement():
    names = [
        re.findall(r"^([\w.-]+)==", (ROOT / name).read_text(), flags=re.M)
        for name in ("requirements.txt", "constraints.txt")
    ]
    direct, all_of_them = ({re.sub(r"[_.]", "-", name.lower()) for name in found} for found in names)
    assert direct <= all_of_them


def test_no_script_reads_the_global_config_and_all_are_short():
    for script in (ROOT / "workflow" / "scripts").glob("*.py"):
        text = script.read_text()
        assert "snakemake.config" not in text, f"{script.name} reads snakemake.config"
        assert text.count("\n") <= 40, f"{script.name} has {text.count(chr(10))} lines"
