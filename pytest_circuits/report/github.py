"""What GitHub Actions is told: annotations at the lines of tests.

===========  ==================================================================
level        what
===========  ==================================================================
``error``    tests that did not run to a verdict; a finding that the gate fails; a
             circuit test that failed for another reason, at the line of the
             claim that did not hold
``warning``  a loss, or what can't be compared, that was let pass (by a waiver,
             an xfail marker or ``gate = never``); a finding that was measured
             and never compared
``notice``   a change that passes: new, relocated, strengthened
===========  ==================================================================

Findings that only restate the cause of another are named in its annotation.
GitHub shows ten annotations of each level for a step; the tenth tells of those that are left out.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.report.causes import also_in, causes
from pytest_circuits.report.rows import NOT_JUDGED, REFUSED
from pytest_circuits.report.run import (
    fails,
    labels,
    news_of,
    other_failures,
    reasons_shown,
    test_of,
    title,
)
from pytest_circuits.report.text import command_data, command_property, counted, cut
from pytest_circuits.verdicts import Kind
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_circuits.report.causes import Cause
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import FailedTest, Run

LEVELS = ("error", "warning", "notice")
#: What GitHub shows of each level for a step.
MOST = 10
#: Bytes that the summaries of a step's file may have.
SUMMARY_LIMIT = 1024 * 1024
_REASONS_SHOWN = 8
#: Characters of a title and of a message.
_TITLE = 200
_MESSAGE = 2000
_LET_PASS = (Kind.LOST, Kind.WEAKENED, Kind.INCOMPARABLE, NOT_JUDGED, REFUSED)


class Annotation(NamedTuple):
    """What is said of a line.

    Attributes:
        level: ``error``, ``warning`` or ``notice``.
        title: what it is about, in a line.
        message: what there is to say.
        file: the file, from the root of the repository; empty where it lies outside.
        line: the line in it.
    """

    level: str
    title: str
    message: str
    file: str = ""
    line: int | None = None

    def command(self) -> str:
        """The annotation as a workflow command, which is one line."""
        properties = {"file": self.file, "line": self.line, "title": cut(self.title, _TITLE)}
        if not self.file:
            # A line of no file is one of the workflow's own, to GitHub.
            del properties["line"]
        given = ",".join(f"{k}={command_property(str(v))}" for k, v in properties.items() if v)
        return f"::{self.level} {given}::{command_data(cut(self.message, _MESSAGE))}"


def annotate(run: Run, folder: str | None) -> list[Annotation]:
    """What there is to say of a run at the lines of its tests, worst first.

    Args:
        run: the run.
        folder: where the run's files lie in the repository, ``.`` for its root; None where they
            lie outside, and no file is named.
    """
    called = labels([*run.rows, *run.failed])
    told: dict[str, list[Annotation]] = {level: [] for level in LEVELS}
    for cause in causes(run, news_of(run)):
        for row in (cause.lead, *cause.others):
            told[_level(row)].append(_of_row(cause, row, called, folder))
    told["error"] += [_of_failed(failed, called, folder) for failed in other_failures(run)]
    if run.unfinished:
        what = f"{counted(len(run.unfinished), 'circuit test')} did not run to a verdict"
        lines = "\n".join([f"{what}:", *sorted(run.unfinished)])
        told["error"].insert(0, Annotation("error", "pytest-circuits: incomplete", lines))
    return [each for level in LEVELS for each in _at_most(told[level])]


def _level(row: Row) -> str:
    if fails(row):
        return "error"
    return "warning" if row.verdict in _LET_PASS else "notice"


def _of_row(cause: Cause, row: Row, called: Mapping[str, str], folder: str | None) -> Annotation:
    waived = f"{Term.WAIVED} {row.waiver}" if row.waived else ""
    reasons, more = reasons_shown(row, _REASONS_SHOWN)
    also = also_in(cause, called) if row is cause.lead else ""
    more_of_them = f"and {more} more" if more else ""
    lines = [cause.headline(row), also, *reasons, more_of_them, waived]
    return Annotation(
        _level(row),
        f"{row.verdict}: {title(row, called)} on {row.alias}",
        "\n".join(dict.fromkeys(filter(None, lines))),
        _file(row.test, folder),
        row.line,
    )


def _of_failed(failed: FailedTest, called: Mapping[str, str], folder: str | None) -> Annotation:
    on = f" on {failed.alias}" if failed.alias else ""
    return Annotation(
        "error",
        f"failed: {called[test_of(failed)]}{on}",
        failed.message or "the test failed",
        _file(failed.test, folder),
        failed.line,
    )


def _file(test: str, folder: str | None) -> str:
    if folder is None:
        return ""
    path = posixpath.normpath(posixpath.join(folder, test.partition("::")[0]))
    return "" if path.startswith("../") else path


def _at_most(told: Sequence[Annotation]) -> Iterator[Annotation]:
    """As many as GitHub shows; where there are more, the last tells of them."""
    if len(told) <= MOST:
        yield from told
        return
    yield from told[: MOST - 1]
    left = told[MOST - 1 :]
    level = left[0].level
    yield Annotation(
        level,
        f"pytest-circuits: {len(left)} more {level}s",
        "\n".join(["GitHub shows ten of a step:", *(each.title for each in left)]),
    )
