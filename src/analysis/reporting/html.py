"""Blocks to HTML: one template with autoescape on, for the notebook and for the page alike."""

import re
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import nh3
from markupsafe import Markup, escape

from analysis import words
from analysis.reporting import svg, theme

_FOREIGN_TAGS = {
    *("p", "b", "i", "em", "strong", "code", "pre", "br", "span", "div", "ul", "ol", "li", "sub", "sup", "small"),
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "dl", "dt", "dd", "blockquote"),
}
_FOREIGN_ATTRIBUTES = {"th": {"scope", "colspan", "rowspan"}, "td": {"colspan", "rowspan"}}


def template_text(name: str) -> str:
    """A file of the templates folder as text."""
    return files("analysis.reporting").joinpath("templates", name).read_text(encoding="utf-8")


def drawing(source: str, alt: str) -> Markup:
    """A figure's SVG inside the page, named for readers who do not see it; refused if it is not one of ours."""
    inside = svg.checked(source)
    return Markup(inside.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1))  # noqa: S704 - checked


def sanitised(foreign: str) -> Markup:
    """HTML that some other library displayed, reduced to text and plain tables."""
    return Markup(nh3.clean(foreign, tags=_FOREIGN_TAGS, attributes=_FOREIGN_ATTRIBUTES, link_rel=None))  # noqa: S704


# JupyterLab sets every cell of a table to the right, in the middle, by a rule stronger than the blocks' own.
NOTEBOOK_CELLS = (
    ".wb.wb th, .wb.wb td { text-align: left; vertical-align: top; } .wb.wb th.r, .wb.wb td.r { text-align: right; }"
)


@cache
def environment(locale: str = "en") -> jinja2.Environment:
    """The template environment of a language, built once a process; undefined names are errors."""
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.reporting"), autoescape=True, undefined=jinja2.ChainableUndefined
    )
    equip(env, locale)
    return env


def equip(env: jinja2.Environment, locale: str = "en") -> None:
    """Give a template environment what the block templates use."""
    env.globals |= {
        "drawing": drawing,
        "sanitised": sanitised,
        "t": lambda key, **values: words.text(key, values, locale=locale),
        "css": stylesheet(),
        "index_css": Markup(_small(template_text("index.css"))),  # noqa: S704 - our own file
    }


@cache
def _macros(locale: str) -> Any:
    return environment(locale).get_template("blocks.html.j2").module


def get_ready() -> None:
    """Compile the block templates, which a process that is forked many times does once."""
    _macros("en")
    notebook_stylesheet()


def block_html(data: dict[str, Any], *, locale: str = "en") -> Markup:
    """One block's JSON as HTML."""
    return Markup(_macros(locale).render(data))  # noqa: S704 - made by the autoescaping template


def notebook_html(data: dict[str, Any]) -> str:
    """One block as a notebook shows it: with the look it needs and nothing else."""
    if data["block"] == "summary":
        return ""
    return f'<style>{notebook_stylesheet()}</style><div class="wb">{block_html(data)}</div>'


@cache
def stylesheet() -> Markup:
    """The page's whole style: colours of both modes, blocks, page, print."""
    light, dark = theme.variables(theme.LIGHT), theme.variables(theme.DARK)
    colours = f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    rules = colours + theme.svg_classes() + template_text("blocks.css") + template_text("page.css")
    return Markup(_small(rules))  # noqa: S704 - our own files


@cache
def notebook_stylesheet() -> str:
    """The look of blocks in a notebook, in the notebook's own light or dark theme."""
    light, dark = theme.variables(theme.LIGHT), theme.variables(theme.DARK)
    colours = f".wb{{{light}}}body[data-jp-theme-light=false] .wb{{{dark}}}"
    return _small(colours + theme.svg_classes() + template_text("blocks.css") + NOTEBOOK_CELLS)


def _small(rules: str) -> str:
    rules = re.sub(r"/\*.*?\*/", "", rules, flags=re.S)
    return re.sub(r"\s*([{};:,>])\s*", r"\1", re.sub(r"\s+", " ", rules)).replace(";}", "}").strip()
