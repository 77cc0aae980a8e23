"""The files that a run leaves: its reports, and what GitHub Actions is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_circuits.baselines.writing import write_text
from pytest_circuits.report.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_circuits.report import Run
    from pytest_circuits.session.settings import NamedPath, Settings

#: Where GitHub Actions shows what is appended to it.
_SUMMARY = "GITHUB_STEP_SUMMARY"
#: Where the repository lies that GitHub's annotations name files of.
_WORKSPACE = "GITHUB_WORKSPACE"
#: What ends whatever stands in the summary.
_GAP = "\n\n"
#: Bytes below which a summary would say next to nothing.
_LEAST_SUMMARY = 1024


class Said(NamedTuple):
    """A line for the terminal, and whether it tells of something that went wrong."""

    text: str
    failed: bool = False


def begin_reports(run: Run, settings: Settings) -> None:
    """Write every report that was asked for as that of a run that has only begun.

    Raises:
        pytest.UsageError: if one can't be written, before anything was measured for it.
    """
    from pytest_circuits.report.begun import begun_report

    for kind, place in settings.reports.items():
        try:
            write_text(place.path, begun_report(kind, run))
        except OSError as error:
            raise pytest.UsageError(_not_written(place, error)) from error


def write_reports(run: Run, settings: Settings) -> Iterator[Said]:
    """Write every report that was asked for; gives a line for each.

    One that can't be rendered is a defect of ours, and no reason to go without the others.
    """
    if not settings.reports:
        return
    # Imported where a report was asked for.
    from pytest_circuits.report import render

    for kind, place in settings.reports.items():
        try:
            text = render(kind, run)
        except Exception as error:  # noqa: BLE001 — whatever it is
            yield Said(_not_made(f"report {place.text}", error), failed=True)
            continue
        try:
            write_text(place.path, text)
        except OSError as error:
            # A run whose report is missing must not look like one that did what it was asked.
            yield Said(_not_written(place, error), failed=True)
        else:
            yield Said(f"report: {place.text}")


def begin_summary(run: Run) -> bytes:
    """Append to the step summary of GitHub Actions that a run is incomplete; gives what was added.

    Whether it can't be written is told when the run ends.
    """
    file = os.environ.get(_SUMMARY)
    if not file:
        return b""
    from pytest_circuits.report.begun import begun_report

    try:
        with Path(file).open("ab") as summary:
            present = summary.seek(0, os.SEEK_END)
            text = f"{_GAP if present else ''}{begun_report('markdown', run)}".encode()
            summary.write(text)
    except OSError:
        return b""
    return text


def write_summary(run: Run, begun: bytes) -> Iterator[Said]:
    """Append a run to the step summary of GitHub Actions, where there is one.

    Nobody asked for it in so many words, so that one that can't be written fails no run.

    Args:
        run: the run.
        begun: what :func:`begin_summary` added, which goes.
    """
    file = os.environ.get(_SUMMARY)
    if not file:
        return
    # Imported where GitHub Actions is: no other run writes Markdown unless it is asked to.
    from pytest_circuits.report.github import SUMMARY_LIMIT
    from pytest_circuits.report.markdown import markdown_report

    try:
        with Path(file).open("a+b") as summary:
            summary.seek(0)
            *others, after = summary.read().rsplit(begun, 1) if begun else (summary.read(),)
            present = b"".join([*others, after])
            if others:
                # Other steps' programs may have it open: it stays the same file.
                summary.truncate(0)
                summary.write(present)
            before = _GAP if present else ""
            room = SUMMARY_LIMIT - len(present) - len(before)
            if room < _LEAST_SUMMARY:
                yield Said(f"{_SUMMARY} is full: the summary of this run is not in it")
                return
            summary.write(f"{before}{markdown_report(run, room)}".encode())
    except OSError as error:
        yield Said(f"{_SUMMARY} could not be written: {error.strerror}")
    except Exception as error:  # noqa: BLE001 — as above
        yield Said(_not_made(f"the summary in {_SUMMARY}", error))


def _not_written(place: NamedPath, error: OSError) -> str:
    return f"report {place} could not be written: {error.strerror}"


def _not_made(what: str, error: Exception) -> str:
    return plain(f"{what} could not be made: {type(error).__name__}: {error}; please report it")


def annotation_lines(run: Run, root: Path) -> list[str]:
    """The workflow commands that annotate a run's tests, a line each.

    Args:
        run: the run.
        root: the folder that its tests' node ids start from.
    """
    from pytest_circuits.report.github import annotate

    return [each.command() for each in annotate(run, _folder(root))]


def _folder(root: Path) -> str | None:
    """A folder as it is called in the repository; None if it lies outside."""
    workspace = os.environ.get(_WORKSPACE)
    if not workspace:
        return "."
    root, top = root.resolve(), Path(workspace).resolve()
    return root.relative_to(top).as_posix() if root.is_relative_to(top) else None
