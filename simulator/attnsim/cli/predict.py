"""`attnsim predict`: milliseconds for every row of a table of attention shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnsim.cli.answer import Answer


def predict(
    rows: Annotated[Path, typer.Argument(help="Parquet or CSV, one shape a row; docs/gpu.md lists the columns")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="the file to write, Parquet or CSV; CSV to stdout if left out")
    ] = None,
) -> Answer:
    """Predict how long each row's kernel takes: adds predicted_ms, bottleneck, expected_error and reason."""
    from attnsim.cli.progress import waiting
    from attnsim.predict import predict_rows
    from attnsim.predict.files import read_table, table_text, write_table

    table = read_table(rows)
    with waiting("predicting"):
        made = predict_rows(table, file=str(rows))
    answered = table.with_columns(*made.columns())
    if out is None:
        return Answer(text=table_text(answered))
    write_table(answered, out)
    missing = answered["predicted_ms"].null_count()
    tail = f", {missing} without a prediction: see `reason`" if missing else ""
    return Answer(text=f"{out}: {answered.height} rows{tail}\n")
