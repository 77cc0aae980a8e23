"""The files that a run leaves: its reports, and what GitHub Actions is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.baselines.atomic import write_text
from pytest_circuits.report import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.report import Run
    from pytest_circuits.settings import Settings


class Said(NamedTuple):
    """A line for the terminal, and whether it tells of something that went wrong."""

    text: str
    failed: bool = False


def write_reports(run: Run, settings: Settings) -> Iterator[Said]:
    """Write every report that was asked for; gives a line for each."""
    for kind, place in settings.reports.items():
        text = render(kind, run)
        try:
            write_text(place.path, text)
        except OSError as error:
            # A run whose report is missing must not look like one that did what it was asked.
            what = f"report {place} could not be written: {error.strerror}"
            yield Said(what, failed=True)
        else:
            yield Said(f"report: {place.text}")
