"""The codebook: data/README.md, written from the contract so that the two cannot disagree.

python -m analysis.crm.codebook > data/README.md
"""

import sys

from analysis.crm.capability import METRICS
from analysis.crm.contract import TABLES, VERSION, Column, Table

_HEAD = """# Codebook: what a data folder holds

Generated from `src/analysis/crm/contract.toml` (contract version {version}) by `python -m analysis.crm.codebook`; do
not edit by hand. How files must be written, and what happens to rows that break a rule: `docs/data-contract.md`.

Everything under `data/` except this page is ignored by git. `workbench simulate data/demo` makes a company to try.

An empty cell means "not known". It never means 0. `id` is text and stays text: `007` is not `7`.
"""


def codebook() -> str:
    """The page as Markdown text."""
    parts = [_HEAD.format(version=VERSION)]
    parts += [_table(table) for table in TABLES.values()]
    parts.append(_metrics())
    return "\n".join(parts)


def _table(table: Table) -> str:
    need = "required" if table.required else "optional"
    lines = [
        f"## {table.name} ({need})",
        "",
        table.meaning,
        "",
        "| column | type | filled | meaning |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{c.name}` | {_type(c)} | {_filled(c)} | {c.meaning} |" for c in table.columns.values()]
    return "\n".join(lines) + "\n"


def _type(column: Column) -> str:
    return ", ".join(f"`{word}`" for word in column.words) if column.words else column.type


def _filled(column: Column) -> str:
    parts = ["always" if column.required else "if known"]
    if column.key:
        parts.append("no two rows alike")
    if column.needs:
        parts.append(f"from `{'.'.join(column.needs)}`")
    if column.default:
        parts.append(f"empty: `{column.default}`")
    return "; ".join(parts)


def _metrics() -> str:
    lines = ["## What each metric needs", "", 'A metric whose columns are missing or empty is "not recorded".', ""]
    lines += ["| metric | needs |", "|---|---|"]
    lines += [f"| {metric} | {', '.join(f'`{need}`' for need in needs)} |" for metric, needs in METRICS.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(codebook())
