"""The page on security: what it says stops something is a test that there is."""

import ast
import doctest
import re

import pytest
from docs.pages import ROOT, blocks, page

PAGE = page("security.md")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| who controls")
]
TESTS = re.findall(r"`(tests/[\w/.]+::\w+)`", PAGE)


def test_every_kind_of_data_is_there():
    controlled = " ".join(row[0] for row in ROWS)
    for kind in (
        "checkpoint", "adapter", "pull request", "report artifact", "cache", "prompts",
        "git history", "pending files",
    ):  # fmt: skip
        assert kind in controlled


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}"[:60])
def test_each_line_names_a_test(row):
    assert len(row) == 4
    assert re.search("`tests/", row[3])


@pytest.mark.parametrize("named", TESTS)
def test_a_test_that_is_named_is_there(named):
    file, _, name = named.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_the_example_prints_what_it_shows():
    (example,) = (block for language, block in blocks(PAGE) if language == "python")
    parsed = doctest.DocTestParser().get_doctest(example, {}, "security.md", None, 0)
    assert doctest.DocTestRunner().run(parsed).failed == 0
    assert len(parsed.examples) == 2


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)", PAGE))
def test_links_lead_somewhere(target):
    assert (ROOT / "docs" / target).exists()
