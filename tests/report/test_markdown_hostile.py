"""Whatever somebody calls a thing: in a markdown report it is text, and nothing else."""

import random
import unicodedata
from dataclasses import replace

import pytest
from handmade_rows import left, row, run
from report.rendered import Page
from report.whole_findings import told
from verdicts.handmade import cells

from pytest_circuits.report import FailedTest, Model, Run
from pytest_circuits.report.markdown import markdown_report
from pytest_circuits.report.markdown_tables import table_head, table_row
from pytest_circuits.report.text import block, cell, clean, code, html_code
from pytest_circuits.verdicts import About, Change, Reason

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": '<img src="https://x.example/a.png" onerror="x()">',
    "markdown image": "![a](https://x.example/a.png)",
    "link": "[a](javascript:alert(1)) https://x.example www.x.example a@b.example",
    "mention": "@octocat @org/team",
    "issue": "#1 org/name#2 GH-3",
    "backticks": "a`b``c```d````",
    "edges": "`a` b `",
    "spaces": " a ",
    "only backticks": "```",
    "pipes": "a | b || c",
    "escaped pipes": r"a \| b \\| c \\\| d \ | e|",
    "backslash": "a\\",
    "fold": "</summary></details><h1>x</h1>",
    "end of code": "</code></pre>**b**",
    "comment": "<!-- x --> <!-- never ended",
    "table": "\n| a | b |\n|---|---|\n| c | d |",
    "heading": "\n\n# x\n\n- y\n\n---\n",
    "fence": "\n```\nx\n```\n",
    "reference": "[x]: https://x.example\n\n[x]",
    "ansi": "\x1b[31mred\x1b[0m \x1b]8;;https://x.example\x07link\x1b]8;;\x07",
    "directions": "a \u202eb\u202c \u2066c\u2069 \u200fd",
    "line ends": "a\r\nb\u2028c\u2029d\x85e\x0bf\x0cg",
    "controls": "a\x00b\x07c\x7fd\x9be",
    "half a character": "a\ud800b",
    "entities": "&lt;b&gt; &#64;x &amp;",
    "html": "<b>&\"'",
    "star": "**a** _b_ ~~c~~ $x$ $`y`$ :tada:",
    "long": "a|b`" * 2000,
    "emoji": "👩‍💻 ünï",
    "empty": "",
}


def everything(text):
    """A run in which whatever somebody may call something is called that."""
    labelled = cells([0.1, 0.9], ("component",), {"component": (text, f"{text}2")})
    labelled = replace(
        labelled, quantity=text, unit=text, measure=text or "m",
        convention={text: text, "nested": {text: [text]}}, provenance={text: text, "dtype": text},
    )  # fmt: skip
    weaker = replace(
        labelled, values=labelled.values / 9, provenance={text: "other", "dtype": f"{text}3"}
    )
    alias, other = f"a{text}", f"b{text}"
    reasons = tuple(
        Reason(change, about, text, text, before, after, 0.1)
        for change, about, before, after in [
            (Change.DIFFERS, About.FIELD, text, text),
            (Change.WORSE, About.BEHAVIOUR, 1.0, 0.5),
            (Change.GONE, About.CELL, 1.0, None),
            (Change.EMPTY, About.ROLE, 4.0, 0.0),
        ]
    )
    judged = told(weaker, labelled, test=f"t.py::test[{text}]", alias=alias, name=text)
    rows = [
        replace(judged, passes=False, owner=text, line=3),
        row("lost", f"u{text}.py::test_b", alias, headline=text, measure=text, reasons=reasons,
            waiver=text, passes=False, owner=text, name=text, line=1),
        row("weakened", "t.py::test_c", other, headline=text, waiver=f"until {text}", waived=True,
            scope="specific", canary=(1.0, 1.1), owner=text),
        row("preserved", "t.py::test_d", other, waiver=text, failure=text, outcome="failed"),
    ]  # fmt: skip
    return Run(
        models=tuple(Model(name, text, (name, text)) for name in (alias, other)),
        rows=tuple(rows),
        failed=(
            FailedTest(f"u{text}.py::t{text}[{other}]", other, text, 4),
            FailedTest(f"t.py::{text}", "", text),
        ),
        unfinished=left(1),
        options=(f"--circuits-device={text}",),
    )


