"""The command `attnsim`: arguments to one call of the package, and every error of the user's to a message.

Exit codes: 0 fine, 1 a claim failed, 2 bad input, 130 interrupted, 143 terminated (studies), 141 nobody reads the
output any more.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from attnsim.errors import EXIT_BAD_INPUT, AttnSimError

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
# Imports and task graphs make many objects that live until the end; looking through them for garbage as often as Python
# does by default takes an eighth of a short command's time.
OBJECTS_BETWEEN_COLLECTIONS = 200_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv` by default) and return its exit code; bad input never shows a traceback."""
    try:
        return _answer(sys.argv[1:] if arguments is None else list(arguments))
    except AttnSimError as error:
        return _fail(*(str(problem) for problem in error.problems))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_BROKEN_PIPE
    except OSError as error:
        return _fail(_explain(error))
    except MemoryError:
        return _fail("not enough memory for this run; a shorter --seq-len or a smaller --batch needs less")
    except OverflowError:
        return _fail("the run is too long, its end is beyond the clock; shorten --seq-len or make --batch smaller")


def _answer(arguments: list[str]) -> int:
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    from attnsim.cli.app import answer

    given = answer(arguments)
    sys.stdout.write(given.text)
    sys.stdout.flush()
    return given.exit_code


def _fail(*messages: str) -> int:
    sys.stderr.write("".join(f"{message}\n" for message in messages))
    return EXIT_BAD_INPUT


def _explain(error: OSError) -> str:
    reason = error.strerror or str(error)
    place = f"{error.filename}: " if error.filename else "cannot write: "
    return f"{place}{reason[:1].lower()}{reason[1:]}; check the path, its permissions and the space left on its disk"
