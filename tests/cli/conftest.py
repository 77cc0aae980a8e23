"""Running commands in this process, on baselines that no model was needed for."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from pytest_circuits.baselines import Baseline, baseline_path, file_name, write
from pytest_circuits.cli import main
from pytest_circuits.findings import Behaviour, Direction, Finding, Role
from pytest_circuits.verdicts import Allowance, default_tolerance


@pytest.fixture
def command(capsys, monkeypatch):
    """Run a command on a terminal of 80 columns: its exit status, and what it printed where."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        capsys.readouterr()  # of what ran before
        modules = set(sys.modules)
        status = main([str(argument) for argument in arguments])
        # A suite's modules are imported anew the next time: they may be others by then.
        for name in set(sys.modules) - modules:
            if name.startswith(("test_", "conftest")):
                del sys.modules[name]
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err.splitlines()

    return run


@pytest.fixture
def baseline():
    """A baseline of two heads, of which the second is in the role, and a loss."""

    def make(value=0.9, *, name="", loss=1.0, tolerance=None, **fields):
        values = np.array([[0.1, value]])
        finding = Finding(
            "induction_scores", "induction score", "attention probability", Direction.HIGHER,
            ("layer", "head"), values, values / 10, 3, 3, {"block": 4},
            {"kind": "repeated tokens"}, Role("induction heads", 0.4),
            companion=(Behaviour("repeat_loss", loss, 0.01, 3, Direction.LOWER, "nats"),),
        )  # fmt: skip
        finding = replace(finding, **fields)
        allowed = default_tolerance(finding)
        if tolerance is not None:
            same = Allowance(tolerance, tolerance)
            allowed = replace(allowed, value=same, role=same, origin="mine")
        return Baseline(name, finding, allowed)

    return make


@pytest.fixture
def store(baseline):
    """Store baselines of a test of ``test_heads.py``, in the working directory if none is named."""

    def put(alias, *baselines, test="test_heads", parameters="", module="test_heads", folder=None):
        path = baseline_path(
            (folder or Path.cwd()) / f"{module}.py", alias, file_name(test, parameters)
        )
        write(path, baselines or [baseline()])
        return path

    return put


class Repository:
    """A git repository in the working directory; each commit is a day after the last one."""

    def __init__(self, folder):
        self.path = folder
        self.day = date(2026, 10, 1)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments, **environment):
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | environment,
        )
        return done.stdout

    def commit(self, subject, *options):
        """Commit all there is; gives the line that the command begins a row with."""
        day, self.day = self.day, self.day + timedelta(days=1)
        when = f"{day}T12:00:00+0000"
        self.git("add", "--all")
        self.git("commit", "-qm", subject, *options, GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)
        return f"{day} {self.git('rev-parse', 'HEAD')[:8]}"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository in the working directory, with nothing of the user's configuration."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "tests")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tests@localhost")
    monkeypatch.chdir(tmp_path)
    return Repository(tmp_path)
