"""Baseline files in git: those that two states do not have alike, and what commits did to one."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.baselines.codec import Baseline, BaselineError, parse
from pytest_circuits.baselines.locations import ROOT, Location
from pytest_circuits.history.git import GitError, git

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_circuits.history.git import Repository, State

#: What says that a path is a file of its own, or a symbolic link; a submodule is neither.
_FILE, _LINK = "100", "120000"
#: What stands for a link, where a file has its hash.
_A_LINK = "a link"
#: Why a link can't be read. What it leads to is not the repository's to tell.
_LINKED = "is a symbolic link.\nPut the file that it leads to in its place."
_BEHIND = "is behind a symbolic link.\nPut the folder that it leads to in its place."
#: Stands for every name of files behind a link.
_ANY = "*"
#: The tree without files, by how long hashes are: git knows it in every repository.
_EMPTY = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
#: So that a user's own configuration changes nothing about what git prints.
_RAW = ("-z", "--raw", "--no-abbrev", "--no-renames", "--no-relative", "--ignore-submodules")
_LOG = ("-z", "--no-show-signature", "--no-relative", "--encoding=UTF-8")
#: Begins a commit in what we have git print, and nothing else.
_COMMIT = "\x02"
#: What messages call a file where the commit that they are about is named beside them.
_THE_FILE = "the file"


@dataclass(frozen=True)
class FileState:
    """A baseline file as one state has it.

    Attributes:
        where: what messages call it.
        text: what it holds; None where there is no such file, or it can't be read.
        problem: why it can't be read; empty where it can.
        past: whether it is only looked back at: then its summaries may be of a version that
            computed them otherwise.
    """

    where: Path | str
    text: bytes | None
    problem: str = ""
    past: bool = False

    @cached_property
    def baselines(self) -> dict[str, Baseline]:
        """Its baselines by name, in order; none where there is no file.

        Raises:
            BaselineError: if it can't be read.
        """
        if self.problem:
            raise BaselineError(f"{self.where}: {self.problem}")
        if self.text is None:
            return {}
        return {
            baseline.name: baseline for baseline in parse(self.text, self.where, past=self.past)
        }

    @cached_property
    def error(self) -> BaselineError | None:
        """Why its baselines can't be read; None where they can."""
        try:
            self.baselines  # noqa: B018 — for what it raises
        except BaselineError as error:
            return error
        return None

    def same(self, other: FileState) -> bool:
        """Whether two states hold the same text: git may end its lines otherwise on disk."""
        one, two = (state.text and state.text.replace(b"\r\n", b"\n") for state in (self, other))
        return one == two and not (self.problem or other.problem)


class File(NamedTuple):
    """A baseline file in two states, of which the one came before the other."""

    location: Location
    before: FileState
    after: FileState

    @property
    def error(self) -> BaselineError | None:
        """Why it can't be read: in the later state, or else in the earlier; None where it can."""
        return self.after.error or self.before.error


class Blobs(NamedTuple):
    """What git tells of a file: its hash before and after, each None where there is none.

    That of a symbolic link is :data:`_A_LINK`; what is on disk may have none yet.
    """

    before: str | None
    after: str | None
    on_disk: bool = False


class Revision(NamedTuple):
    """What one commit did to a file.

    Attributes:
        commit: the commit's hash.
        date: the day of its author, ``2026-10-02``.
        subject: the first line of its message.
        path: the file after it, from the repository's top.
        renamed_from: the file's path before it, where that was another.
        blobs: the file's hashes before and after it.
    """

    commit: str
    date: str
    subject: str
    path: str
    renamed_from: str | None
    blobs: Blobs


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
        changes.setdefault(path, Blobs(_A_LINK, _A_LINK))
    located = {
        path: location
        for path, blobs in sorted(changes.items())
        if (location := _location(repository.top, path, blobs)) is not None
    }
    texts = _texts(repository, (changes[path] for path in located))
    files = []
    for path, location in located.items():
        blobs, there = changes[path], repository.top / path
        whole = location.path == there
        old = _of_blob(blobs.before, texts, location.path, whole=whole)
        new = (
            _on_disk(there, location.path, whole=whole)
            if blobs.on_disk
            else _of_blob(blobs.after, texts, location.path, whole=whole)
        )
        if not old.same(new):
            files.append(File(location, replace(old, past=True), new))
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


