"""The command line: the life of baselines outside a test run. Needs no model and no torch."""

from __future__ import annotations

import argparse
import io
import os
import sys
from typing import TYPE_CHECKING

from pytest_circuits.commands import accept, diff, history, prune, report, review, show
from pytest_circuits.commands.console import Parser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: As a shell has it, after Ctrl-C, and after a reader that has read enough.
_INTERRUPTED, _CUT_OFF = 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: done; 1: something changed, or is left to do; 2: a usage error; 3: a baseline that can't be
    read.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal, or a pipe on Windows, may have no arrow.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    typed, paths = diff.paths_apart(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(typed, argparse.Namespace(after_dashes=paths))
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        status = run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has read enough (`| head`), and Python must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # What it would have come to is not known, so that it is no success.
        return _CUT_OFF
    except KeyboardInterrupt:
        # Nothing is half done: files appear whole or not at all.
        return _INTERRUPTED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="pytest-circuits",
        description="The life of the baselines that `pytest --circuits` holds models against.",
        epilog="`pytest-circuits COMMAND --help` has an example and the exit statuses.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (show, diff, review, accept, history, prune, report):
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
