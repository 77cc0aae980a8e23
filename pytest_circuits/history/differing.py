"""The baseline files that two states of a git repository do not have alike."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.baselines.locations import ROOT, Location
from pytest_circuits.history.git import GitError, git

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_circuits.history.git import Repository
    from pytest_circuits.history.states import State

#: What says that a path is a file of its own, or a symbolic link; a submodule is neither.
_FILE, _LINK = "100", "120000"
#: What stands for a link, where a file has its hash.
_A_LINK = "a link"
#: Why a link can't be read. What it leads to is not the repository's to tell.
_LINKED = "is a symbolic link.\nPut the file that it leads to in its place"
_BEHIND = "is behind a symbolic link.\nPut the folder that it leads to in its place"
#: Stands for every name of files behind a link.
_ANY = "*"
#: The tree without files, by how long hashes are: git knows it in every repository.
_EMPTY = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


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
    """What git tells of a file: hashes, each None where there is none; and the working tree's.

    That of a symbolic link is :data:`_A_LINK`.
    """

    before: str | None
    after: str | None
    on_disk: bool = False


def differing(
    repository: Repository, before: State, after: State, paths: Sequence[str]
) -> list[File]:
    """The baseline files that two states do not have alike, in the order of their paths.

    Symbolic links are not followed, and submodules not looked into. Baselines that are or lie
    behind a link serve all the same, so that every link among them is one that can't be read.

    Args:
        repository: where.
        before: the one state, a commit.
        after: the other.
        paths: where to look, as git takes paths, from the repository's folder; by default
            everywhere.

    Raises:
        GitError: also for a path that neither state has.
    """
    for path in paths:
        if not any(_has(repository, state, path) for state in (before, after)):
            raise GitError(f"there is no {path!r} in {before.name} or {after.name}")
    changes = _changes(repository, before, after, paths)
    for path in _links(repository, after, paths):
        # What a link leads to may have changed where the link itself did not.
        changes.setdefault(path, _Change(_A_LINK, _A_LINK))
    located = {
        path: location
        for path, change in sorted(changes.items())
        if (location := _location(repository.top, path, change)) is not None
    }
    named = (name for path in located for name in (changes[path].before, changes[path].after))
    texts = repository.texts(name for name in named if name not in (None, _A_LINK))
    files = []
    for path, location in located.items():
        change, whole = changes[path], location.path == repository.top / path
        old = _side(change.before, texts, whole=whole)
        new = (
            _on_disk(repository.top / path, whole=whole)
            if change.on_disk
            else _side(change.after, texts, whole=whole)
        )
        if old.problem or new.problem or _lines(old) != _lines(new):
            files.append(File(location, old, new))
    return files


def stored(repository: Repository, state: State, paths: Iterable[Path]) -> dict[Path, bytes]:
    """What the files at and below paths held in a commit.

    Args:
        repository: where.
        state: a commit, not the working tree.
        paths: absolute ones.
    """
    below = [path.relative_to(repository.top).as_posix() for path in paths]
    if not below:
        return {}
    raw = git(repository.top, "ls-tree", "-r", "-z", "--full-tree", str(state.commit), "--", *below)
    hashes = {}
    for entry in _fields(raw):
        # `100644 blob <hash>`, a tab, the path.
        what, _, path = entry.partition("\t")
        mode, _, name = what.split(" ")
        if mode.startswith(_FILE):
            hashes[repository.top / path] = name
    texts = repository.texts(hashes.values())
    return {path: texts[name] for path, name in hashes.items() if name in texts}


def _has(repository: Repository, state: State, path: str) -> bool:
    """Whether there is anything in a state where a path leads, as git takes paths."""
    folder = repository.folder
    if state.commit is not None:
        return bool(_whole(repository, state, [path]))
    options = ("--cached", "--others", "--exclude-standard")
    there = os.path.lexists(folder / path)
    return there or bool(git(folder, "ls-files", "-z", *options, "--", path))


def _whole(repository: Repository, state: State, paths: Sequence[str]) -> bytes:
    """All that a commit has at paths, as git tells of files that are new."""
    commit = str(state.commit)
    folder = repository.folder if paths else repository.top
    options = ("-z", "--raw", "--no-abbrev", "--no-renames", "--no-relative", "--ignore-submodules")
    return git(folder, "diff-tree", "-r", *options, _EMPTY[len(commit)], commit, "--", *paths)


def _links(repository: Repository, state: State, paths: Sequence[str]) -> list[str]:
    """The symbolic links in a state: of the working tree, those that git knows."""
    if state.commit is not None:
        raw = _fields(_whole(repository, state, paths))
        entries = zip(raw[::2], raw[1::2], strict=False)
        return [path for what, path in entries if what.startswith(f":000000 {_LINK}")]
    folder = repository.folder if paths else repository.top
    # `120000 <hash> 0`, a tab, the path.
    raw = _fields(git(folder, "ls-files", "-z", "--stage", "--full-name", "--", *paths))
    known = (entry.partition("\t")[2] for entry in raw if entry.startswith(_LINK))
    return [path for path in known if (repository.top / path).is_symlink()]


def _location(top: Path, name: str, change: _Change) -> Location | None:
    """The place of a baseline file, or of all that lie behind a link; None for any other path."""
    path, parts = top / name, Path(name).parts
    location = Location.of(path)
    link = _A_LINK in change or (change.on_disk and path.is_symlink())
    if location is not None or not link or ROOT not in parts:
        return location
    root = len(parts) - 1 - parts[::-1].index(ROOT)
    behind = parts[root + 1 :]
    if len(behind) > 2:  # noqa: PLR2004 — beside baselines, and none
        return None
    alias, module, test = *behind, *[_ANY] * (3 - len(behind))
    return Location(top.joinpath(*parts[:root]), alias, module, test)


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
    if mode == _LINK:
        return _A_LINK
    return name if mode.startswith(_FILE) and name.strip("0") else None


def _side(name: str | None, texts: Mapping[str, bytes], *, whole: bool) -> Side:
    """A file in a commit; behind a link, if it is not the whole of the path."""
    if name is None:
        return Side(None)
    if name == _A_LINK:
        return Side(None, _LINKED if whole else _BEHIND)
    if name not in texts:
        return Side(None, "is not in this clone")
    return Side(texts[name] if whole else None)


def _on_disk(path: Path, *, whole: bool) -> Side:
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return Side(None, _LINKED if whole else _BEHIND)
        if not stat.S_ISREG(mode) or not whole:
            return Side(None)
        return Side(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return Side(None)
    except OSError as error:
        return Side(None, f"can't be read ({error.strerror})")


def _lines(side: Side) -> tuple[bytes | None, str]:
    """What counts of a text: git may end lines otherwise in the working tree."""
    return None if side.text is None else side.text.replace(b"\r\n", b"\n"), side.problem
