"""The web page of a report: an nbconvert exporter with the project's own template.

One file, no script, no outside request, light, dark, phone and print. Build the exporter once and use it for every
report of a batch; `jupyter nbconvert --to analysis.reporting.page.PageExporter` works too.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jinja2
import nbformat
from nbconvert.exporters.templateexporter import TemplateExporter

from analysis.reporting import html
from analysis.reporting.document import read_document


class PageExporter(TemplateExporter):
    """Notebook to page. nbconvert may hand over `config` and `parent`; neither is read, so that a page looks the same and
    carries no script whatever a user's Jupyter settings say."""

    export_from_notebook = "Report page"
    output_mimetype = "text/html"

    def __init__(self, locale: str = "en", config: object = None, parent: object = None) -> None:
        self.locale = locale
        super().__init__()
        _ = self.environment.get_template(self.template_file)  # compiled now, so that the first report is not slow

    def _file_extension_default(self) -> str:
        return ".html"

    def _template_file_default(self) -> str:
        return "page.html.j2"

    def _template_paths(self, prune: bool = True, root_dirs: object = None) -> list[str]:
        return [str(files("analysis.reporting").joinpath("templates"))]

    def _create_environment(self) -> jinja2.Environment:
        env = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self._template_paths()),
            autoescape=True,
            undefined=jinja2.ChainableUndefined,
        )
        html.equip(env, self.locale)
        env.filters["document"] = read_document
        return env

    def from_notebook_node(  # type: ignore[override]  # nbconvert's own exporters return text as well
        self, nb: Mapping[str, Any], resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """The page and nbconvert's resources. The notebook is read, not changed."""
        resources = self._init_resources(resources or {})
        return self.template.render(nb=nb, resources=resources), resources

    def export(self, nb: Mapping[str, Any]) -> str:
        """The page of an executed notebook (a node, or the JSON of one)."""
        return self.from_notebook_node(nb if isinstance(nb, nbformat.NotebookNode) else nbformat.from_dict(dict(nb)))[0]
