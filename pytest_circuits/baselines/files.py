"""Baseline files: who owns them, and how they are read, written and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.baselines.codec import Baseline, BaselineError, BaselineFile, read, text_of
from pytest_circuits.baselines.derived import contradiction
from pytest_circuits.baselines.locations import Location
from pytest_circuits.baselines.writing import write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path


class Served(NamedTuple):
    """A baseline, and the alias of the model that owns it."""

    owner: str
    baseline: Baseline


class BaselineReader:
    """Reads each file once, and again only where it has changed since."""

    def __init__(self) -> None:
        self._files: dict[Path, tuple[tuple[int, ...] | None, BaselineFile]] = {}

    def __call__(self, path: Path) -> BaselineFile:
        """What a file holds.

        Raises:
            BaselineError: as :func:`pytest_circuits.baselines.codec.read`.
        """
        stamp = _stamp(path)
        known = self._files.get(path)
        if known is None or known[0] != stamp:
            known = self._files[path] = (stamp, read(path))
        return known[1]


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What the folder lists of a file; None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


def find(
    path: Path,
    owners: Sequence[str],
    name: str,
    reader: Callable[[Path], BaselineFile] = read,
) -> Served | None:
    """The first owner's baseline of that name.

    Args:
        path: the path of the test's baselines for any one alias.
        owners: aliases to look for, nearest first.
        name: the finding's name in the file.
        reader: reads a file.

    Raises:
        BaselineError: if a file on the way can't be read.
    """
    location = Location.of(path)
    assert location is not None
    for owner in owners:
        file = reader(location.of_alias(owner).path)
        if name in file:
            return Served(owner, file[name])
    return None


def check_first(
    path: Path, owners: Sequence[str], reader: Callable[[Path], BaselineFile] = read
) -> None:
    """Make sure that the file can be read that holds the baselines of the nearest owner with any.

    And in it the baseline without a name, which is the test's first, if it is there. What else
    :func:`find` may come across depends on the name that it looks for. Arguments as for it.

    Raises:
        BaselineError: as :func:`find`.
    """
    location = Location.of(path)
    assert location is not None
    for owner in owners:
        if location.of_alias(owner).path.exists():
            find(path, [owner], "", reader)
            return


def write(
    path: Path,
    baselines: Sequence[Baseline],
    reader: Callable[[Path], BaselineFile] = read,
    *,
    before: Collection[str] = (),
) -> None:
    """Put baselines into a file, leaving its others as they are and in their order.

    The file appears whole or not at all; a file that would not change is not touched.

    Args:
        path: the file.
        baselines: what to put into it.
        reader: reads a file.
        before: names that those which the file does not hold yet come before; else they are last.

    Raises:
        BaselineError: if there is a file that can't be read: nothing is repaired silently. Or if
            a baseline contradicts itself, as one of a measure of the user's own may.
    """
    documents = dict(reader(path).documents)
    names = list(documents)
    at = next((place for place, name in enumerate(names) if name in before), len(names))
    names[at:at] = [baseline.name for baseline in baselines if baseline.name not in documents]
    documents |= {baseline.name: baseline.document() for baseline in baselines}
    for baseline in baselines:
        problem = contradiction(documents[baseline.name], baseline.finding)
        if problem is not None:
            raise BaselineError(
                f"{path}: would hold {baseline.finding.measure} with a contradiction ({problem}).\n"
                f"What a measure keeps by sample has the value as its mean, and the error as the "
                f"mean's."
            )
    text = text_of([documents[name] for name in names])
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    write_text(path, text)


def delete(location: Location) -> None:
    """Delete a baseline file, and those of its folders that held nothing else."""
    location.path.unlink()
    # Its module's, its alias's, and the one that holds all baselines.
    for folder in location.path.parents[:3]:
        if any(folder.iterdir()):
            return
        folder.rmdir()
