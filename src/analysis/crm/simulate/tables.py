"""From codes to contract cells: identifiers, labelled columns, and parquet files whose bytes depend on the data only."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.crm.contract import TABLES
from analysis.crm.simulate.process import Process
from analysis.crm.simulate.truth import rep_id, team_id

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Ints = NDArray[np.int64]

_ARROW = {
    "id": "string",
    "text": "string",
    "word": "string",
    "date": "date32",
    "instant": "instant",
    "int": "int64",
    "number": "float64",
    "share": "float64",
    "bool": "bool",
}


def labelled(codes: Ints, labels: Sequence[str]) -> pd.Categorical:
    """Text of codes; -1 is null."""
    return pd.Categorical.from_codes(np.asarray(codes, dtype=np.int64), categories=pd.Index(list(labels), dtype="str"))


def numbered(prefix: str, numbers: Ints, width: int = 7) -> NDArray[np.str_]:
    """Identifiers such as A0000001."""
    if numbers.size == 0:
        return np.empty(0, dtype=np.str_)
    return np.char.add(prefix, np.char.zfill(numbers.astype(np.str_), width))


def identifiers(prefix: str, numbers: Ints, width: int = 7) -> pd.Categorical:
    """The same with nulls where the number is negative; numbers count from 0, identifiers from 1."""
    used = np.unique(numbers[numbers >= 0])
    codes = np.where(numbers >= 0, np.searchsorted(used, numbers), -1)
    return labelled(codes, list(numbered(prefix, used + 1, width)))


def opportunity_id(row: Ints) -> pd.Categorical:
    """Identifiers of deals by their number in the process; -1 is null."""
    return identifiers("O", row)


def account_id(number: Ints) -> pd.Categorical:
    """Identifiers of accounts by their number in the company; -1 is null."""
    return identifiers("C", number, 6)


def rep_label(process: Process, rep: Ints) -> pd.Categorical:
    """Identifiers of reps; -1 is null."""
    return labelled(rep, [rep_id(number) for number in range(process.roster.home.size)])


def team_label(process: Process, team: Ints) -> pd.Categorical:
    """Identifiers of teams; -1 is null."""
    return labelled(team, [team_id(number) for number in range(process.roster.n_teams)])


def arrow(name: str, frame: pd.DataFrame) -> "pa.Table":
    """A contract table's frame with the contract's types and columns in the contract's order, without any metadata."""
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "date32": pa.date32(),
        "instant": pa.timestamp("us", tz="UTC"),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
    }
    columns = [column for column in TABLES[name].columns.values() if column.name in frame]
    unknown = set(frame.columns) - {column.name for column in columns}
    if unknown:
        raise ValueError(f"{name}: the contract has no columns {sorted(unknown)}")
    kinds = [types[_ARROW[column.type]] for column in columns]
    arrays = [_cells(frame[column.name], kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.Table.from_arrays(arrays, names=[column.name for column in columns])


def _cells(values: pd.Series, kind: "pa.DataType") -> "pa.Array":
    import pyarrow as pa

    cells = pa.array(values, from_pandas=True)
    if isinstance(cells, pa.DictionaryArray):
        cells = cells.dictionary_decode()
    if pa.types.is_timestamp(kind) and not cells.type.tz:
        cells = cells.cast(pa.timestamp("us"))
    return cells.cast(kind)


class Folder:
    """A data folder being written: append frames table by table; every append is one row group."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, int] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}

    def append(self, name: str, frame: pd.DataFrame) -> None:
        """Add rows to a table; a table without any row is not written."""
        import pyarrow.parquet as pq

        if frame.empty:
            return

        table = arrow(name, frame)
        if name not in self._writers:
            path = self.folder / f"{name}.parquet"
            self._writers[name] = pq.ParquetWriter(path, table.schema, compression="zstd", store_schema=False)
        self._writers[name].write_table(table)
        self.rows[name] = self.rows.get(name, 0) + table.num_rows

    def close(self) -> None:
        """Finish all files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
