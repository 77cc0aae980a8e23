"""``pytest-circuits show``: baselines in words."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.commands.console import (
    EXIT_OK,
    EXIT_UNREADABLE,
    NO_BREAK,
    add_command,
    complain,
    refuse,
    say,
    say_wrapped,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pytest_circuits.baselines import Baseline
    from pytest_circuits.commands.console import Commands

_INDENT = "  "


def add(commands: Commands) -> None:
    """Add the command, its arguments and its help."""
    show = add_command(
        commands,
        "show",
        "print baselines in words",
        """
        example:
          pytest-circuits show example_suites/quickstart

        exit status:
          0  done
          2  usage error
          3  a baseline can't be read; the others are shown
        """,
        run,
    )
    show.add_argument(
        "paths",
        nargs="*",
        type=Path,
        default=[Path()],
        metavar="PATH",
        help="baseline files, or folders to look for them in (default: here)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the baselines in files and folders."""
    from pytest_circuits.baselines import BaselineError
    from pytest_circuits.baselines.codec import read

    missing = [path for path in options.paths if not path.exists()]
    if missing:
        return refuse(f"there is no {missing[0]}")
    status = EXIT_OK
    files = [file for path in options.paths for file in _files(path)]
    if not files:
        say("no baselines")
    for file in files:
        say(str(file))
        try:
            for baseline in read(file):
                _print(baseline)
        except BaselineError as error:
            complain(str(error))
            status = EXIT_UNREADABLE
    return status


def _files(path: Path) -> Iterator[Path]:
    from pytest_circuits.baselines import walk

    if path.is_file():
        yield path
        return
    folder = path.resolve()
    for location in walk(folder):
        yield path / location.path.relative_to(folder)


def _print(baseline: Baseline) -> None:
    title = f"{baseline.name}: " if baseline.name else ""
    say(*textwrap.indent(f"{title}{baseline.finding}", _INDENT).split("\n"))
    for line in _details(baseline):
        say_wrapped(line, _INDENT)


def _details(baseline: Baseline) -> Iterator[str]:
    """What the finding's own table doesn't say."""
    from pytest_circuits.baselines.codec import OWN_MODEL
    from pytest_circuits.findings import Direction
    from pytest_circuits.findings.digits import shown

    finding = baseline.finding
    nulls = {
        head: f"{head} (null {shown(null.mean)}, p {null.p:.3f})".replace(" ", NO_BREAK)
        for head, null in finding.nulls.items()
    }
    if finding.role is not None:
        sides = ", either way" if finding.direction is Direction.TWO_SIDED else ""
        members = [nulls.pop(str(head), str(head)) for head in finding.members()]
        yield (
            f"{finding.role.name} ({finding.role.threshold:g} or more{sides}): "
            f"{', '.join(members) or 'none'}"
        )
        indistinct = [text for head, text in nulls.items() if not finding.nulls[head].rejected]
        if indistinct:
            yield f"not told from their null: {', '.join(indistinct)}"
    elif nulls:  # of one number
        told = all(null.rejected for null in finding.nulls.values())
        words = "more than its null" if told else "not told from its null"
        yield f"{words}: {', '.join(nulls.values())}"
    if finding.canary is not None:
        yield f"canary {shown(finding.canary.loss)} nats a token ({finding.canary.kind})"
    if finding.provenance.get("source") == OWN_MODEL:
        yield f"measured on {OWN_MODEL}"
    yield f"tolerance: {baseline.tolerance.origin}"
