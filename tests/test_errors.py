"""The error of the user: one line, exit code 2; everything else shows where it happened."""

import sys

import pytest

from taxoscape.errors import InputError, examples, logged, one_line


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
        ((number for number in (1, 2, 3, 4)), "1, 2, 3 and 1 more"),
    ],
)
def test_examples_names_three_and_counts_the_rest(names, text):
    assert examples(names) == text


def test_an_error_is_one_line_whatever_it_quotes():
    assert one_line(InputError("table x:\n  bad\tcell")) == "error: table x: bad cell"


def test_prints_go_to_the_log(tmp_path, capsys):
    log = tmp_path / "logs" / "stage.log"
    with logged(str(log)):
        print("out µ")
        print("err", file=sys.stderr)
    assert log.read_text(encoding="utf-8") == "out µ\nerr\n"
    assert capsys.readouterr() == ("", "")


def test_bad_input_is_one_line_on_the_terminal_and_exit_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop, logged(str(tmp_path / "a.log")):
        raise InputError("depth=9 keeps\n0 samples")
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: depth=9 keeps 0 samples\n"
    assert (tmp_path / "a.log").read_text() == "error: depth=9 keeps 0 samples\n"


def test_a_bug_shows_its_traceback_in_the_log_and_goes_on(tmp_path):
    with pytest.raises(ZeroDivisionError), logged(str(tmp_path / "a.log")):
        print(1 / 0)
    assert "Traceback" in (tmp_path / "a.log").read_text()
    assert "ZeroDivisionError" in (tmp_path / "a.log").read_text()
