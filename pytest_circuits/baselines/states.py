"""Two states of the baselines in a git repository: commits, or the working tree."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.baselines.git import GitError, git
from pytest_circuits.baselines.names import Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_circuits.baselines.git import Repository

#: What the state is called that is no commit.
WORKING_TREE = "working tree"
#: How a commit is named that nobody named.
_COMMIT = 8
#: What says that a path is a file of its own: neither a symbolic link nor a submodule.
_FILE = "100"


class State(NamedTuple):
    """A state of the baselines.

    Attributes:
        name: what readers know it by.
        commit: its commit; None for the working tree.
    """

    name: str
    commit: str | None


class Side(NamedTuple):
    """A file in one state.

    Attributes:
        text: what it holds; None where there is no such file, or it can't be read.
        problem: why it can't be read; empty where it can.
    """

    text: bytes | None
    problem: str = ""


class File(NamedTuple):
    """A baseline file that two states do not have alike."""

    location: Location
    before: Side
    after: Side


class _Change(NamedTuple):
    """What git tells of a file: hashes, each None where there is none; and the working tree's."""

    before: str | None
    after: str | None
    on_disk: bool = False


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
            return _state(repository, one), State(WORKING_TREE, None)
        case [one, other]:
            return _state(repository, one), _state(repository, other)
    raise GitError(
        f"{len(revisions)} revisions ({', '.join(revisions)}), and two can be compared.\n"
        f"Paths come after a lone --: pytest-circuits diff main -- tests/circuits"
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


def _state(repository: Repository, revision: str) -> State:
    commit = _commit(repository, revision)
    if commit is not None:
        return State(revision, commit)
    if revision == "HEAD":
        raise GitError("there is no commit yet that baselines could be compared with")
    text = f"git knows no revision {revision!r} here"
    if revision and (repository.folder / revision).exists():
        text += f". To look at a path: pytest-circuits diff -- {revision}"
    elif _commit(repository, f"refs/remotes/origin/{revision}"):
        text += f", but it knows origin/{revision}"
    else:
        text += _fetch(repository)
    raise GitError(text)


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


def differing(
    repository: Repository, before: State, after: State, paths: Sequence[str]
) -> list[File]:
    """The baseline files that two states do not have alike, in the order of their paths.

    Symbolic links are not followed, and submodules not looked into.

    Args:
        repository: where.
        before: the one state, a commit.
        after: the other.
        paths: where to look, as git takes paths, from the repository's folder; by default
            everywhere.
    """
    changes = _changes(repository, before, after, paths)
    located = {
        path: location
        for path in sorted(changes)
        if (location := Location.of(repository.top / path)) is not None
    }
    named = (name for path in located for name in (changes[path].before, changes[path].after))
    texts = repository.texts(name for name in named if name is not None)
    files = []
    for path, location in located.items():
        change = changes[path]
        old = _side(change.before, texts)
        new = _on_disk(location.path) if change.on_disk else _side(change.after, texts)
        if _lines(old) != _lines(new):
            files.append(File(location, old, new))
    return files


def _changes(
    repository: Repository, before: State, after: State, paths: Sequence[str]
) -> dict[str, _Change]:
    # Paths count from where somebody typed them. Without any, git is to look everywhere.
    folder = repository.folder if paths else repository.top
    plain = ("-z", "--raw", "--no-abbrev", "--no-renames", "--no-relative", "--ignore-submodules")
    commits = [state.commit for state in (before, after) if state.commit is not None]
    if after.commit is not None:
        raw = git(folder, "diff-tree", "-r", *plain, *commits, "--", *paths)
        return dict(_parsed(raw, on_disk=False))
    raw = git(folder, "diff-index", *plain, *commits, "--", *paths)
    changes = dict(_parsed(raw, on_disk=True))
    options = ("-z", "--others", "--exclude-standard", "--full-name", "--", *paths)
    for path in _fields(git(folder, "ls-files", *options)):
        # One that git was told to forget, and that is still there, has a past.
        known = changes.get(path, _Change(None, None))
        changes[path] = known._replace(after=None, on_disk=True)
    return changes


def _parsed(raw: bytes, *, on_disk: bool) -> Iterator[tuple[str, _Change]]:
    """By path, what git tells of each; of a path that it tells of twice, the last."""
    fields = _fields(raw)
    for what, path in zip(fields[::2], fields[1::2], strict=False):
        # Modes, hashes, what happened: `:100644 100644 <hash> <hash> M`.
        old_mode, new_mode, old, new, status = what.lstrip(":").split(" ")
        after = _present(new_mode, new)
        # A file that differs from the index has no hash yet, and one that is in conflict no mode.
        unknown = new_mode.startswith(_FILE) and after is None
        yield path, _Change(_present(old_mode, old), after, on_disk and (unknown or status == "U"))


def _fields(answer: bytes) -> list[str]:
    return [field for field in os.fsdecode(answer).split("\0") if field]


def _present(mode: str, name: str) -> str | None:
    """A file's hash; None where there is no file, or none that has a hash."""
    return name if mode.startswith(_FILE) and name.strip("0") else None


def _side(name: str | None, texts: Mapping[str, bytes]) -> Side:
    if name is None:
        return Side(None)
    if name not in texts:
        return Side(None, "is not in this clone")
    return Side(texts[name])


def _on_disk(path: Path) -> Side:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return Side(None)
        return Side(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return Side(None)
    except OSError as error:
        return Side(None, f"can't be read ({error.strerror})")


def _lines(side: Side) -> tuple[bytes | None, str]:
    """What counts of a text: git may end lines otherwise in the working tree."""
    return None if side.text is None else side.text.replace(b"\r\n", b"\n"), side.problem
