"""Pending files: where they lie, how they come and go, and how one becomes a baseline.

``<folder>/__circuits__/.pending/<alias>/<module>/<name>.json``, beside the baselines and none of
them, hidden from git by a ``.gitignore`` of their own.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.baselines.files import find, write
from pytest_circuits.baselines.locations import ROOT, Location
from pytest_circuits.baselines.pending import (
    MEASURE,
    HeldAgainst,
    Pending,
    PendingError,
    PendingTest,
    read_pending,
)
from pytest_circuits.baselines.writing import write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pytest_circuits.baselines.files import Served

#: Stands where an alias stands in a baseline's path, and is none.
PENDING = ".pending"
_IGNORE = ".gitignore"
_EVERYTHING = "*\n"
#: Folders in which no suite lies, beside hidden ones.
_ELSEWHERE = ("node_modules", "__pycache__")
#: Seconds for which a file is written again whose folder other processes tidy away meanwhile, and
#: the longest wait between two tries (drawn, so that two that disturb each other fall out of step).
_PATIENCE, _WAIT = 10.0, 0.01


class OutdatedError(Exception):
    """The baseline is no longer what the finding was held against; the message says what it is."""


def pending_path(place: Location) -> Path:
    """The pending file of a test whose baselines are there."""
    return place.folder / ROOT / PENDING / place.alias / place.module / f"{place.name}.json"


def walk_pending(
    folder: Path, skip: Callable[[Path], bool] = lambda _: False
) -> Iterator[Location]:
    """Where the baselines of every test lie that has a pending file below a folder, in order.

    Hidden folders and virtual environments are left out; symbolic links are not followed.

    Args:
        folder: where to begin.
        skip: whether to stay out of a folder besides.
    """
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        inside = ROOT in here.parts
        folders[:] = sorted(
            name
            for name in folders
            if _enters(here, name, inside=inside) and (inside or not skip(here / name))
        )
        for file in sorted(files):
            path = here / file
            place = _place(path)
            if place is not None and not path.is_symlink():
                yield place


def _enters(here: Path, name: str, *, inside: bool) -> bool:
    if here.name == ROOT:
        return name == PENDING
    if inside:
        return True
    hidden = name.startswith(".") or name in _ELSEWHERE
    return not hidden and not (here / name / "pyvenv.cfg").exists()


def _place(path: Path) -> Location | None:
    if len(path.parents) < 5 or path.suffix != ".json":  # noqa: PLR2004
        return None
    module, alias, pending, root, folder = path.parents[:5]
    if (pending.name, root.name) != (PENDING, ROOT):
        return None
    return Location(folder, alias.name, module.name, path.stem)


def leave(place: Location, test: PendingTest, *, compared: Collection[str] | None) -> None:
    """Put a test's pending findings into its file, in place of what an earlier run left there.

    A test without pending findings has no file.

    Args:
        place: where its baselines lie.
        test: the findings.
        compared: names of the findings that this run compared: what was left of others stays, but
            for what was measured on another model than what is left now. None if it compared all
            that there are.

    Raises:
        OSError: if the file can't be written.
    """
    path = pending_path(place)
    if not path.exists() and not test.findings:
        return
    own, earlier = place.alias, None
    if compared is not None:
        # What can't be read is measured anew.
        with contextlib.suppress(PendingError):
            earlier = read_pending(path)
    models = {pending.measured_on for pending in test.findings}
    findings = (
        *test.findings,
        *(
            pending
            for pending in (earlier.findings if earlier else ())
            if pending.name not in (compared or ())
            and (not models or pending.measured_on in models)
        ),
    )
    order = tuple(p.name for p in findings if p.held_against is None or p.held_against.owner != own)
    _put(place, replace(test, findings=findings, order=order))


def drop(place: Location, pending: Pending) -> None:
    """Take a finding out of its pending file; one that another run left meanwhile stays.

    Raises:
        OSError: if the file can't be written.
        PendingError: if it can't be read.
    """
    path = pending_path(place)
    test = read_pending(path)
    if test is None:
        return
    document = pending.document()
    stay = tuple(other for other in test.findings if other.document() != document)
    _put(place, replace(test, findings=stay))


def forget(place: Location) -> None:
    """Delete a test's pending file.

    Raises:
        OSError: if it can't be deleted.
    """
    _put(place, PendingTest("", ()))


def accept(place: Location, pending: Pending) -> None:
    """Make a pending finding its test's baseline; then it is pending no longer.

    One that the test's file does not hold yet gets the place that an update in that run would have
    given it, whichever of the test's findings is accepted first.

    Raises:
        OutdatedError: if the baseline it was held against is another now.
        BaselineError: if a baseline on the way can't be read.
        PendingError, OSError: if a file can't be read or written.
    """
    owners = dict.fromkeys((place.alias, *pending.owners))
    found = find(place.path, tuple(owners), pending.name)
    # The two are equal where an earlier attempt was stopped between its two steps.
    if found is None or not _is_accepted(place, pending, found):
        problem = outdated(pending, found)
        if problem:
            raise OutdatedError(problem)
        write(place.path, [pending.baseline], before=_later(place, pending))
    drop(place, pending)


def _is_accepted(place: Location, pending: Pending, found: Served) -> bool:
    own = found.owner == place.alias
    return own and found.baseline.document() == pending.baseline.document()


def _later(place: Location, pending: Pending) -> tuple[str, ...]:
    """Names of the findings that a new one comes before."""
    test = read_pending(pending_path(place))
    order = test.order if test else ()
    return order[order.index(pending.name) + 1 :] if pending.name in order else ()


def outdated(pending: Pending, found: Served | None) -> str:
    """What is another now about the baseline that a finding was held against; empty if nothing is.

    Args:
        pending: the finding.
        found: the baseline that would serve for it now, as :func:`find` gives it.
    """
    before = pending.held_against
    now = None if found is None else HeldAgainst.of(found)
    if now == before:
        return ""
    if now is None:
        assert before is not None
        what = f"{before.owner}'s baseline is gone"
    elif before is None:
        what = f"{now.owner} has a baseline now"
    elif now.owner != before.owner:
        what = f"{now.owner}'s baseline serves now, and {before.owner}'s did then"
    else:
        what = f"{now.owner}'s baseline has changed since"
    return f"{what}: measure again (`{MEASURE}`)"


def _put(place: Location, test: PendingTest) -> None:
    path = pending_path(place)
    if not test.findings:
        path.unlink(missing_ok=True)
        _tidy(path)
        return
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            _ignore(path.parents[2])
            write_text(path, test.dumps())
            # Another worker may have tidied up since.
            _ignore(path.parents[2])
        except (FileNotFoundError, FileExistsError):
            # The latter of a folder that went while it was made.
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0, _WAIT))  # noqa: S311 — any draw will do
        else:
            return


def _ignore(folder: Path) -> None:
    """Hide the folder from git, whatever the repository's own ignores say."""
    if not (folder / _IGNORE).exists():
        write_text(folder / _IGNORE, _EVERYTHING)


def _tidy(path: Path) -> None:
    """Delete those of a pending file's folders that hold nothing else."""
    module, alias, pending, root = path.parents[:4]
    with contextlib.suppress(OSError):
        # Each raises where something is left in it, or where there is none.
        _remove(module)
        _remove(alias)
        if [child.name for child in pending.iterdir()] == [_IGNORE]:
            (pending / _IGNORE).unlink()
        try:
            _remove(pending)
        except OSError:
            # Another worker left something meanwhile.
            if pending.exists():
                _ignore(pending)
            raise
        _remove(root)


def _remove(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        folder.rmdir()
