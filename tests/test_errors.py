"""The error of the user: one line, exit code 2."""

import pytest

from taxoscape.errors import InputError, examples, one_line, told


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


def test_what_is_told_is_one_line_and_exit_2(capsys):
    with pytest.raises(SystemExit) as stop, told():
        raise InputError("depth=9 keeps\n0 samples")
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: depth=9 keeps 0 samples\n"
