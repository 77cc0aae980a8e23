"""docs/remembered.md runs as it stands."""

import pytest
from docs.pages import WIDTH, Terminal, blocks, page, too_wide

PAGE = page("remembered.md")


def test_the_page_runs_from_top_to_bottom(pytester, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    terminal = Terminal(pytester, capsys)
    ran = 0
    for language, text in blocks(PAGE):
        if language == "console":
            ran += terminal.type_all(text)
        else:
            terminal.save(text)
    assert ran == 3


def test_nothing_shown_is_wider_than_a_terminal():
    assert too_wide(PAGE) == []


def test_it_names_what_there_is():
    from pytest_circuits.session.cache import BUDGET
    from pytest_circuits.session.cache_keys import _LIBRARIES

    assert [name for name in _LIBRARIES if name not in PAGE] == []
    assert f"at most {BUDGET >> 20} MiB" in PAGE


@pytest.mark.parametrize("variable", ["CI", "BUILD_NUMBER"])
def test_it_says_what_is_ci(variable, pytester, monkeypatch):
    from pytest_circuits.session.settings import read_settings

    assert f"`{variable}`" in PAGE
    monkeypatch.setenv(variable, "1")
    assert read_settings(pytester.parseconfig()).in_ci
