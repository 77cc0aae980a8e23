"""Two states of the baselines in a git repository: commits, or the working tree."""

from __future__ import annotations

from shlex import join
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.history.git import GitError, git
from pytest_circuits.report.commands import WORKING_TREE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.history.git import Repository

#: How a commit is named that nobody named.
_COMMIT = 8


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
    return State(f"{base[:_COMMIT]} (where {right} left {left})", base), other


def _state(repository: Repository, revision: str, typed: Sequence[str] = ()) -> State:
    """The state of a commit, which may be one of several revisions that somebody typed."""
    commit = _commit(repository, revision)
    if commit is not None:
        return State(revision, commit)
    if revision == "HEAD":
        raise GitError("there is no commit yet that baselines could be compared with")
    text = f"git knows no revision {revision!r} here"
    if _is_path(repository, revision):
        text += f". To look at a path: {_with_paths(repository, typed or [revision])}"
    elif _commit(repository, f"refs/remotes/origin/{revision}"):
        text += f", but it knows origin/{revision}"
    else:
        text += _fetch(repository)
    raise GitError(text)


def _is_path(repository: Repository, word: str) -> bool:
    return bool(word) and (repository.folder / word).exists()


def _with_paths(repository: Repository, words: Sequence[str]) -> str:
    """The command that was meant where revisions are none but paths; empty without any path."""
    commits = [bool(_commit(repository, word)) for word in words]
    paths = [
        word
        for word, commit in zip(words, commits, strict=True)
        if not commit and _is_path(repository, word)
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


def _commit(repository: Repository, revision: str) -> str | None:
    """The commit that a revision names; None if there is none."""
    if revision.startswith("-"):
        return None  # git would take it for an option
    try:
        answer = git(
            repository.folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"
        )
    except GitError:
        return None
    return answer.decode().strip()
