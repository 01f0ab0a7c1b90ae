"""Parameters of templates: typed, bounded, literal; refused before any process starts."""

import ast
import json
import math

import pytest
from batch_tools import notebook
from hypothesis import given
from hypothesis import strategies as st
from papermill.translators import PythonTranslator

from analysis.errors import ParameterError
from analysis.reporting.parameters import Parameter, check, declared, from_text

CELL = '''"""Parameters of the report."""
team: str = "north"  # team id
max_lag: int = 8  # longest delay tested, weeks [1..52]
level: float = 0.95  # confidence [0.5..0.999]
names: bool = False  # show names
tone: str = "plain"  # {plain|formal}
as_of: str = "2026-11-16"  # last day [2000-01-01..2100-01-01]
kinds: list[str] = ["call", "demo"]  # activities
limit: int | None = None  # at most so many
'''


def parameters(cell: str = CELL) -> tuple[Parameter, ...]:
    return declared(json.loads(notebook("1", parameters=cell)))


def test_the_cell_is_read_as_declared() -> None:
    found = {parameter.name: parameter for parameter in parameters()}
    assert list(found) == ["team", "max_lag", "level", "names", "tone", "as_of", "kinds", "limit"]
    assert found["max_lag"] == Parameter("max_lag", "int", 8, "longest delay tested, weeks [1..52]", "1", "52")
    assert found["tone"].words == ("plain", "formal")
    assert found["limit"].default is None and found["kinds"].default == ["call", "demo"]


@pytest.mark.parametrize(
    "line",
    ["team = 'north'", "team: str", "import os", "team: Path = 1", "n: int = len('x')", "x: str = 'a", "f(): int = 1"],
)
def test_a_cell_that_is_not_typed_and_plain_is_refused(line: str) -> None:
    with pytest.raises(ParameterError):
        parameters(line)


def test_a_template_needs_exactly_one_parameters_cell() -> None:
    with pytest.raises(ParameterError, match="it has 0"):
        declared({"cells": []})


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"teem": "x"}, "did you mean `team`"),
        ({"x; import os": 1}, "no parameter"),
        ({"__class__": 1}, "no parameter"),
        ({"max_lag": "8"}, "must be int"),
        ({"max_lag": True}, "must be int"),
        ({"max_lag": 8.0}, "must be int"),
        ({"max_lag": 0}, "must lie in 1..52"),
        ({"max_lag": 53}, "must lie in 1..52"),
        ({"level": math.nan}, "finite"),
        ({"level": math.inf}, "finite"),
        ({"level": "0.9"}, "must be float"),
        ({"names": 1}, "must be bool"),
        ({"tone": "rude"}, "one of plain, formal"),
        ({"as_of": "1999-12-31"}, "must lie in"),
        ({"team": 7}, "must be str"),
        ({"team": "a\x00b"}, "NUL"),
        ({"team": "x" * 5000}, "longer"),
        ({"team": None}, "must be str"),
        ({"kinds": ["a", 1]}, "must be list"),
        ({"kinds": "a"}, "must be list"),
        ({"team": {"a": 1}}, "must be str"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(given_: dict[str, object], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        check(parameters(), given_)


def test_what_fits_is_passed_on_as_it_is() -> None:
    values = {"team": "007", "max_lag": 52, "level": 1 / 2, "limit": None, "kinds": []}
    checked = check(parameters(), values)
    assert checked == values and type(checked["team"]) is str
    assert type(check(parameters("level: float = 1.0  # x"), {"level": 1})["level"]) is float


@pytest.mark.parametrize("name", ["password", "db_password", "API_KEY", "access_token", "client_secret"])
def test_a_secret_is_not_a_parameter(name: str) -> None:
    with pytest.raises(ParameterError, match="secret"):
        check(parameters(f'{name}: str = ""  # x'), {name: "hunter2"})


def test_typed_text_is_read_by_the_declared_type() -> None:
    typed = {"team": "007", "max_lag": "007", "level": ".9", "names": "yes", "kinds": "a, b"}
    read = from_text(parameters(), typed)
    assert read == {"team": "007", "max_lag": 7, "level": 0.9, "names": True, "kinds": ["a", "b"]}
    for wrong in ({"max_lag": "7.5"}, {"names": "perhaps"}, {"level": "many"}):
        with pytest.raises(ParameterError):
            from_text(parameters(), wrong)


@given(st.text(max_size=200).filter(lambda text: "\x00" not in text))
def test_any_text_arrives_in_the_notebook_as_itself(text: str) -> None:
    """The injected cell, read as Python, assigns exactly the text: no value becomes code."""
    value = check(parameters(), {"team": text})["team"]
    tree = ast.parse(PythonTranslator.codify({"team": value}))
    assert len(tree.body) == 1 and ast.literal_eval(tree.body[0].value) == text  # type: ignore[attr-defined]
