"""What the CRM exports share: ids and times as a CRM writes them, CSV files, and the import configuration beside them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

Cells = Mapping[str, Any]

SLOT_MINUTES = 45
"""Length that calendars plan for a meeting."""


class Csv:
    """One CSV file being written, a batch at a time; nulls are empty, text is quoted where needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pa_csv.CSVWriter | None = None

    def __enter__(self) -> "Csv":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()

    def append(self, cells: Cells) -> None:
        """Add rows: column name -> array of texts or numbers, all of one length."""
        table = pa.table(dict(cells))
        if table.num_rows == 0:
            return
        if self._writer is None:
            options = pa_csv.WriteOptions(quoting_style="needed")
            self._writer = pa_csv.CSVWriter(self._path, table.schema, write_options=options)
        self._writer.write_table(table)


def batches(folder: Path, table: str) -> Iterator[pa.Table]:
    """A contract table of the folder, a row group at a time."""
    file = pq.ParquetFile(folder / f"{table}.parquet")
    for group in range(file.num_row_groups):
        yield file.read_row_group(group)


def whole(folder: Path, table: str) -> pd.DataFrame:
    """A small contract table; empty when the company has none."""
    path = folder / f"{table}.parquet"
    return pd.read_parquet(path, dtype_backend="pyarrow") if path.exists() else pd.DataFrame()


def account_ids(contract: Path) -> Any:
    """Every account that an activity or a deal names."""
    known: set[str] = set()
    for name in ("activities", "opportunities"):
        for rows in batches(contract, name):
            known |= set(pc.unique(pc.drop_null(rows["account_id"])).to_pylist())
    return pa.array(sorted(known), pa.string())


def created_at(contract: Path) -> pd.Series:
    """When each deal was created: its first stage change."""
    parts = [rows.select(["opportunity_id", "changed_at"]).to_pandas() for rows in batches(contract, "stage_changes")]
    return pd.concat(parts).groupby("opportunity_id")["changed_at"].min()


def kinds(contract: Path) -> list[str]:
    """The kinds of activity the company records."""
    return sorted({kind for rows in batches(contract, "activities") for kind in pc.unique(rows["kind"]).to_pylist()})


def day_before(as_of: str) -> str:
    """The last day of the data."""
    return (pd.Timestamp(as_of) - pd.Timedelta(days=1)).date().isoformat()


def digits(ids: Any, skip: int = 1) -> Any:
    """The number in contract identifiers such as A0000012, without leading zeros; null stays null."""
    return pc.utf8_ltrim(pc.utf8_slice_codeunits(_text(ids), skip), "0")


def salesforce_id(prefix: str, ids: Any, skip: int = 1, lead: str = "0") -> Any:
    """18-letter ids: the object's prefix, the number padded to twelve digits (the first one `lead`), the check letters."""
    body = pc.utf8_lpad(digits(ids, skip), 11, "0")
    return pc.binary_join_element_wise(f"{prefix}{lead}", body, check_letters(prefix), "")


def check_letters(prefix: str) -> str:
    """The three letters that tell upper from lower case in fifteen-letter ids; here only the prefix has letters."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    first = sum(1 << place for place, letter in enumerate(prefix) if letter.isupper())
    return alphabet[first] + "AA"


def hubspot_id(series: int, ids: Any, skip: int = 1) -> Any:
    """Numeric ids, each object's in its own hundred million million."""
    return pc.binary_join_element_wise(str(series), pc.utf8_lpad(digits(ids, skip), 10, "0"), "")


def utc(instants: Any) -> Any:
    """Instants as 2026-11-13T09:30:00.000Z."""
    seconds = pc.cast(plain(instants), pa.timestamp("s", tz="UTC"), safe=False)
    return pc.strftime(seconds, "%Y-%m-%dT%H:%M:%S.000Z")


def day(dates: Any) -> Any:
    """Dates as 2026-11-13."""
    return pc.strftime(pc.cast(plain(dates), pa.date32()), "%Y-%m-%d")


def words(column: Any, spelling: Mapping[str, str]) -> Any:
    """The CRM's words for the contract's; a word that is not listed is blank."""
    encoded = pc.dictionary_encode(_text(column))
    arrays = encoded.chunks if isinstance(encoded, pa.ChunkedArray) else [encoded]
    parts = [
        pa.DictionaryArray.from_arrays(
            part.indices, pa.array([spelling.get(word) for word in part.dictionary.to_pylist()], pa.string())
        ).cast(pa.string())
        for part in arrays
    ]
    return pa.chunked_array(parts, pa.string())


def constant(value: str | None, like: Any) -> Any:
    """The same text in every row."""
    return (
        pa.array([value], pa.string()).take(pa.array([0]).take(pa.array([0] * len(like))))
        if len(like)
        else pa.array([], pa.string())
    )


def where(condition: Any, then: Any, otherwise: Any = None) -> Any:
    """Element by element; a null condition counts as false."""
    return pc.if_else(
        pc.fill_null(condition, False), then, pa.scalar(None, pa.string()) if otherwise is None else otherwise
    )


def truth(condition: Any) -> Any:
    """true or false as text."""
    return pc.cast(pc.fill_null(condition, False), pa.string())


def plain(column: Any) -> Any:
    """A pandas column as an arrow one; anything else as it is."""
    return pa.chunked_array([pa.array(column, from_pandas=True)]) if isinstance(column, pd.Series) else column


def _text(column: Any) -> Any:
    return pc.cast(plain(column), pa.string())


def team_files(folder: Path, reps_teams: pd.DataFrame, source_ids: list[str]) -> None:
    """One small configuration file a team: its id, name, region, zone, and what the CRM calls it."""
    (folder / "teams").mkdir()
    for (_, team), source in zip(reps_teams.iterrows(), source_ids, strict=True):
        lines = [
            "[team]",
            f"id = {quoted(team['team_id'])}",
            f"name = {quoted(team['name'])}",
            f"region = {quoted(team['region'])}",
            f"source = [{quoted(source)}]",
            f"timezone = {quoted(team['timezone'])}",
        ]
        (folder / "teams" / f"{team['team_id']}.toml").write_text(
            "\n".join(["schema = 1", *lines]) + "\n", encoding="utf-8"
        )


def quoted(text: str) -> str:
    """A TOML basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
