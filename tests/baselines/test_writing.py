"""Files appear whole or not at all, and what killed processes leave is hidden and deleted."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_circuits.baselines import ROOT
from pytest_circuits.baselines.writing import SCRATCH, sweep, write_text

#: Writes and is killed while it does.
KILLED = """
import os, pathlib, signal, sys
from pytest_circuits.baselines.writing import write_text
replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path.replace = replace
write_text(pathlib.Path(sys.argv[1]), "new")
"""


@pytest.fixture
def place(tmp_path):
    return tmp_path / ROOT / "recall" / "test_heads" / "test_heads.json"


def left(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(SCRATCH)]


def test_what_a_killed_process_leaves_is_no_file_of_git_and_goes_with_the_next_write(
    place, tmp_path
):
    write_text(place, "old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(place)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert place.read_text() == "old"
    assert len(left(place.parents[2])) == 1
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    told = subprocess.run([*git, "ls-files"], check=True, capture_output=True, text=True).stdout
    assert told.split() == [place.relative_to(tmp_path).as_posix()]
    write_text(place, "newer")
    assert left(place.parents[2]) == []
    assert place.read_text() == "newer"


def scratch(folder, process, age=0.0):
    made = folder / f"{SCRATCH}{process}-0123456789ab"
    made.mkdir(parents=True)
    (made / ".gitignore").write_text("*\n")
    (made / "test_heads.json").write_text("{")
    then = time.time() - age
    os.utime(made, (then, then))
    return made


@pytest.fixture
def ended():
    """The number of a process that is over."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_running_process_is_writing_stays_for_an_hour(tmp_path, ended):
    running, over = scratch(tmp_path, os.getpid()), scratch(tmp_path, ended)
    old = scratch(tmp_path / "old", os.getpid(), age=4000)
    sweep(tmp_path)
    sweep(tmp_path / "old")
    assert (running.exists(), over.exists(), old.exists()) == (True, False, False)


def test_where_nothing_is_there_is_nothing_to_sweep(tmp_path):
    sweep(tmp_path / "nowhere")
    (tmp_path / f"{SCRATCH}file").write_text("")
    sweep(tmp_path)
    assert (tmp_path / f"{SCRATCH}file").exists()


def test_what_another_took_for_left_is_written_again(place, monkeypatch):
    real, tries = Path.replace, []

    def swept(self, target):
        tries.append(self)
        if len(tries) == 1:
            self.unlink()
        return real(self, target)

    monkeypatch.setattr(Path, "replace", swept)
    write_text(place, "whole")
    assert (place.read_text(), len(tries)) == ("whole", 2)


@pytest.mark.parametrize("step", ["mkdir", "open", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_an_error_names_the_file_and_leaves_what_was_there(place, monkeypatch, step, code):
    write_text(place, "old")

    def refused(self, *_, **__):
        raise OSError(code, os.strerror(code), str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, step, refused)
        with pytest.raises(OSError, match=os.strerror(code)) as error:
            write_text(place, "new")
    assert error.value.filename == str(place)
    assert place.read_text() == "old"
    assert left(place.parents[2]) == []
