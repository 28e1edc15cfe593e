"""Tables of shapes as files: Parquet or CSV by the ending of the name."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from attnsim.errors import AttnSimError, Problem

ENDINGS = (".parquet", ".csv")


def read_table(path: Path) -> pl.DataFrame:
    """A table from a file; raises AttnSimError for another ending, a missing file or one that is no such table."""
    _require_ending(path)
    if not path.is_file():
        raise AttnSimError(Problem(file=str(path), what="there is no such file", remedy="give a Parquet or CSV file"))
    try:
        return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema_length=None)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        what = f"cannot be read: {str(error).splitlines()[0]}"
        raise AttnSimError(Problem(file=str(path), what=what, remedy=f"save it again as {path.suffix[1:]}")) from None


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write a table; raises AttnSimError for another ending."""
    _require_ending(path)
    if path.suffix == ".parquet":
        table.write_parquet(path)
    else:
        table.write_csv(path)


def table_text(table: pl.DataFrame) -> str:
    """A table as CSV."""
    return table.write_csv()


def _require_ending(path: Path) -> None:
    if path.suffix not in ENDINGS:
        what = f"{path.suffix or 'no ending'!r} is neither Parquet nor CSV"
        raise AttnSimError(Problem(file=str(path), what=what, remedy="name a file that ends in .parquet or .csv"))
