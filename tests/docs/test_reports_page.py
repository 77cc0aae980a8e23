"""docs/reports.md runs as it stands, and names every report there is."""

import re

import numpy as np
import pytest
from circuit_suites import copy_quickstart
from docs.pages import ROOT, WIDTH, Terminal, blocks, page, too_wide

from pytest_circuits.session.settings import REPORTS

PAGE = page("reports.md")


@pytest.fixture
def terminal(pytester, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    copy_quickstart(pytester.path / "quickstart")
    return Terminal(pytester, capsys)


def test_the_page_runs_from_top_to_bottom(terminal):
    assert sum(terminal.type_all(text) for language, text in blocks(PAGE) if language == "console")
    folder = terminal.pytester.path
    assert (folder / "later.md").read_bytes() == (folder / "out/report.md").read_bytes()
    assert (folder / "later.html").read_bytes() == (folder / "out/report.html").read_bytes()


def test_the_notebook_gets_a_figure():
    (code,) = [text for language, text in blocks(PAGE) if language == "python"]
    names = {}
    exec(code, names)  # noqa: S102
    (heat_map,) = [trace for trace in names["figure"].data if trace.type == "heatmap"]
    np.testing.assert_allclose(heat_map.z, names["scores"].values, atol=5e-5)


@pytest.mark.parametrize("kind", REPORTS)
def test_every_kind_of_report_is_in_the_table(kind):
    assert f"| `--circuits-{kind} FILE` |" in PAGE


def test_no_output_is_too_wide():
    assert too_wide(PAGE) == []


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)", PAGE))
def test_links_lead_somewhere(target):
    assert (ROOT / "docs" / target).exists()
