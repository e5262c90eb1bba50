"""``vertebra``: the verbs, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from typing import Annotated

import typer

from vertebra.cli import (
    architectures,
    bundles,
    checks,
    comparison,
    costs,
    embeddings,
    frontier,
    jobs,
    measuring,
    prediction,
    profiles,
    scale_search,
    scaling,
    weights,
)
from vertebra.errors import MissingExtraError, VertebraError

# Typer brings its own copy of click, or uses click itself, by its version: the base of its errors is found either way.
UsageFault: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if issubclass(base, Exception) and base.__name__ == "ClickException"
)

CTRL_C = 130
"""What typer makes of Ctrl-C where nobody else has caught it."""

app = typer.Typer(
    name="vertebra",
    help="Design, measure, train and ship CNN image backbones.  The main job: vertebra fit DATA --latency 5ms",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="--debug with any verb shows the traceback of an error.",
)


def _version(asked: bool) -> None:
    if asked:
        from vertebra.version import installed  # reads the installed metadata, which takes a while

        print(f"vertebra {installed()}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]


@app.callback()
def _options(version: Version = False) -> None:
    """What stands before any verb."""


for group in (
    jobs,
    bundles,
    embeddings,
    architectures,
    costs,
    comparison,
    measuring,
    prediction,
    profiles,
    scaling,
    frontier,
    scale_search,
    checks,
    weights,
):
    group.register(app)


def main() -> None:
    """Run the command line; exit codes: 0, 2 for a typed error and for Ctrl-C, 1 for a fault of vertebra's."""
    # Trees are made by the ten thousand, none of them in circles: looking for those takes a seventh of `vertebra list`.
    gc.set_threshold(50_000, 20, 20)
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) != len(sys.argv) - 1
    try:
        code = app(arguments, standalone_mode=False, prog_name="vertebra")
        if code == CTRL_C:
            code = _said("stopped", 2, debug)
    except ModuleNotFoundError as error:
        missing = MissingExtraError.behind(error)
        if missing is None:
            raise
        code = _said(str(missing), 2, debug)
    except VertebraError as error:
        code = _said(str(error), 2, debug)
    except UsageFault as error:
        message = " ".join((error.format_message() if hasattr(error, "format_message") else str(error)).split())
        # Without any argument the help was printed, and the fault says nothing.
        code = _said(f"{message} (see vertebra --help)", 2, debug) if message else 2
    except (typer.Abort, KeyboardInterrupt):
        code = _said("stopped", 2, debug)
    except BrokenPipeError:
        # The reader went away (`vertebra list | head`): nothing to report, and nothing to flush into.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def _said(line: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"vertebra: {line}", file=sys.stderr)
    return code
