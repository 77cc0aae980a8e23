"""docs/suites.md runs as it stands, and its table has every check."""

import doctest

from docs.pages import ROOT, WIDTH, Terminal, blocks, page, too_wide

from pytest_circuits import suites

PAGE = page("suites.md")


def test_the_page_runs_from_top_to_bottom(pytester, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    terminal = Terminal(pytester, capsys)
    ran = 0
    for language, text in blocks(PAGE):
        if language == "console":
            ran += terminal.type_all(text)
        elif text.startswith("# "):
            terminal.save(text)
    assert ran == 3


def test_its_examples_print_what_is_shown():
    names, text = {}, []
    for language, block in blocks(PAGE):
        if language == "pycon":
            case = doctest.DocTestParser().get_doctest(block, names, "suites", "suites.md", 0)
            runner = doctest.DocTestRunner(verbose=False)
            runner.run(case, out=text.append, clear_globs=False)
            names = case.globs
    assert names, "there is no example"
    assert text == []


def test_the_table_has_every_check_and_what_it_measures():
    rows = [line.split("|")[1:4] for line in PAGE.splitlines() if line.startswith("| `")]
    told = {name.strip(" `"): (measured.split("`")[1::2]) for name, measured, _ in rows}
    assert told == {
        check.name: [check.measure, *filter(None, [check.builder])]
        for check in suites.default().checks
    }


def test_no_output_is_too_wide():
    assert too_wide(PAGE) == []


def test_the_readme_leads_here():
    assert "(docs/suites.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
