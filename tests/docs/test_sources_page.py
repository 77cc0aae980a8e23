"""docs/sources.md runs as it stands."""

from docs.pages import WIDTH, Terminal, blocks, page, too_wide

from pytest_circuits.models import SourceKind
from pytest_circuits.testing import tiny_checkpoint

PAGE = page("sources.md")


def test_the_page_runs_from_top_to_bottom(pytester, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.delenv("CI", raising=False)
    tiny_checkpoint(pytester.path / "checkpoint")
    terminal = Terminal(pytester, capsys)
    ran = 0
    for language, text in blocks(PAGE):
        if language == "console":
            ran += terminal.type_all(text)
        elif text.startswith("# "):
            terminal.save(text)
    assert ran == 2


def test_nothing_shown_is_wider_than_a_terminal():
    assert too_wide(PAGE) == []


def test_every_kind_of_source_is_on_the_page():
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    # A folder is one of a checkpoint, an adapter or a native model.
    assert len(rows) == len(SourceKind) + 2
