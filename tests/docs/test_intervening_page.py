"""docs/intervening.md runs as it stands."""

import pytest
from docs.pages import WIDTH, Terminal, blocks, page

PAGE = page("intervening.md")


@pytest.mark.filterwarnings("default")
def test_the_page_runs_from_top_to_bottom(pytester, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    terminal = Terminal(pytester, capsys)
    ran = 0
    for language, text in blocks(PAGE):
        if language == "console":
            ran += terminal.type_all(text)
        else:
            terminal.save(text)
    assert ran == 1
    monkeypatch.setenv("CI", "1")
    assert terminal.type("pytest", "--circuits", "interventions")[0] == 0
