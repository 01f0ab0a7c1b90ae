"""Parquet files as batches in order of time, as far as the files' own statistics tell it.

Every row group states the first day it holds. Read in that order, a week is finished once the next row group begins
after it, whatever the order of files and rows is; row groups without statistics are read first, as they may hold any day.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SHORT_BATCH_ROWS = 1 << 18  # arrays that stay in the processor's cache
LONG_BATCH_ROWS = 1 << 20  # where every batch holds every week, fewer batches cost less
LONG_SPAN_DAYS = 200
_ANY_DAY = -(10**6)


@dataclass(frozen=True, slots=True, order=True)
class _Part:
    """One row group. first_day, last_day: days since 1970-01-01; file: place in the list of files."""

    first_day: int
    file: int
    row_group: int
    last_day: int

    @property
    def batch_rows(self) -> int:
        """Rows to read at once."""
        return LONG_BATCH_ROWS if self.last_day - self.first_day > LONG_SPAN_DAYS else SHORT_BATCH_ROWS


def batches(
    files: Sequence[Path], columns: Sequence[str], words: Sequence[str], day: str
) -> Iterator[tuple["pa.RecordBatch", int]]:
    """Batches of the columns that are there, and the day (since 1970-01-01) before which no further row lies.

    words: columns to read as dictionary codes. day: the date column the order goes by.
    """
    import pyarrow.parquet as pq

    metadata = [pq.read_metadata(path) for path in files]
    parts = sorted(part for number, held in enumerate(metadata) for part in _parts(held, number, day))
    opened, file = -1, None
    try:
        for part in parts:
            there = set(metadata[part.file].schema.to_arrow_schema().names)
            names = [name for name in columns if name in there]
            if part.file != opened or file is None:
                if file is not None:
                    file.close()
                codes = [name for name in names if name in words]
                opened, path = part.file, files[part.file]
                file = pq.ParquetFile(path, metadata=metadata[opened], read_dictionary=codes, memory_map=True)
            for batch in file.iter_batches(part.batch_rows, row_groups=[part.row_group], columns=names):
                yield batch, part.first_day
    finally:
        if file is not None:
            file.close()


def _parts(metadata: "pq.FileMetaData", number: int, day: str) -> Iterator[_Part]:
    places = {metadata.schema.column(place).path: place for place in range(metadata.num_columns)}
    for group in range(metadata.num_row_groups):
        found = metadata.row_group(group).column(places[day]).statistics
        if found is not None and found.has_min_max and isinstance(found.min, date):
            yield _Part(_number(found.min), number, group, _number(found.max))
        else:
            yield _Part(_ANY_DAY, number, group, -_ANY_DAY)


def _number(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()
