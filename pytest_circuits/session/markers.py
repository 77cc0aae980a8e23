"""What a test's ``circuits`` marker says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from pytest_circuits.verdicts import Waiver


def waiver_of(item: pytest.Item) -> Waiver | None:
    """The waiver of the nearest ``circuits`` marker that has one.

    Raises:
        WaiverError: if its arguments are none.
    """
    for marker in item.iter_markers("circuits"):
        if marker.args or marker.kwargs:
            from pytest_circuits.verdicts import parse_waiver

            # Given by position they would only be missing by name, which the message says.
            return parse_waiver(marker.kwargs)
    return None
