"""Parameters of a report template, checked before any process starts.

A template declares them in the cell tagged `parameters`, one a line: `max_lag: int = 8  # longest delay, weeks [1..52]`.
The annotation is the type, the comment is the help, `[low..high]` bounds a number or a date and `{a|b|c}` lists the
allowed words. The cell is read as a syntax tree and never run. An unknown name, a value of another type or out of range
and anything that looks like a secret is refused; a text stays the text it is ("007" is not 7).
"""

import ast
import io
import math
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from analysis.errors import ParameterError

TYPES: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool, "list[str]": list, "list": list}
SECRET = re.compile(r"(?i)(^|_)(password|passwd|pwd|secret|token|api_?key|access_?key|private_?key|credentials?)($|_)")
RANGE = re.compile(r"\[(?P<low>[^\[\]]*?)\.\.(?P<high>[^\[\]]*?)\]")
WORDS = re.compile(r"\{(?P<words>[^{}]*\|[^{}]*)\}")
LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter: its type's name, default, help and what it may be (bounds are None where open)."""

    name: str
    type: str
    default: object
    help: str
    low: str | None = None
    high: str | None = None
    words: tuple[str, ...] = ()


def declared(notebook: Mapping) -> tuple[Parameter, ...]:
    """The parameters a notebook declares (nbformat 4 as a mapping), in the order of its cell.

    Raises ParameterError when there is no such cell, or a line is not `name: type = default  # help`.
    """
    cells = [cell for cell in notebook["cells"] if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if len(cells) != 1 or cells[0]["cell_type"] != "code":
        raise ParameterError(f"The template needs one code cell tagged `parameters`; it has {len(cells)}.")
    source = "".join(cells[0]["source"])
    try:
        tree, comments = ast.parse(source), _comments(source)
    except (SyntaxError, ValueError, tokenize.TokenError) as fault:
        raise ParameterError(f"The template's parameters cell is not Python: {fault}.") from None
    return tuple(_declared_on(line, comments) for line in tree.body if not _is_docstring(line))


def check(parameters: tuple[Parameter, ...], given: Mapping[str, object]) -> dict[str, object]:
    """The given values, each of its declared type; only what was given, so that the template's defaults stay its own.

    Raises ParameterError naming the parameter and what it may be.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else f"; it has {', '.join(known) or 'none'}."
            raise ParameterError(f"The template has no parameter {_shown(name)}{hint}")
        if SECRET.search(name):
            raise ParameterError(
                f"`{name}` looks like a secret; parameters are stored in the report, so it is refused."
            )
    return {name: _checked(known[name], value) for name, value in given.items()}


def from_text(parameters: tuple[Parameter, ...], given: Mapping[str, str]) -> dict[str, object]:
    """Values typed on a command line, read by the declared type: "007" is 7 for an int and "007" for a str."""
    known = {parameter.name: parameter for parameter in parameters}
    typed = {name: _read(known[name], text) if name in known else text for name, text in given.items()}
    return check(parameters, typed)


def _declared_on(line: ast.stmt, comments: Mapping[int, str]) -> Parameter:
    if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None):
        raise ParameterError(f"Line {line.lineno} of the parameters cell is not `name: type = default  # help`.")
    name, kind = line.target.id, ast.unparse(line.annotation)
    optional = kind.removesuffix(" | None")
    if optional not in TYPES:
        raise ParameterError(f"Parameter `{name}` has type {kind}; a parameter is one of {', '.join(TYPES)}.")
    try:
        default = ast.literal_eval(line.value)
    except ValueError:
        raise ParameterError(f"The default of parameter `{name}` must be a plain value.") from None
    text = comments.get(line.end_lineno or line.lineno, "")
    bounds, words = RANGE.search(text), WORDS.search(text)
    return Parameter(
        name,
        kind,
        default,
        help=text,
        low=(bounds["low"].strip() or None) if bounds else None,
        high=(bounds["high"].strip() or None) if bounds else None,
        words=tuple(word.strip() for word in words["words"].split("|")) if words else (),
    )


def _checked(parameter: Parameter, value: object) -> object:
    if value is None and (parameter.type.endswith("| None") or parameter.default is None):
        return None
    kind = TYPES[parameter.type.removesuffix(" | None")]
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (isinstance(value, list) and not all(isinstance(item, str) for item in value)):
        raise ParameterError(f"`{parameter.name}` must be {parameter.type}, not {_shown(value)}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ParameterError(f"`{parameter.name}` must be a finite number, not {value}.")
    for item in value if isinstance(value, list) else [value]:
        _check_range(parameter, item)
    return value


def _check_range(parameter: Parameter, value: object) -> None:
    if isinstance(value, str) and ("\x00" in value or len(value) > LONGEST_TEXT):
        raise ParameterError(f"`{parameter.name}` may not hold a NUL nor be longer than {LONGEST_TEXT} letters.")
    if parameter.words and value not in parameter.words:
        raise ParameterError(f"`{parameter.name}` must be one of {', '.join(parameter.words)}, not {_shown(value)}.")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    for bound, outside in ((parameter.low, lambda v, b: v < b), (parameter.high, lambda v, b: v > b)):
        if bound is not None and outside(value, float(bound) if is_number else bound):
            allowed = f"{parameter.low or ''}..{parameter.high or ''}"
            raise ParameterError(f"`{parameter.name}` must lie in {allowed}, not {_shown(value)}.")


def _read(parameter: Parameter, text: str) -> object:
    """A text as the declared type; what cannot be read stays text and is refused by `check`."""
    kind = TYPES[parameter.type.removesuffix(" | None")]
    if kind is list:
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind is bool:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower(), text)
    if kind is str:
        return text
    try:
        return kind(text)
    except ValueError:
        return text


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ").rstrip() for token in tokens if token.type == tokenize.COMMENT}


def _is_docstring(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