def histories(
    repository: Repository, test: str, alias: str | None
) -> list[list[tuple[Revision, File]]]:
    """What commits did to each baseline file of a test, newest first, and the file in two states.

    Files that are still there come first. One that was renamed is followed, and listed under its
    last name. Where it can't be read before a commit, it is as it last could be.

    Args:
        repository: where; only what lies below its folder is looked at.
        test: a test, as :meth:`Location.is_of` takes it.
        alias: whose files; None for those of all models.
    """
    files = _recorded(repository)
    found: dict[Location, list[Revision]] = {}
    earlier: set[str] = set()
    for location in sorted(files, key=lambda location: (not files[location], location)):
        path = location.path.relative_to(repository.top).as_posix()
        renamed = path in earlier and not files[location]
        if renamed or alias not in (None, location.alias) or not location.is_of(test):
            continue
        found[location] = list(_followed(repository, path))
        earlier |= {revision.renamed_from or "" for revision in found[location]}
    texts = _texts(repository, (each.blobs for revisions in found.values() for each in revisions))
    return [_steps(location, revisions, texts) for location, revisions in found.items()]


def _recorded(repository: Repository) -> dict[Location, bool]:
    """The baseline files that any commit has below the folder, and whether the last one has."""
    options = ("--no-renames", "--name-status", "--format=")
    raw = git(repository.folder, "log", *_LOG, *options, "--", ":(glob)**/*.json")
    fields = raw.decode(errors="replace").split("\0")
    last: dict[Location, bool] = {}
    for status, path in zip(fields[::2], fields[1::2], strict=False):
        location = Location.of(repository.top / path)
        if location is not None:
            last.setdefault(location, status != "D")
    return last


def _followed(repository: Repository, path: str) -> Iterator[Revision]:
    """What commits did to a file, newest first, also under the names it had before."""
    # Of merges (-c), those that made something new of the file.
    options = ("--follow", "-c", "--raw", "--no-abbrev", f"--format={_COMMIT}%H%x00%as%x00%s")
    raw = git(repository.top, "log", *_LOG, *options, "--", f":(literal){path}")
    for record in raw.decode(errors="replace").split(_COMMIT)[1:]:
        commit, date, subject, *change = record.split("\0")
        fields = [field for field in (field.strip("\n") for field in change) if field]
        if not fields:
            continue  # a merge that only took over what a branch has
        what, *paths = fields
        parents = len(what) - len(what.lstrip(":"))
        # A mode for each parent and one for the commit, hashes alike, what happened.
        words = what.lstrip(":").split(" ")
        modes, hashes, status = words[: parents + 1], words[parents + 1 : -1], words[-1]
        before, after = _present(modes[0], hashes[0]), _present(modes[-1], hashes[-1])
        copied, renamed = status.startswith("C"), status.startswith("R")
        yield Revision(
            commit, date, subject, paths[-1],
            paths[0] if renamed else None,
            Blobs(None if copied else before, after),
        )  # fmt: skip
        if copied:
            return  # what comes next is the history of the file it was copied from


def _steps(
    location: Location, revisions: Sequence[Revision], texts: Mapping[str, bytes]
) -> list[tuple[Revision, File]]:
    """Each commit with the file before and after it; before, the last time it could be read."""
    # What one commit left is what the next one found, and is read once.
    state = cache(lambda name: replace(_of_blob(name, texts, _THE_FILE), past=True))
    steps, readable = [], state(None)
    for revision in reversed(revisions):
        before, after = state(revision.blobs.before), state(revision.blobs.after)
        steps.append((revision, File(location, readable if before.error else before, after)))
        readable = readable if after.error else after
    return steps[::-1]


def _texts(repository: Repository, blobs: Iterable[Blobs]) -> dict[str, bytes]:
    """What files held, by hash."""
    names = (name for each in blobs for name in (each.before, each.after))
    return repository.texts(name for name in names if name not in (None, _A_LINK))


def _has(repository: Repository, state: State, path: str) -> bool:
    """Whether there is anything in a state where a path leads, as git takes paths."""
    if state.commit is not None:
        return bool(_whole(repository, state.commit, [path]))
    options = ("--cached", "--others", "--exclude-standard")
    there = os.path.lexists(repository.folder / path)
    return there or bool(git(repository.folder, "ls-files", "-z", *options, "--", path))


