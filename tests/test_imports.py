"""Structure: learned stages share code through `learning` and `scoring` alone, and each shared idea has one form."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from taxoscape.digest import PACKAGE, ROOT, module_names

LEARNED = ("aam", "phenotype", "diffusion", "forecast")
FILES = sorted((ROOT / PACKAGE).rglob("*.py"))
# Riemannian gradient descent on coordinates, not a network that learns from batches.
EMBEDDING = "embedding/radam.py"


def part_of(path: Path) -> str:
    """Sub-package or top-level module of a file: `forecast` of taxoscape/forecast/trial.py."""
    return path.relative_to(ROOT / PACKAGE).parts[0].removesuffix(".py")


@cache
def parts_used(part: str) -> frozenset[str]:
    """Other sub-packages and top-level modules that a part imports anywhere, in functions too."""
    names = {name for path in FILES if part_of(path) == part for name in module_names(path)}
    used = {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")}
    return frozenset(used & set(map(part_of, FILES)) - {part, "__init__"})


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(call: ast.Call) -> str:
    """Last part of the name of the function that is called."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def calls(*names: str) -> list[tuple[str, ast.Call]]:
    """Every call of a function of such a name, with its file below the package."""
    return [
        (path.relative_to(ROOT / PACKAGE).as_posix(), node)
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and name_of(node) in names
    ]


def files_that_call(*names: str) -> list[str]:
    return [file for file, _ in calls(*names)]


@pytest.mark.parametrize("stage", [*LEARNED, "evaluation"])
def test_a_learned_stage_imports_nothing_from_another(stage):
    assert parts_used(stage) & set(LEARNED) - {stage} == set()


def test_imports_between_packages_form_no_circle():
    graph = {part: parts_used(part) for part in map(part_of, FILES)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_there_is_one_training_loop():
    found = set(files_that_call("backward")) - {EMBEDDING}
    assert len(found) == 1, found


def test_there_is_one_average_of_weights():
    assert len(files_that_call("lerp_", "EMAModel")) == 1, files_that_call("lerp_", "EMAModel")


def test_there_is_one_attention():
    found = files_that_call("scaled_dot_product_attention", "MultiheadAttention")
    assert len(found) == 1, found


def test_there_is_one_crps():
    found = [
        f"{path.name}: {node.name}"
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef) and "crps" in node.name
    ]
    assert found == ["distributions.py: crps"]


def is_bootstrap(call: ast.Call) -> bool:
    """Whether as many are drawn as there are, many times: multinomial(len(x), ...) or integers(n, size=(draws, n))."""
    if not call.args:
        return False
    number = ast.unparse(call.args[0])
    if name_of(call) == "multinomial":
        return number.startswith("len(")
    sizes = [*call.args[1:], *(keyword.value for keyword in call.keywords)]
    return any(number in map(ast.unparse, size.elts) for size in sizes if isinstance(size, ast.Tuple))


def test_there_is_one_bootstrap_over_groups():
    found = [file for file, call in calls("multinomial", "integers", "choice") if is_bootstrap(call)]
    assert found == ["scoring/bootstrap.py"]
