"""Baseline files in a git repository's history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits.baselines.locations import Location
from pytest_circuits.history.git import git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_circuits.history.git import Repository

#: Begins a commit in what we have git print, and nothing else.
_COMMIT = "\x02"


@dataclass(frozen=True)
class Revision:
    """What one commit did to a file.

    Attributes:
        commit: the commit's hash.
        date: the day of its author, ``2026-10-02``.
        subject: the first line of its message.
        path: the file after it, from the repository's top.
        renamed_from: the file's path before it, where that was another.
        before: hash of what the file held before; None where there was no file.
        after: hash of what it held then; None where the commit deleted it.
    """

    commit: str
    date: str
    subject: str
    path: str
    renamed_from: str | None
    before: str | None
    after: str | None


def recorded_files(repository: Repository) -> dict[Location, bool]:
    """The baseline files that any commit has below the folder, and whether the last one has."""
    options = ("--no-renames", "--name-status", "--format=")
    fields = _log(repository.folder, *options, "--", ":(glob)**/*.json").split("\0")
    last: dict[Location, bool] = {}
    for status, path in zip(fields[::2], fields[1::2], strict=False):
        location = Location.of(repository.top / path)
        if location is not None:
            last.setdefault(location, status != "D")
    return last


def revisions(repository: Repository, location: Location) -> list[Revision]:
    """What commits did to a file, newest first, also under the names it had before."""
    path = location.path.relative_to(repository.top).as_posix()
    # Of merges (-c), those that made something new of the file.
    options = ("--follow", "-c", "--raw", "--no-abbrev", f"--format={_COMMIT}%H%x00%as%x00%s")
    log = _log(repository.top, *options, "--", f":(literal){path}")
    return list(_followed(log))


def _followed(log: str) -> Iterator[Revision]:
    for record in log.split(_COMMIT)[1:]:
        commit, date, subject, *change = record.split("\0")
        fields = [field for field in (field.strip("\n") for field in change) if field]
        if not fields:
            continue  # a merge that only took over what a branch has
        raw, *paths = fields
        parents = len(raw) - len(raw.lstrip(":"))
        # A mode for each parent and one for the commit, hashes alike, what happened.
        words = raw.lstrip(":").split(" ")
        before, after = _present(words[parents + 1]), _present(words[2 * parents + 1])
        copied = words[-1].startswith("C")
        yield Revision(
            commit=commit,
            date=date,
            subject=subject,
            path=paths[-1],
            renamed_from=paths[0] if words[-1].startswith("R") else None,
            before=None if copied else before,
            after=after,
        )
        if copied:
            return  # what comes next is the history of the file it was copied from


def _present(name: str) -> str | None:
    """A hash; None for the one that stands for no file."""
    return name if name.strip("0") else None


def _log(folder: Path, *arguments: str) -> str:
    # What a user's own configuration could change about the output.
    plain = ("-z", "--no-show-signature", "--no-relative", "--encoding=UTF-8")
    return git(folder, "log", *plain, *arguments).decode(errors="replace")
