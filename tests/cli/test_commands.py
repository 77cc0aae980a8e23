"""What all commands have in common: help, usage errors, and that they are installed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from circuit_suites import EXAMPLES, in_fresh_python

from pytest_circuits.cli import main

#: Every command, and its exit statuses.
COMMANDS = {
    "show": "023",
    "diff": "0123",
    "review": "0123",
    "accept": "0123",
    "reject": "0123",
    "history": "023",
    "prune": "0123",
    "remove": "023",
    "report": "0123",
}


def stopped(capsys, *arguments):
    """The exit status and the output of a command that never began."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    captured = capsys.readouterr()
    return end.value.code, captured.out, captured.err


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["show", "--nonsense"], ["history"], ["prune", ".", "."], ["--yes"]],
)
def test_anything_else_is_a_usage_error(arguments, capsys):
    status, _, errors = stopped(capsys, *arguments)
    assert status == 2
    assert "usage: pytest-circuits" in errors


def test_help_lists_every_command(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = stopped(capsys, "--help")
    assert status == 0
    assert tuple(re.findall(r"^    (\w+) ", out, re.MULTILINE)) == tuple(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_an_example_and_its_exit_statuses(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = stopped(capsys, command, "--help")
    assert status == 0
    assert re.search(rf"^examples?:\n  pytest-circuits {command}( |$)", out, re.MULTILINE)
    statuses = re.findall(r"^  (\d)  \S", out, re.MULTILINE)
    assert "".join(statuses) == COMMANDS[command]
    assert max(map(len, out.splitlines())) <= 80


def test_help_needs_neither_numpy_nor_pytest():
    code = """
import contextlib, io, sys
from pytest_circuits.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(["prune", "--help"])
print(sorted({"numpy", "pytest", "syrupy", "torch"} & set(sys.modules)))
"""
    assert in_fresh_python(code) == "[]\n"


def test_the_command_is_installed():
    command = Path(sys.executable).with_name("pytest-circuits")
    done = subprocess.run(
        [command, "show", EXAMPLES / "quickstart"], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("__circuits__") == 5
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh")
def test_whoever_reads_may_stop_reading():
    command = f"{sys.executable} -m pytest_circuits.cli show {EXAMPLES} | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def show(**options):
    """``show`` of the quickstart, as a process of its own that has begun."""
    return subprocess.Popen(
        [sys.executable, "-m", "pytest_circuits.cli", "show", EXAMPLES / "quickstart"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def test_where_a_character_can_not_be_printed_the_rest_is(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    out, errors = show().communicate()
    assert b"    L1H0       0.358 ? 0.024" in out
    assert errors == b""


def test_what_nobody_reads_to_its_end_is_no_success():
    process = show()
    process.stdout.close()
    assert process.wait() == 141
    assert process.stderr.read() == b""
    process.stderr.close()
