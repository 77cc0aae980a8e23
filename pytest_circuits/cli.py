"""The command line: the life of baselines outside a test run. Needs no model and no torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_UNREADABLE = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: done; 2: a usage error; 3: a baseline that can't be read.
    """
    parser = argparse.ArgumentParser(
        prog="pytest-circuits",
        description="Look at the baselines that `pytest --circuits` holds models against.",
        epilog="example: pytest-circuits show example_suites/quickstart",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    what = "print baselines in words"
    show = commands.add_parser("show", help=what, description=what)
    show.add_argument(
        "paths",
        nargs="*",
        type=Path,
        default=[Path()],
        help="baseline files, or folders to look for them in (default: here)",
    )
    options = parser.parse_args(arguments)
    return _show(options.paths)


def _show(paths: Sequence[Path]) -> int:
    from pytest_circuits.baselines import BaselineError, loads
    from pytest_circuits.baselines.canonical import dumps
    from pytest_circuits.baselines.envelope import read_entries

    missing = [path for path in paths if not path.exists()]
    if missing:
        print(f"pytest-circuits: there is no {missing[0]}", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    status = EXIT_OK
    files = [file for path in paths for file in _files(path)]
    if not files:
        print("no baselines")  # noqa: T201
    for file in files:
        print(file)  # noqa: T201
        try:
            for entry in read_entries(file):
                baseline = loads(dumps(entry), file)
                text = f"{baseline.name + ': ' if baseline.name else ''}{baseline.finding}"
                print("\n".join(f"  {line}" for line in text.splitlines()))  # noqa: T201
        except BaselineError as error:
            print(error, file=sys.stderr)  # noqa: T201
            status = EXIT_UNREADABLE
    return status


def _files(path: Path) -> Iterator[Path]:
    from pytest_circuits.baselines import ROOT

    if path.is_file():
        yield path
        return
    for file in sorted(path.rglob("*.json")):
        if ROOT in file.resolve().parts:
            yield file


if __name__ == "__main__":
    sys.exit(main())
