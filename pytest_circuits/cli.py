"""The command line: the life of baselines outside a test run. Needs no model and no torch."""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: After Ctrl-C, as pytest has it; and after a reader that has read enough, as a shell has it.
_INTERRUPTED, _CUT_OFF = 2, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: done; 1: something changed, or is left to do; 2: a usage error, or Ctrl-C; 3: a baseline that
    can't be read.
    """
    try:
        return _main(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        # Nothing is half done: files appear whole or not at all.
        return _INTERRUPTED


def _main(arguments: Sequence[str]) -> int:
    # Imported here: Ctrl-C may come meanwhile.
    from pytest_circuits.commands import diff
    from pytest_circuits.commands.console import refuse

    for stream in (sys.stdout, sys.stderr):
        # A terminal, or a pipe on Windows, may have no arrow.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    typed, paths = diff.paths_apart(arguments)
    options = _parser().parse_args(typed, argparse.Namespace(after_dashes=paths))
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        Path.cwd()
    except FileNotFoundError:
        return refuse("the working directory is not there any more.\nGo to one that is: cd …")
    try:
        status = run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has read enough (`| head`), and Python must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # What it would have come to is not known, so that it is no success.
        return _CUT_OFF
    except OSError as error:
        # What a command foresees it tells better.
        return refuse(f"{error.filename or 'a file'}: {error.strerror or error}")
    return status


def _parser() -> argparse.ArgumentParser:
    from pytest_circuits.commands import accept, diff, history, prune, remove, report, review, show
    from pytest_circuits.commands.console import Parser

    parser = Parser(
        prog="pytest-circuits",
        description="The life of the baselines that `pytest --circuits` holds models against.",
        epilog="`pytest-circuits COMMAND --help` has an example and the exit statuses.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (show, diff, review, accept, history, prune, remove, report):
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
