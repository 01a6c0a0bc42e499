"""Digests of code: they change with the script and every module it reaches, and with nothing else."""

import pytest

from taxoscape.digest import ROOT, code, imported, module_names

FILES = {
    "workflow/scripts/run_it.py": "from taxoscape import a\nfrom taxoscape.pack.inner import f\n",
    "workflow/scripts/other.py": "from taxoscape import lone\n",
    "taxoscape/__init__.py": "",
    "taxoscape/a.py": "def g():\n    import taxoscape.deep\n",
    "taxoscape/deep.py": "from taxoscape import a  # a circle\n",
    "taxoscape/pack/__init__.py": "",
    "taxoscape/pack/inner.py": "def f(): pass\n",
    "taxoscape/lone.py": "",
}
REACHED = [name for name in FILES if name not in ("taxoscape/lone.py", "workflow/scripts/other.py")]


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_are_followed_through_functions_packages_and_circles(root):
    found = imported(root / "workflow/scripts/run_it.py", root)
    assert sorted(str(path.relative_to(root)) for path in found) == sorted(REACHED)


@pytest.mark.parametrize("name", REACHED)
def test_an_edit_of_any_file_reached_changes_the_digest(name, root):
    before = code("run_it.py", root)
    (root / name).write_text(FILES[name] + "\nx = 1\n")
    assert code("run_it.py", root) != before


def test_an_edit_elsewhere_changes_nothing(root):
    before = code("run_it.py", root)
    (root / "taxoscape/lone.py").write_text("x = 1\n")
    assert code("run_it.py", root) == before


def test_the_digest_does_not_depend_on_where_the_repository_lies(root, tmp_path):
    copy = tmp_path / "copy"
    for name, text in FILES.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text)
    assert code("run_it.py", copy) == code("run_it.py", root)


def test_names_of_both_import_forms(tmp_path):
    (tmp_path / "m.py").write_text("import a.b as c\nfrom d.e import f, g\nfrom . import h\n")
    assert module_names(tmp_path / "m.py") == {"a.b", "d.e", "d.e.f", "d.e.g"}


def test_the_real_rarefaction_script_reaches_its_modules():
    found = {path.name for path in imported(ROOT / "workflow/scripts/rarefy_table.py")}
    assert {"rarefy_table.py", "depth.py", "tables.py", "files.py", "errors.py", "__init__.py"} <= found
