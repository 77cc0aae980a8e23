"""What the commands share: their arguments, exit statuses, and where they print and write."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 — has no other name

EXIT_OK = 0
EXIT_PENDING = 1
EXIT_USAGE = 2
EXIT_UNREADABLE = 3

NO_BREAK = "\N{NO-BREAK SPACE}"
#: The file name that means the standard output.
STDOUT = "-"


def add_command(
    commands: Commands, name: str, what: str, more: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """Add a command.

    Args:
        commands: what to add it to.
        name: its name.
        what: what it does, in a few words.
        more: further help: an example, and the exit statuses.
        run: runs it and gives its exit status.
    """
    command = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=textwrap.dedent(more).strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def add_folder(command: argparse.ArgumentParser) -> None:
    """Let a command look in a folder, which need not be named."""
    command.add_argument(
        "path",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="the folder to look in (default: here)",
    )


def add_outputs(command: argparse.ArgumentParser, kinds: Sequence[str], what: str) -> None:
    """Let a command write reports of several kinds, each to where an option of its name says.

    Args:
        command: the command.
        kinds: the kinds, in the order in which they are written.
        what: what an option's help says, with a kind in its braces.
    """
    for kind in kinds:
        command.add_argument(f"--{kind}", metavar="FILE", help=what.format(kind))
    command.set_defaults(kinds=kinds)


def outputs(options: argparse.Namespace) -> dict[str, str]:
    """Where reports go that were asked for, by kind."""
    places = {kind: getattr(options, kind) for kind in options.kinds}
    return {kind: place for kind, place in places.items() if place is not None}


def too_many(places: Mapping[str, str]) -> str:
    """What is wrong where several reports go to the standard output; empty if it is one at most."""
    several = [kind for kind, place in places.items() if place == STDOUT]
    return f"only one of {', '.join(several)} fits on standard output" if len(several) > 1 else ""


def write_outputs(places: Mapping[str, str], rendered: Callable[[str], str]) -> str:
    """Write reports; gives what went wrong, or nothing.

    Args:
        places: where each kind goes; ``-`` is the standard output, which then gets nothing else.
        rendered: the text of a kind.
    """
    from pytest_circuits.baselines.writing import write_text

    for kind, place in places.items():
        text = rendered(kind)
        if place == STDOUT:
            sys.stdout.flush()
            # Reports are UTF-8, whatever a terminal would be.
            sys.stdout.buffer.write(text.encode())
            sys.stdout.buffer.flush()
            continue
        try:
            write_text(Path(place), text)
        except OSError as error:
            return f"{place} could not be written: {error.strerror}"
        if STDOUT not in places.values():
            say(f"report: {place}")
    return ""


def say(text: str) -> None:
    """Print what was asked for."""
    print(text)  # noqa: T201


def complain(text: str) -> None:
    """Print what went wrong, line by line, without what a terminal obeys: names are a file's."""
    from pytest_circuits.report.text import plain

    for line in text.splitlines():
        print(plain(line), file=sys.stderr)  # noqa: T201


def refuse(text: str) -> int:
    """Say why nothing was done; gives the exit status of a usage error."""
    complain(f"pytest-circuits: {text}")
    return EXIT_USAGE


def width() -> int:
    """The terminal's width in columns; 80 where there is none."""
    return shutil.get_terminal_size().columns


def wrapped(text: str, indent: str) -> str:
    """The text on as many lines as the terminal needs, those after the first further indented.

    Lines end at no no-break space; it is printed as any other.
    """
    filled = textwrap.fill(
        text,
        width(),
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(NO_BREAK, " ")


def no_folder(path: Path) -> str | None:
    """What is wrong with a path that should be a folder's; None if it is one's."""
    if path.is_dir():
        return None
    return f"{path} is a file: name a folder" if path.exists() else f"there is no folder {path}"


def shown(path: Path) -> Path:
    """A path as it is best read: from the working directory, where it lies below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
