"""The contract: complete, consistent, the same names and types as the reference, and the codebook not stale."""

import tomllib
from pathlib import Path

import pytest

from analysis.crm.capability import METRICS, capabilities
from analysis.crm.codebook import codebook
from analysis.crm.contract import PANDAS_DTYPES, TABLES, VERSION
from analysis.crm.rules import REASONS, schema


def test_every_column_has_a_known_type_and_a_meaning():
    columns = [column for table in TABLES.values() for column in table.columns.values()]
    assert len(columns) > 90
    for column in columns:
        assert column.type in PANDAS_DTYPES
        assert (column.type == "word") == bool(column.words)
        assert column.meaning.endswith(".")


def test_references_point_to_key_columns():
    for table in TABLES.values():
        for column in table.columns.values():
            if column.needs:
                assert TABLES[column.needs[0]].key == column.needs[1]


def test_required_tables_are_the_three_of_the_design():
    assert [name for name, table in TABLES.items() if table.required] == ["reps", "activities", "opportunities"]


def test_defaults_are_allowed_words():
    for table in TABLES.values():
        for column in table.columns.values():
            if column.default and column.words:
                assert column.default in column.words


def test_names_types_and_flags_equal_the_reference(shared: Path):
    reference = tomllib.loads((shared / "contract.toml").read_text(encoding="utf-8"))
    assert reference.pop("version") == VERSION
    assert list(reference) == list(TABLES)
    for name, columns in reference.items():
        assert list(columns) == list(TABLES[name].columns)
        for column, text in columns.items():
            head = text.split(" | ")[0].split()
            ours = TABLES[name].columns[column]
            assert ("|".join(ours.words) or ours.type) == head[0]
            assert ours.required == ("required" in head)
            assert ours.key == ("key" in head)
            assert ours.needs == (tuple(head[head.index("->") + 1].split(".")) if "->" in head else None)


def test_codebook_on_disk_is_the_generated_one(root: Path):
    on_disk = (root / "data" / "README.md").read_text(encoding="utf-8")
    assert on_disk == codebook(), "stale: run python -m analysis.crm.codebook > data/README.md"


def test_codebook_names_every_column():
    text = codebook()
    for table in TABLES.values():
        for column in table.columns.values():
            assert f"| `{column.name}` |" in text


def test_metrics_need_columns_that_exist():
    for needs in METRICS.values():
        for need in needs:
            table, column = need.split(".")
            assert column in TABLES[table].columns


def test_a_metric_is_available_only_where_every_column_is_filled():
    found = {c.metric: c for c in capabilities({"opportunities": {"list_amount": 3, "amount": 0}})}
    assert not found["price realisation"].available
    assert found["price realisation"].missing == ("opportunities.amount",)
    assert found["talk time"].missing == ("activities.duration_s (no table activities)",)
    full = {"opportunities": {"list_amount": 3, "amount": 1}}
    assert {c.metric: c for c in capabilities(full)}["price realisation"].available


@pytest.mark.parametrize("table", list(TABLES))
def test_schemas_are_made_from_the_contract(table: str):
    made = schema(table)
    assert list(made.columns) == list(TABLES[table].columns)
    for name, column in TABLES[table].columns.items():
        assert made.columns[name].nullable == (not column.required)
        assert all(check.name in REASONS for check in made.columns[name].checks)
