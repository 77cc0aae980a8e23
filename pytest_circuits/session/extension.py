"""Where baselines lie, and how syrupy reads them. Besides the snapshot, only this knows syrupy.

Nothing here ever deletes a file.

syrupy calls what it hands from one method of an extension to the next serialized data. Here these
are a finding and a baseline, which nothing in syrupy looks into.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from syrupy.data import SnapshotCollections
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from pytest_circuits.baselines import (
    ROOT,
    BaselineReader,
    Comparison,
    baseline_path,
    compare,
    file_name,
    find,
    storable,
)
from pytest_circuits.session.variants import alias_of, own_parameters

if TYPE_CHECKING:
    import pytest
    from syrupy.types import SerializableData, SerializedData, SnapshotIndex

    from pytest_circuits.findings import Finding

#: Stands between a test's name and a finding's name in syrupy's name of a snapshot.
SEPARATOR = "::"


class CircuitExtension(SingleFileSnapshotExtension):
    """Where baselines lie and how they are read, compared and written."""

    _write_mode = WriteMode.TEXT
    file_extension = "json"

    #: Aliases whose baselines serve, nearest first, and what reads them; set by
    #: :class:`CircuitSnapshot`.
    owners: tuple[str, ...] = ()
    reader: BaselineReader
    #: The comparison that was made last; None where there was no baseline.
    comparison: Comparison | None = None
    _name: str = ""
    _measured: Finding

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """``__circuits__/<alias>/<module>`` beside the test file.

        syrupy asks for every test that was collected, also for one that uses no circuits.
        """
        if alias_of(test_location.item) is None:
            return str(Path(test_location.filepath).parent / ROOT)
        return str(path_of(test_location).parent)

    @classmethod
    def get_file_basename(cls, *, test_location: PyTestLocation, index: SnapshotIndex) -> str:  # noqa: ARG003 — syrupy's signature
        """One file holds all findings of a test."""
        return path_of(test_location).stem

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        """The test's name and the finding's."""
        name = index if isinstance(index, str) else ""
        return f"{test_location.snapshot_name}{SEPARATOR}{name}"

    def read_snapshot_data_from_location(
        self, *, snapshot_location: str, snapshot_name: str, session_id: str
    ) -> SerializableData | None:
        """The baseline of the test's own alias, or else of the nearest one that has any."""
        del session_id
        self.comparison = None
        self._name = snapshot_name.rpartition(SEPARATOR)[2]
        return find(Path(snapshot_location), self.owners, self._name, self.reader)

    def serialize(self, data: SerializableData, **_: object) -> SerializedData:
        """A finding as its file would hold it; matchers and filters have no meaning here."""
        self._measured = data
        return cast("SerializedData", storable(data))

    def matches(self, *, serialized_data: SerializedData, snapshot_data: SerializedData) -> bool:
        """Whether the verdict is *preserved*: syrupy leaves exactly those files alone."""
        found, served = cast("Any", serialized_data), cast("Any", snapshot_data)
        self.comparison = compare(self._name, self._measured, found, served)
        return not self.comparison.differs

    def discover_snapshots(
        self, *, test_location: PyTestLocation, ignore_extensions: list[str] | None = None
    ) -> SnapshotCollections:
        """None: a file that this run did not ask for is not unused, and not syrupy's to delete."""
        del test_location, ignore_extensions
        return SnapshotCollections()


def path_of(test_location: PyTestLocation) -> Path:
    """Where the baselines of a test lie that runs once for every model."""
    item: Any = test_location.item
    alias = alias_of(item)
    assert alias is not None
    function = getattr(item, "originalname", None) or item.name
    owner = test_location.classname
    test = f"{owner}.{function}" if owner else function
    path = Path(test_location.filepath)
    return baseline_path(path, alias, file_name(test, own_parameters(item)))


def baseline_file(item: pytest.Item) -> Path | None:
    """Where a test's baselines lie; None for a test that does not run once for every model."""
    return None if alias_of(item) is None else path_of(PyTestLocation(item))
