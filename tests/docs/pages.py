"""Pages of docs/ that are typed as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from circuit_suites import QUIET

from pytest_circuits.cli import main

ROOT = Path(__file__).parents[2]
WIDTH = 80


def page(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(text):
    """The fenced blocks of a page, ``(language, text)``, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(block):
    """Every command of a console block, the exit status it has, and the output that is shown."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            typed, _, status = line[2:].partition("    # ")
            found.append((shlex.split(typed), int(status or 0), []))
        else:
            found[-1][2].append(line)
    return found


def shown_in(shown, output):
    """Whether an output is as shown, where "…" stands for any number of lines."""
    pattern = "".join("(?:.*\n)*?" if line == "…" else f"{re.escape(line)}\n" for line in shown)
    return re.fullmatch(pattern, "\n".join([*output, ""]))


def too_wide(text):
    """The lines of shown output that don't fit the terminal they are shown of."""
    shown = [line for language, block in blocks(text) if language == "console" for line in
             block.splitlines()]  # fmt: skip
    return [line for line in shown if len(line) > WIDTH and not line.startswith("$ ")]


class Terminal:
    """A terminal in a folder of its own."""

    def __init__(self, pytester, capsys):
        self.pytester, self.capsys = pytester, capsys

    def save(self, text):
        """Save a file whose first line is its name."""
        name = re.match(r"# (\S+)\n", text)[1]
        path = self.pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def type(self, program, *arguments):
        """Run a command, its exit status and the lines of its output."""
        if program == "pytest":
            result = self.pytester.runpytest_inprocess(*QUIET, *arguments)
            return result.ret, result.outlines
        if program == "pytest-circuits":
            self.capsys.readouterr()
            status = main(arguments)
            return status, self.capsys.readouterr().out.rstrip("\n").splitlines()
        result = self.pytester.run(program, *arguments)
        return result.ret, result.outlines

    def type_all(self, block):
        """Type every command of a console block, and hold what comes against what is shown."""
        typed = commands(block)
        for command, status, shown in typed:
            ended, output = self.type(*command)
            assert ended == status, (command, output)
            assert not shown or shown_in(shown, output), (command, output)
        return len(typed)
