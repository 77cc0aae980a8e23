"""What killed runs left goes with the next run, and what can't be written fails its test."""

import errno
import os
from pathlib import Path

import pytest
from circuit_suites import counts, edit_baseline

from pytest_circuits.baselines import ROOT
from pytest_circuits.baselines.writing import SCRATCH
from pytest_circuits.cli import main


def leave_behind(suite):
    """A folder of a process that is over: no process has that number."""
    scratch = suite.path / ROOT / f"{SCRATCH}{2**30}-0123456789ab"
    scratch.mkdir(parents=True)
    (scratch / ".gitignore").write_text("*\n")
    (scratch / "unfinished").write_text('{"schema": ')
    return scratch


def test_the_next_run_sweeps_and_touches_no_baseline(one_test):
    scratch, before = leave_behind(one_test), one_test.baseline.read_bytes()
    assert one_test.run("--circuits").ret == 0
    assert not scratch.exists()
    assert one_test.baseline.read_bytes() == before


def test_a_run_without_circuits_sweeps_nothing(one_test):
    scratch = leave_behind(one_test)
    one_test.run()
    assert scratch.exists()


def test_prune_sweeps_where_it_may_delete(one_test, capsys):
    scratch = leave_behind(one_test)
    assert main(["prune"]) == 0
    assert scratch.exists()
    assert main(["prune", "--yes"]) == 0
    assert not scratch.exists()
    assert one_test.baseline.exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_pending_file_that_cannot_be_written_is_named_by_its_test(one_test, monkeypatch, code):
    def better(document):
        document["values"][1][2] = 0.5

    edit_baseline(one_test.baseline, better)
    real = Path.mkdir

    def refused(self, *arguments, **options):
        if SCRATCH in self.name and ROOT in self.parts:
            raise OSError(code, os.strerror(code), str(self))
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refused)
    result = one_test.run("--circuits", "--circuits-pending")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    place = "__circuits__/.pending/recall/test_heads"
    told = result.stdout.str()
    assert f"can't be written ({os.strerror(code)})" in told
    assert place.rpartition("/recall")[0] in told
    assert "pending: pytest-circuits review" not in told


def test_an_approval_that_cannot_be_written_is_a_failure_in_every_count(one_test, monkeypatch):
    one_test.baseline.unlink()
    monkeypatch.setattr(Path, "replace", lambda self, target: (self / "no").rename(target))
    result = one_test.run(
        "--circuits", "--snapshot-update", "--junitxml=junit.xml", "-p", "no:cacheprovider"
    )
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    junit = (one_test.path / "junit.xml").read_text(encoding="utf-8")
    assert 'errors="0" failures="1"' in junit
    assert "test_heads.json can't be written" in junit
    assert one_test.baseline_files() == {}
