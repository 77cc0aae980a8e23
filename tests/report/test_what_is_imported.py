"""A run imports the reports that it makes."""

import subprocess
import sys

import pytest

PREAMBLE = """
import sys
from pytest_circuits.report import Details, FailedTest, Model, Row, Run, terminal_lines
rows = [Row("lost", "t.py::test[a]", "a", "m", "gone", passes=False)]
run = Run((Model("a", "bundled:recall", ("a",)),), tuple(rows))
"""
RENDER = "from pytest_circuits.report import render; render"
FACTS = """
print(*sorted(name for name in sys.modules if name.startswith("pytest_circuits.report.")))
print(*(name for name in ("plotly", "jinja2") if name in sys.modules))
"""
TERMINAL = {"causes", "details", "rows", "run", "summary", "terminal", "text"}


def imported(statement):
    """The modules of reports, and the heavy ones, that a statement imports."""
    code = f"{PREAMBLE}{statement}\n{FACTS}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours, heavy = run.stdout.split("\n")[-3:-1]
    return {name.removeprefix("pytest_circuits.report.") for name in ours.split()}, heavy.split()


def test_a_terminals_section_needs_eight_modules_with_the_package_itself():
    assert imported("terminal_lines(run, 80)") == (TERMINAL, [])


@pytest.mark.parametrize(
    ("statement", "more"),
    [
        ("terminal_lines(run, 80, verbose=True)", {"terminal_tables", "table", "heads"}),
        (
            f"{RENDER}('markdown', run)",
            {"rendering", "markdown", "markdown_tables", "markdown_details"},
        ),
        (f"{RENDER}('json', run)", {"rendering", "json_document", "table"}),
    ],
)
def test_other_reports_need_more_and_no_figures(statement, more):
    ours, heavy = imported(statement)
    assert ours > more
    assert not any(name.startswith("figures") for name in ours)
    assert heavy == []


def test_a_page_needs_plotly_and_jinja():
    ours, heavy = imported(f"{RENDER}('html', run)")
    assert "figures" in ours
    assert heavy == ["plotly", "jinja2"]


def test_what_a_run_writes_when_it_begins_needs_neither():
    begin = "from pytest_circuits.report.begun import begun_report\nfor kind in {}: {}"
    kinds = ("html", "markdown", "json")
    ours, heavy = imported(begin.format(kinds, "begun_report(kind, run)"))
    assert {"begun", "markdown", "json_document"} <= ours
    assert (heavy, "html" in ours) == ([], False)
