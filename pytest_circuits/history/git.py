"""A git repository, asked whatever its user has configured, and the states of it that are named."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.report.commands import WORKING_TREE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: How many digits of a commit's hash name it where nothing else does.
_DIGITS = 8


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

    def base(self, paths: Sequence[str]) -> Path:
        """The folder to ask git in: paths count from where they were typed, none is everywhere."""
        return self.folder if paths else self.top

    def commit(self, revision: str) -> str | None:
        """The hash of the commit that a revision names; None if there is none."""
        if revision.startswith("-"):
            return None  # git would take it for an option
        try:
            answer = git(self.folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        except GitError:
            return None
        return answer.decode().strip()

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


class State(NamedTuple):
    """A state of the baselines.

    Attributes:
        name: what readers know it by.
        commit: its commit; None for the working tree.
    """

    name: str
    commit: str | None


def states(repository: Repository, revisions: Sequence[str]) -> tuple[State, State]:
    """The two states that somebody names, as they would to ``git diff``.

    Args:
        repository: where.
        revisions: none: HEAD and the working tree; one: it and the working tree, or both in one
            (``A..B``, and ``A...B``: what B did since it left A); two: the one and the other.

    Raises:
        GitError: for a revision that git does not know, or too many of them.
    """
    match revisions:
        case []:
            return _state(repository, "HEAD"), State(WORKING_TREE, None)
        case [one] if "..." in one:
            left, _, right = one.partition("...")
            return _since(repository, left or "HEAD", right or "HEAD")
        case [one] if ".." in one:
            left, _, right = one.partition("..")
            return _state(repository, left or "HEAD"), _state(repository, right or "HEAD")
        case [one]:
            return _state(repository, one, revisions), State(WORKING_TREE, None)
        case [one, other]:
            return _state(repository, one, revisions), _state(repository, other, revisions)
    advice = _with_paths(repository, revisions) or "pytest-circuits diff main -- tests/circuits"
    raise GitError(
        f"{len(revisions)} revisions ({', '.join(revisions)}), and two can be compared.\n"
        f"Paths come after a lone --: {advice}"
    )


def _since(repository: Repository, left: str, right: str) -> tuple[State, State]:
    """Where two revisions parted, and the second of them."""
    one, other = _state(repository, left), _state(repository, right)
    try:
        answer = git(repository.folder, "merge-base", str(one.commit), str(other.commit))
    except GitError as error:
        raise GitError(
            f"{left} and {right} have no commit in common{_fetch(repository)}"
        ) from error
    base = answer.decode().split()[0]
    return State(f"{base[:_DIGITS]} (where {right} left {left})", base), other


def _state(repository: Repository, revision: str, typed: Sequence[str] = ()) -> State:
    """The state of a commit, which may be one of several revisions that somebody typed."""
    commit = repository.commit(revision)
    if commit is not None:
        return State(revision, commit)
    if revision == "HEAD":
        raise GitError("there is no commit yet that baselines could be compared with")
    text = f"git knows no revision {revision!r} here"
    if _with_paths(repository, [revision]):
        text += f". To look at a path: {_with_paths(repository, typed or [revision])}"
    elif repository.commit(f"refs/remotes/origin/{revision}"):
        text += f", but it knows origin/{revision}"
    else:
        text += _fetch(repository)
    raise GitError(text)


def _with_paths(repository: Repository, words: Sequence[str]) -> str:
    """The command that was meant where revisions are none but paths; empty without any path."""
    paths = [
        word
        for word in words
        if word and not repository.commit(word) and (repository.folder / word).exists()
    ]
    others = [word for word in words if word not in paths]
    return join(["pytest-circuits", "diff", *others, "--", *paths]) if paths else ""


def _fetch(repository: Repository) -> str:
    """What may bring a commit that is not here."""
    if repository.shallow:
        return (
            ": this clone is shallow.\n"
            "Fetch what is missing: git fetch --unshallow, or git fetch --depth=1 origin REV"
        )
    return ".\nIf others have it: git fetch"
