"""The table of commands, and how a command line finds its row. Commands import what they need when they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import typer

from attnsim.cli.analyse import analyse
from attnsim.cli.answer import Answer
from attnsim.cli.calibrate import calibrate
from attnsim.cli.compare import compare
from attnsim.cli.explore import best, explore, pareto
from attnsim.cli.iterate import iterate
from attnsim.cli.listing import list_specs
from attnsim.cli.map import find
from attnsim.cli.predict import predict
from attnsim.cli.report import report
from attnsim.cli.roofline import roofline
from attnsim.cli.run import run
from attnsim.cli.schema import schema
from attnsim.cli.serve import serve
from attnsim.cli.show import show
from attnsim.cli.trace import trace
from attnsim.cli.validate import validate

HELP = """Simulate attention algorithms, written as cascades of Einsums, on hardware.

Everything that takes a name (hardware, mapping, model, cascade) also takes the path of a YAML file of your own.
"""

COMMANDS: dict[str, Callable[..., Answer]] = {
    "list": list_specs,
    "show": show,
    "analyse": analyse,
    "run": run,
    "compare": compare,
    "map": find,
    "roofline": roofline,
    "trace": trace,
    "serve": serve,
    "iterate": iterate,
    "explore": explore,
    "pareto": pareto,
    "best": best,
    "predict": predict,
    "calibrate": calibrate,
    "validate": validate,
    "report": report,
    "schema": schema,
}

app = typer.Typer(name="attnsim", help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for name, command in COMMANDS.items():
    app.command(name)(command)

# Typer brings its own click or uses the installed one, depending on its version; its own base class is right for both.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])


@app.callback()
def _no_options_of_its_own() -> None:
    pass


def answer(arguments: list[str]) -> Answer:
    """The answer of the command that the arguments name; usage errors are shown on stderr and give exit code 2."""
    try:
        result = app(arguments, prog_name="attnsim", standalone_mode=False)
    except _UsageError as error:
        error.show()
        return Answer(text="", exit_code=error.exit_code)
    except typer.Abort:
        raise KeyboardInterrupt from None
    return result if isinstance(result, Answer) else Answer(text="", exit_code=result or 0)
