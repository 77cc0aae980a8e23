"""``pytest-circuits history``: what became of a test's baselines, commit by commit."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_circuits.baselines import BaselineError
from pytest_circuits.commands.console import (
    EXIT_OK,
    EXIT_UNREADABLE,
    cut,
    no_folder,
    refuse,
    say,
    shown,
    width,
    wrapped,
)
from pytest_circuits.history.changes import Change, change, read_bytes
from pytest_circuits.history.git import GitError, Repository
from pytest_circuits.history.revisions import recorded_files, revisions
from pytest_circuits.report.run import DELETED, UNREADABLE
from pytest_circuits.verdicts import SEVERITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_circuits.baselines import Baseline
    from pytest_circuits.history.revisions import Revision

#: Worst first.
_ORDER = (UNREADABLE, DELETED, *SEVERITY)
#: What stands before the verdict: a date and a commit.
_INDENT = " " * 20
_COMMIT = 8
#: What a message calls a revision; the row above it says which one it is.
_WHERE = "the file"


def history(test: str, folder: Path, alias: str | None) -> int:
    """Print what commits did to a test's baselines, newest first."""
    problem = no_folder(folder)
    if problem:
        return refuse(problem)
    try:
        repository = Repository(folder)
        traces = _traces(repository, test, alias)
        texts = repository.texts(
            name for trace in traces for r in trace for name in (r.before, r.after) if name
        )
    except GitError as error:
        return refuse(str(error))
    if not traces:
        of = f" of {alias}" if alias else ""
        return refuse(f"no commit has baselines{of} of a test {test!r} below {folder.resolve()}")
    status = EXIT_OK
    for number, trace in enumerate(traces):
        if number:
            say("")
        say(str(shown(repository.top / trace[0].path)))
        for place, revision in enumerate(trace):
            changes = list(_changes(trace[place:], texts))
            _print(revision, changes)
            if any(each.kind == UNREADABLE for each in changes):
                status = EXIT_UNREADABLE
    if repository.shallow:
        say("older commits are not in this clone, which is shallow (git fetch --unshallow)")
    return status


def _traces(repository: Repository, test: str, alias: str | None) -> list[list[Revision]]:
    """The revisions of every file of the test; those that are still there first."""
    files = recorded_files(repository)
    traces: list[list[Revision]] = []
    told: set[str] = set()
    for location in sorted(files, key=lambda location: (not files[location], location)):
        path = location.path.relative_to(repository.top).as_posix()
        # A file that was renamed is told of under its last name.
        renamed = path in told and not files[location]
        if renamed or alias not in (None, location.alias) or not location.is_of(test):
            continue
        traces.append(revisions(repository, location))
        told |= {revision.renamed_from or "" for revision in traces[-1]}
    return traces


def _changes(trace: Sequence[Revision], texts: Mapping[str, bytes]) -> Iterator[Change]:
    """What the first of these revisions did to each finding that it changed."""
    revision = trace[0]
    before = _before(trace, texts)
    try:
        after = _read(revision.after, texts)
    except BaselineError as error:
        yield Change(UNREADABLE, str(error).splitlines()[0])
        return
    if revision.after is None and not before:
        yield Change(DELETED, "what it held can't be read")
    names = list(before | after)
    moved = [name for name in names if _text(before, name) != _text(after, name)]
    for name in moved or names:
        became = change(before.get(name), after.get(name))
        yield became._replace(words=f"{name}: {became.words}") if name else became


def _text(baselines: Mapping[str, Baseline], name: str) -> str | None:
    return baselines[name].dumps() if name in baselines else None


def _before(trace: Sequence[Revision], texts: Mapping[str, bytes]) -> dict[str, Baseline]:
    """What the file held before the first of these revisions, the last time it could be read."""
    first, *older = trace
    if first.before is None:
        return {}
    for name in (first.before, *(revision.after for revision in older)):
        with contextlib.suppress(BaselineError):
            return _read(name, texts)
    return {}


def _read(name: str | None, texts: Mapping[str, bytes]) -> dict[str, Baseline]:
    """The baselines in a file of that hash, by name; none where there was no file."""
    if name is None:
        return {}
    if name not in texts:
        raise BaselineError(f"{_WHERE}: is not in this clone")
    return read_bytes(texts[name], _WHERE)


def _print(revision: Revision, changes: Sequence[Change]) -> None:
    kinds = [each.kind for each in changes]
    kind = min(kinds, key=_ORDER.index, default="empty")
    line = f"{revision.date} {revision.commit[:_COMMIT]} {kind:<12} {revision.subject}"
    say(cut(line, width()))
    for each in changes:
        several = f"{each.kind}: " if len(changes) > 1 else ""
        say(wrapped(f"{several}{each.words}", _INDENT))
    if revision.renamed_from:
        say(wrapped(f"was {revision.renamed_from}", _INDENT))