def words(page):
    return sorted(text for text in page.plain if text not in ("", "–"))


@pytest.mark.parametrize("kind", list(HOSTILE))
def test_nothing_is_there_but_what_a_report_is_made_of(kind):
    made = everything(HOSTILE[kind])
    plain = everything("x")
    pairs = [(made, plain)]
    if kind != "half a character":  # of which no file can be called
        states = (HOSTILE[kind], "b")
        pairs.append((replace(made, compared=states), replace(plain, compared=("x", "b"))))
    for each, like in pairs:
        text = markdown_report(each, 10**6)
        text.encode()
        shown, other = Page(text).check(), Page(markdown_report(like, 10**6)).check()
        if kind == "empty":  # where code is a dash
            continue
        # As many tables, rows, cells, folds and blocks as with names that are harmless.
        assert [[len(line) for line in table] for table in shown.tables] == [
            [len(line) for line in table] for table in other.tables
        ]
        assert len(shown.summaries) == len(other.summaries)
        assert len(shown.blocks) == len(other.blocks)
        tags, same = ([tag for tag, _ in page.elements] for page in (shown, other))
        assert sorted(tags) == sorted(same)
        # Outside of code there are our own words alone.
        assert words(shown) == words(other)


@pytest.mark.parametrize("kind", list(HOSTILE))
def test_a_name_reads_as_it_is_written(kind):
    text = HOSTILE[kind]
    if kind in ("long", "empty", "ansi"):
        return
    markdown = "\n".join([*table_head(["a", "b"]), table_row([cell(text), "c"])])
    table = Page(markdown).check().tables[0]
    assert len(table[1]) == 2
    replaced = table[1][0].replace("\ufffd", "").replace("\\ |", "\\|")
    assert replaced.split() == "".join(visible_line(text)).replace("\\ |", "\\|").split()
    fold = f"<details><summary>{html_code(text)}</summary>\n\n</details>"
    for made in (code(text), fold):
        (shown,) = Page(made).check().codes
        assert shown.replace("\ufffd", "").split() == "".join(visible_line(text)).split()


def visible_line(text):
    for character in text:
        if character in "\t\n\r\v\f\x85\u2028\u2029":
            yield " "
        elif unicodedata.category(character) not in ("Cc", "Cs") and (
            unicodedata.category(character) != "Cf" or character == "\u200d"
        ):
            yield character


def test_random_names_stay_in_their_cells():
    dice = random.Random(0)
    for _ in range(1500):
        text = "".join(dice.choices("a\\|`<>&[]()!@#*_ \n-:", k=dice.randint(1, 12)))
        lines = [*table_head(["a", "b"]), table_row([cell(text), cell(text[::-1])])]
        page = Page("\n".join(lines)).check()
        assert [len(line) for line in page.tables[0]] == [2, 2], text
        shown = page.tables[0][1][0].replace("\\ |", "\\|")
        assert shown.split() == text.replace("\n", " ").replace("\\ |", "\\|").split(), text
        assert {tag for tag, _ in page.elements} <= {"table", "thead", "tbody", "tr", "th", "td",
                                                     "code"}, text  # fmt: skip


@pytest.mark.parametrize("text", ["a```b", "```", "~~~", "x\n```\n<b>", "````", " \\"])
def test_a_block_holds_its_text_alone(text):
    page = Page("\n".join([*block(text, "sh"), "", "after"])).check()
    assert page.blocks == [" ".join(text.split("\n")) + "\n"]
    assert words(page) == ["after"]


def test_what_can_not_be_seen_is_replaced():
    assert clean("a\x1b[31mb\x1b[0m") == "a\ufffdb\ufffd"
    assert clean("a\nb\r\n\tc") == "a b c"
    assert clean("\u202ea\u200b\ud800") == "\ufffda\ufffd\ufffd"
    assert clean("👩‍💻") == "👩‍💻"
    assert len(clean("a" * 5000)) == 300


def test_a_command_is_never_cut():
    source = "./" + "long/" * 200
    made = run(row("lost", passes=False))
    made = replace(made, models=(replace(made.models[0], source=source),))
    assert f"recall={source}" in markdown_report(made)
