"""What the commands share: their arguments, exit statuses, and where they print and write."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_circuits.report.text import Line

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 — has no other name

EXIT_OK = 0
EXIT_PENDING = 1
EXIT_USAGE = 2
EXIT_UNREADABLE = 3

NO_BREAK = "\N{NO-BREAK SPACE}"
#: The colours of lines on a terminal, by what pytest calls them.
_COLOURS = {"red": "31", "yellow": "33"}
#: The file name that means the standard output.
STDOUT = "-"


class Parser(argparse.ArgumentParser):
    """Reads arguments. What it can't read may be a file's name, which a shell put there."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with them, and exit."""
        from pytest_circuits.report.text import plain

        super().error(plain(message))


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


# Names, subjects and messages are a file's, or whoever wrote it: all that is printed passes here,
# and no line has anything in it that a terminal obeys.


def say(*lines: str) -> None:
    """Print what was asked for. A line end within a line is part of a name: a space is shown."""
    from pytest_circuits.report.text import Line, Part

    for text in lines:
        say_line(Line((Part(text),)))


def say_line(line: Line) -> None:
    """Print a line; in colour, where the terminal has it."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    parts = (
        f"\x1b[{_COLOURS[part.colour]}m{part.text}\x1b[0m"
        if coloured and part.colour in _COLOURS
        else part.text
        for part in line.plain.parts
    )
    print("".join(parts))  # noqa: T201


def say_wrapped(text: str, indent: str) -> None:
    """Print a text on as many lines as the terminal needs, those after the first further indented.

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
    say(*filled.replace(NO_BREAK, " ").split("\n"))


def complain(text: str) -> None:
    """Print what went wrong, in one line or several."""
    from pytest_circuits.report.text import plain_lines

    print(plain_lines(text), file=sys.stderr)  # noqa: T201


def refuse(text: str) -> int:
    """Say why nothing was done; gives the exit status of a usage error."""
    complain(f"pytest-circuits: {text}")
    return EXIT_USAGE


def width() -> int:
    """The terminal's width in columns; 80 where there is none."""
    return shutil.get_terminal_size().columns


def no_folder(path: Path) -> str | None:
    """What is wrong with a path that should be a folder's; None if it is one's."""
    if path.is_dir():
        return None
    return f"{path} is a file: name a folder" if path.exists() else f"there is no folder {path}"


def shown(path: Path) -> Path:
    """A path as it is best read: from the working directory, where it lies below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
