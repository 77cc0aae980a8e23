"""Asking git, whatever its user has configured."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class GitError(Exception):
    """git can't answer; the message says why."""


class Repository:
    """The git repository that a folder belongs to.

    Attributes:
        folder: the folder.
        top: its topmost folder.
        shallow: whether older history was left out when it was cloned.

    Raises:
        GitError: without git, or outside a repository.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        answer = git(folder, "rev-parse", "--show-toplevel", "--is-shallow-repository")
        top, shallow = os.fsdecode(answer).splitlines()
        self.top = Path(top)
        self.shallow = shallow == "true"

    def texts(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """What files held, by hash; without those that the repository does not have."""
        wanted = list(dict.fromkeys(hashes))
        if not wanted:
            return {}
        answer = io.BytesIO(git(self.top, "cat-file", "--batch", feed="\n".join([*wanted, ""])))
        texts = {}
        for name in wanted:
            # `<hash> blob <size>`, the text and an empty line; or `<hash> missing` alone.
            *_, size = answer.readline().split()
            if size != b"missing":
                texts[name] = answer.read(int(size))
                answer.readline()
        return texts


def git(folder: Path, *arguments: str, feed: str = "") -> bytes:
    """What git prints when it runs in a folder.

    Raises:
        GitError: if there is no git, or it fails: with what it complained of.
    """
    program = shutil.which("git")
    if program is None:
        raise GitError("there is no git here, and the history of baselines is git's")
    done = subprocess.run(  # noqa: S603 — git, with arguments of ours
        [program, "-C", str(folder), *arguments],
        capture_output=True,
        check=False,
        input=feed.encode(),
        env=_environment(),
    )
    if done.returncode:
        raise GitError(f"git: {_reason(done.stderr.decode(errors='replace'))}")
    return done.stdout


def _reason(complaint: str) -> str:
    """Why git failed, and what it says to do about that; without what it only warned of."""
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    fatal = [number for number, line in enumerate(lines) if line.startswith("fatal: ")]
    # In other languages that begins otherwise.
    told = lines[fatal[0] :] if fatal else lines[-1:]
    return "\n".join(told).removeprefix("fatal: ") or "no reason given"


def _environment() -> dict[str, str]:
    """This process' environment, in which git means the same in whatever folder it runs."""
    environment = dict(os.environ)
    for name in ("GIT_DIR", "GIT_WORK_TREE"):
        if environment.get(name):
            environment[name] = str(Path(environment[name]).absolute())
    # Nothing here is worth making another git wait for.
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    return environment
