"""What others wrote: no target gets a character that it would obey, or that nobody sees."""

import unicodedata

import pytest

from pytest_circuits.report.text import (
    Line,
    Part,
    block,
    cell,
    code,
    command_data,
    command_property,
    html_code,
    in_figure,
    in_template,
    plain,
    printable,
    script_data,
)

UNSEEN = [chr(at) for at in range(0x110000) if unicodedata.category(chr(at)) in ("Cc", "Cf", "Cs")]
JOINERS = ("\u200c", "\u200d")
TARGETS = {
    "terminal": plain,
    "line of a terminal": lambda text: Line((Part(text),)).plain.text,
    "markdown": code,
    "markdown table": cell,
    "markdown fold": html_code,
    "markdown block": lambda text: "".join(block(text, "sh")),
    "page": printable,
    "data in a page": script_data,
    "figure": in_figure,
    "template of a figure": in_template,
    "workflow command": command_data,
    "property of a workflow command": command_property,
}


@pytest.mark.parametrize("target", list(TARGETS))
def test_no_target_gets_an_unseen_character(target):
    kept = {each for each in UNSEEN if each in TARGETS[target](f"a{each}b")}
    assert kept == (set(JOINERS) if target.startswith("markdown") else set())


@pytest.mark.parametrize("target", list(TARGETS))
def test_what_can_be_seen_is_left_as_it_is(target):
    text = "L0H1 – Größe 数 ½"
    shown = TARGETS[target](text)
    assert text in (shown.encode().decode("unicode_escape") if "data in" in target else shown)


def test_a_terminal_keeps_its_columns():
    assert {len(plain(f"a{each}b")) for each in UNSEEN} == {3}


def test_markup_means_nothing_where_it_would_mean_something():
    text = "<b>%{x}</b>&"
    assert in_figure(text) == "&lt;b&gt;%{x}&lt;/b&gt;&amp;"
    assert in_template(text) == "&lt;b&gt;%&#123;x}&lt;/b&gt;&amp;"
    assert not set("<>&") & set(script_data([text]))
    assert command_property("a,b:c%\n") == "a%2Cb%3Ac%25%0A"