def _whole(repository: Repository, commit: str, paths: Sequence[str]) -> dict[str, Blobs]:
    """All that a commit has at paths, as git tells of files that are new."""
    folder = repository.base(paths)
    raw = git(folder, "diff-tree", "-r", *_RAW, _EMPTY[len(commit)], commit, "--", *paths)
    return dict(_parsed(raw, on_disk=False))


def _links(repository: Repository, state: State, paths: Sequence[str]) -> list[str]:
    """The symbolic links in a state: of the working tree, those that git knows."""
    if state.commit is not None:
        files = _whole(repository, state.commit, paths)
        return [path for path, blobs in files.items() if blobs.after == _A_LINK]
    # `120000 <hash> 0`, a tab, the path.
    options = ("-z", "--stage", "--full-name", "--", *paths)
    raw = _fields(git(repository.base(paths), "ls-files", *options))
    known = (entry.partition("\t")[2] for entry in raw if entry.startswith(_LINK))
    return [path for path in known if (repository.top / path).is_symlink()]


def _location(top: Path, name: str, blobs: Blobs) -> Location | None:
    """The place of a baseline file, or of all that lie behind a link; None for any other path."""
    path, parts = top / name, Path(name).parts
    location = Location.of(path)
    link = _A_LINK in blobs or (blobs.on_disk and path.is_symlink())
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
) -> dict[str, Blobs]:
    folder = repository.base(paths)
    commits = [state.commit for state in (before, after) if state.commit is not None]
    if after.commit is not None:
        raw = git(folder, "diff-tree", "-r", *_RAW, *commits, "--", *paths)
        return dict(_parsed(raw, on_disk=False))
    raw = git(folder, "diff-index", *_RAW, *commits, "--", *paths)
    changes = dict(_parsed(raw, on_disk=True))
    options = ("-z", "--others", "--exclude-standard", "--full-name", "--", *paths)
    for path in _fields(git(folder, "ls-files", *options)):
        # One that git was told to forget, and that is still there, has a past.
        known = changes.get(path, Blobs(None, None))
        changes[path] = known._replace(after=None, on_disk=True)
    return changes


def _parsed(raw: bytes, *, on_disk: bool) -> Iterator[tuple[str, Blobs]]:
    """By path, what git tells of each; of a path that it tells of twice, the last."""
    fields = _fields(raw)
    for what, path in zip(fields[::2], fields[1::2], strict=False):
        # Modes, hashes, what happened: `:100644 100644 <hash> <hash> M`.
        old_mode, new_mode, old, new, status = what.lstrip(":").split(" ")
        after = _present(new_mode, new)
        # A file that differs from the index has no hash yet, and one that is in conflict no mode.
        unknown = new_mode.startswith(_FILE) and after is None
        yield path, Blobs(_present(old_mode, old), after, on_disk and (unknown or status == "U"))


def _fields(answer: bytes) -> list[str]:
    return [field for field in os.fsdecode(answer).split("\0") if field]


def _present(mode: str, name: str) -> str | None:
    """A file's hash; None where there is no file, or none that has a hash."""
    if mode == _LINK:
        return _A_LINK
    return name if mode.startswith(_FILE) and name.strip("0") else None


def _of_blob(
    name: str | None, texts: Mapping[str, bytes], where: Path | str, *, whole: bool = True
) -> FileState:
    """A file in a commit; behind a link, if it is not the whole of the path."""
    if name is None:
        return FileState(where, None)
    if name == _A_LINK:
        return FileState(where, None, _LINKED if whole else _BEHIND)
    if name not in texts:
        return FileState(where, None, "is not in this clone")
    return FileState(where, texts[name] if whole else None)


def _on_disk(path: Path, where: Path, *, whole: bool) -> FileState:
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return FileState(where, None, _LINKED if whole else _BEHIND)
        if not stat.S_ISREG(mode) or not whole:
            return FileState(where, None)
        return FileState(where, path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return FileState(where, None)
    except OSError as error:
        return FileState(where, None, f"can't be read ({error.strerror})")
