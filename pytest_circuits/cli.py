"""The command line: the life of baselines outside a test run. Needs no model and no torch."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from pytest_circuits.commands.arguments import add_history, add_prune, add_show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: done; 1: something is left to do; 2: a usage error; 3: a baseline that can't be read.
    """
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        status = run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has read enough (`| head`), and Python must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-circuits",
        description="The life of the baselines that `pytest --circuits` holds models against.",
        epilog="`pytest-circuits COMMAND --help` has an example and the exit statuses.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (add_show, add_history, add_prune):
        add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
