"""Whatever a name, a subject or a message holds: no command prints what a terminal obeys."""

import io
import sys
import unicodedata

import pytest
from circuit_suites import ONE_TEST, RECALL
from cli.test_commands import COMMANDS
from handmade_pending import left
from handmade_rows import failed, row, run

from pytest_circuits.baselines.files import write_text
from pytest_circuits.cli import main
from pytest_circuits.findings import Behaviour, Canary, Direction, Role
from pytest_circuits.report import json_report

#: It clears a terminal, sets its title, turns the direction of writing, is half a character, ends
#: lines in several ways, and gives GitHub's runner a command.
EVIL = "x\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u200b\x85\u2028\r\n::error::owned\x7f"
#: The same as a name of a file, which may begin a line.
NAME = f"::error::{EVIL}"
#: The same for a folder: one command for another runner.
FOLDER = NAME.replace("::error::", "##[error]")
#: What git takes for the name of a branch.
BRANCH = "x\u202eowned\u200b"


@pytest.fixture
def hostile(repository, store, baseline, monkeypatch):
    """A suite whose every name is hostile, in a folder that is called so, with a history."""
    folder = repository.path / FOLDER
    folder.mkdir()
    (repository.path / "pytest.ini").write_text(f"[pytest]\ncircuits_models =\n    {RECALL}\n")
    (folder / "test_heads.py").write_text(ONE_TEST)

    def evil(value):
        return baseline(
            value,
            name=EVIL,
            quantity=EVIL,
            unit=EVIL,
            role=Role(EVIL, 0.4),
            canary=Canary(4.0, "text", EVIL),
            companion=(Behaviour(EVIL, value, 0.01, 3, Direction.LOWER, EVIL),),
            convention={EVIL: EVIL},
            provenance={"source": EVIL, "weights": f"{EVIL}:{EVIL}"},
        )

    store("recall", evil(0.9), folder=folder)
    store("recall", evil(0.9), folder=folder, test="test_gone")
    store("recall", evil(0.9), folder=folder, test=f"test_gone[{EVIL.replace('/', '')}]")
    repository.commit(EVIL)
    repository.git("branch", BRANCH)
    store("recall", evil(0.5), folder=folder)
    repository.commit(f"{NAME} again")
    left(evil(0.2), folder=folder, failure=EVIL, warning=EVIL, nodeid=f"{EVIL}.py::{EVIL}[recall]")
    left(evil(0.2), folder=folder, module=NAME.replace("\n", ""), failure=NAME)
    damaged = store("recall", folder=folder, module=NAME.replace("\n", ""))
    damaged.write_text(f'{{"{EVIL}": 1}}')
    report = run(
        row("lost", test=f"{EVIL}.py::{EVIL}", headline=EVIL, passes=False, number=0.5),
        row("new", alias=EVIL, name=EVIL, headline=NAME),
        models=[EVIL, "recall"],
        failed=(failed(f"{EVIL}.py::{EVIL}"),),
    )
    write_text(folder / "report.json", json_report(report))
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"?\n{EVIL}\ns\nq\n"))
    return folder


#: What each command is called with above the hostile folder, which is ``*``.
CALLS = {
    "show": [["*"]],
    "diff": [["HEAD~1"], [BRANCH], [EVIL], ["HEAD", "--", "*"]],
    "review": [["*"], ["*", "--list"]],
    "accept": [["--in", "*", EVIL], ["--in", "*", "--all"]],
    "reject": [["--in", "*", NAME], ["--in", "*", "--all"]],
    "history": [["test_heads", "*"], [EVIL], ["test_heads", "*/nowhere"]],
    "prune": [["."], ["--yes"]],
    "remove": [["*"], ["*/nowhere", EVIL]],
    "report": [["*/report.json"], ["*"], [f"{EVIL}=*/report.json"], ["*/report.json", "*"]],
}


def test_every_command_is_called():
    assert tuple(CALLS) == tuple(COMMANDS)


def obeyed(text):
    """What of a text a terminal obeys, or GitHub's runner."""
    unseen = {each for each in text if unicodedata.category(each) in ("Cc", "Cf", "Cs")} - {"\n"}
    lines = [line for line in text.split("\n") if line.lstrip()[:2] == "::" or "##[" in line]
    return unseen | set(lines)


@pytest.mark.parametrize("command", CALLS)
def test_no_command_prints_what_a_terminal_obeys(hostile, capsys, monkeypatch, command):
    monkeypatch.setattr(sys, "modules", dict(sys.modules))  # prune imports the suite's tests
    for arguments in CALLS[command]:
        main([command, *(argument.replace("*", str(hostile)) for argument in arguments)])

        captured = capsys.readouterr()
        assert "owned" in captured.out + captured.err
        assert obeyed(captured.out + captured.err) == set()


def test_nor_is_an_argument_that_is_none(capsys):
    with pytest.raises(SystemExit):
        main(["prune", "one", EVIL])
    error = capsys.readouterr().err
    assert "owned" in error
    assert obeyed(error) == set()
