"""The page: one file, everything in it, and first what matters."""

import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from report.figures.handmade_runs import (
    BROKEN,
    INDUCTION,
    PAYLOADS,
    WOBBLES,
    hostile_run,
    judged,
    one_of_each,
    run,
)
from verdicts.handmade import cells, number, role

from pytest_circuits.report import (
    FailedTest,
    Model,
    Run,
    json_report,
    read_report,
    terminal_lines,
)
from pytest_circuits.report.html import html_report


class Page(HTMLParser):
    """What a page holds: its words, its scripts' data, and its elements."""

    def __init__(self, text):
        super().__init__()
        self.words, self.elements, self.scripts = [], [], []
        self._within = []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._within.append(tag)
            if tag == "script":
                self.scripts.append([dict(attrs), ""])

    def handle_endtag(self, tag):
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data):
        if not self._within:
            self.words.append(data)
        elif self._within[-1] == "script":
            self.scripts[-1][1] += data

    def of(self, tag, **attributes):
        return [
            found
            for name, found in self.elements
            if name == tag and all(found.get(key) == value for key, value in attributes.items())
        ]

    def data(self, name):
        (text,) = [text for about, text in self.scripts if about.get("id") == name]
        return json.loads(text)


def page_of(*rows, **fields):
    return Page(html_report(run(*rows, **fields)))


@pytest.fixture(scope="module")
def whole():
    """The page of a run with a finding of every kind."""
    return Page(html_report(one_of_each()))


def test_a_red_run_begins_with_what_changed_and_whether_it_matters(whole):
    first, _, _ = whole.text.partition("Models")
    assert "✗ Failed" in first
    assert "7 of 10 findings did not pass the gate." in first
    assert "1 test failed without a finding." in first
    assert "2 tests did not run to a verdict." in first
    assert "logit diff gap gone: 4.00 → 0.01" in first


def test_a_green_run_says_that_nothing_that_matters_moved():
    page = page_of(judged(INDUCTION, INDUCTION))
    assert "✓ Passed 1 finding, nothing that matters moved." in page.text
    assert page.of("header")[0]["class"] == "good"


def test_a_change_that_the_gate_lets_pass_is_shown_as_news():
    stronger = role({"L1H0": (0.99, 0.99, 0.99, 0.99), "L1H1": (0.9, 0.9, 0.9, 0.9)})
    page = page_of(judged(stronger, INDUCTION))
    assert "✓ Passed 1 finding changed; the gate lets that pass." in page.text
    assert page.of("header")[0]["class"] == "news"


def test_a_test_that_fails_by_a_claim_of_its_own_fails_the_run_and_says_why():
    row = replace(judged(INDUCTION, INDUCTION), outcome="failed", failure="assert 1 < 0")
    page = page_of(row, exit_status=1)
    assert "✗ Failed No finding fails (1 finding), but the run does." in page.text
    assert "1 test failed whose findings all pass" in page.text
    assert "assert 1 < 0" in page.text


def test_every_finding_is_there_worst_first(whole):
    findings = whole.of("details")
    shown = [found for found in findings if "data-verdict" in found]
    assert [found["data-verdict"] for found in shown] == [
        "lost", "weakened", "weakened", "weakened", "weakened", "incomparable", "new",
        "preserved", "preserved", "not judged",
    ]  # fmt: skip
    assert len({found["id"] for found in shown}) == 10
    assert [found["id"] for found in shown if "open" in found] == ["finding-1"]


def test_a_finding_tells_headline_reasons_scope_and_commands(whole):
    for words in (
        "repeat loss rose 0.50 → 1.50; L1H0 0.90→0.20",
        "L1H0 left the role: induction score 0.90 → 0.20 (tolerance 0.09)",
        "repeat loss rose 0.50 → 1.50 (tolerance 0.10)",
        "induction heads: 2 (it takes 0.4)",
        "held against recall",
        "test_a.py:3",
        "pytest --circuits --circuits-model cand=./cand 'test_a.py::test_induction[cand]'",
        "'test_a.py::test_induction[cand]' --snapshot-update",
        "ValueError: no such file",
        "test_c.py:12",
    ):
        assert words in whole.text


def test_numbers_are_to_be_read_without_hovering(whole):
    assert "L1H0 0.900 0.200 0.020 ▼ -0.700 0.090 -7.8 left" in whole.text
    assert "L2H2 0.000 0.600 0.020 ▲ +0.600 0.050 +12.0 joined" in whole.text
    assert "repeat loss nats 0.500 ± 0.050 1.500 ± 0.050 +1.000 0.100 rose" in whole.text
    assert "logit difference 3.600 3.100 0.200 ▼ -0.500 0.200 -2.5" in whole.text


def test_the_data_holds_every_cell_of_every_finding(whole):
    for found in whole.of("details"):
        if "data-verdict" not in found:
            continue
        flat = cells_of(whole.data(f"data-{found['id']}"))
        assert all(len(cell) == 9 for cell in flat)
        if found["data-test"].startswith("test_b.py::test_heads_at_positions"):
            assert len(flat) == 24
            assert "L1H2, position 3" in [name for name, *_ in flat]


def test_figures_are_drawn_from_numbers_that_are_there_once(whole):
    (found,) = [f for f in whole.of("details") if "test_induction" in f.get("data-test", "")]
    data = whole.data(f"data-{found['id']}")
    maps = [trace for trace in data["figures"][0]["data"] if trace["type"] == "heatmap"]
    assert [trace["z"][1][0] for trace in maps] == [0.9, 0.2, -0.7]
    assert len({trace["customdata"] for trace in maps}) == 1
    assert data["shared"][maps[0]["customdata"]][1][0][0] == "L1H0"
    assert len(whole.of("figure", **{"data-source": f"data-{found['id']}"})) == 3
    assert "narrow" in data["figures"][0]


def test_what_cannot_be_shown_is_said(whole):
    assert "Not the same quantity, so no difference is shown. Differing: shape." in whole.text
    assert "The values are fractions of what is gone, and mean nothing" in whole.text


#: A finding of every number of axes.
BY_AXES = {
    0: number(1.0, error=0.1),
    1: cells(np.arange(8.0), ("layer",)),
    2: INDUCTION,
    3: cells(np.arange(24.0).reshape(2, 3, 4), ("layer", "head", "position")),
}


@pytest.mark.parametrize("before", BY_AXES)
@pytest.mark.parametrize("now", BY_AXES)
def test_a_test_that_measures_something_else_now_has_a_page(now, before):
    found = BY_AXES[now]
    page = page_of(judged(found, BY_AXES[before]))
    assert ("Not the same quantity" in page.text) is (now != before)
    assert len(cells_of(page.data("data-finding-1"))) == found.values.size


def cells_of(data):
    """Every cell of the table that the page makes when asked to."""
    told = data["shared"][data["table"]]
    return told if isinstance(told[0][0], str) else [cell for row in told for cell in row]


def test_the_table_of_every_value_is_the_findings_own():
    found = cells(np.arange(8.0).reshape(2, 4), ("layer", "position"))
    before = cells(np.arange(8.0).reshape(4, 2) + 50, ("layer", "position"))
    page = page_of(judged(found, before))
    told = [(cell[1], cell[3]) for cell in cells_of(page.data("data-finding-1"))]
    assert told == [(f"{value}.000", "–") for value in range(8)]


@pytest.mark.parametrize(("found", "approved", "heads"), WOBBLES.values(), ids=WOBBLES)
def test_a_preserved_finding_never_says_that_a_head_left_or_joined(found, approved, heads):
    row = judged(found, approved)
    page = page_of(row)
    assert f"induction heads: {heads} (it takes 0.4)" in page.text
    data = page.data("data-finding-1")
    table = [line.text for line in terminal_lines(run(row), 100, verbose=True)]
    ranks = data["figures"][1]["layout"]["yaxis"]["ticktext"]
    parts = {cell[7] for cell in cells_of(data)}
    assert parts == {"in the role", "not in the role"}
    for said in (page.text, *ranks, *table):
        assert not re.search(r"\b(left|joined|out|new)\b", said)


def test_behaviours_of_another_quantity_are_not_judged():
    page = page_of(judged(replace(BROKEN, convention={"block": 8, "seed": 1}), INDUCTION))
    assert "repeat loss nats 0.500 ± 0.050 1.500 ± 0.050 repeat gain" in page.text


def test_tokens_stand_where_positions_are_shown(whole):
    assert "layer 0, position 2 (␣John)" in whole.text


def test_convention_and_provenance_stand_side_by_side_and_differences_are_marked():
    other = replace(
        INDUCTION,
        convention={"block": 32, "seed": 0},
        provenance={"source": "./new", "versions": {"torch": "2.9"}},
    )
    before = replace(INDUCTION, provenance={"source": "./old", "versions": {"torch": "2.9"}})
    page = page_of(judged(other, before))
    assert "block ≠ differs 16 32" in page.text
    assert "source ≠ differs ./old ./new" in page.text
    assert "versions: torch 2.9 2.9" in page.text


def test_a_model_that_is_not_declared_has_no_command_that_approves():
    made = run(judged(BROKEN, INDUCTION))
    page = Page(
        html_report(replace(made, models=(Model("cand", "./c", ("recall",), declared=False),)))
    )
    assert "--snapshot-update" not in page.text
    assert "cand is not declared in circuits_models" in page.text


def test_a_waiver_and_what_it_did():
    row = judged(BROKEN, INDUCTION, waiver="until 2030-01-01: known", waived=True, passes=True)
    assert "Waived until 2030-01-01: known" in page_of(row).text


def test_several_models_have_a_matrix_with_links_and_a_line_a_finding():
    rows = [
        judged(INDUCTION, INDUCTION, alias="one"),
        judged(BROKEN, INDUCTION, alias="two"),
        judged(INDUCTION, INDUCTION, alias="one", test="test_a.py::test_only_one"),
    ]
    page = page_of(*rows, failed=(FailedTest("test_a.py::test_only_one[two]", "two", "boom"),))
    links = [link["href"] for link in page.of("a") if link["href"].startswith("#finding-")]
    assert {"#finding-1", "#finding-2", "#finding-3"} <= set(links)
    lines = page.data("versions")["figures"][0]["data"]
    assert [trace["y"] for trace in lines if trace.get("y") != [None]] == [[1.6, 1.3]]
    assert "test_only_one ✓ preserved 1.60 ✗ failed" in page.text
    assert [option["value"] for option in page.of("option")] == ["", "one", "two"]


def test_one_model_has_no_matrix(whole):
    assert "Tests × models" not in whole.text
    assert not whole.of("select")


def test_two_states_of_baselines():
    page = page_of(judged(BROKEN, INDUCTION), compared=("main", "working tree"), exit_status=0)
    assert "Baselines of main → working tree" in page.text
    assert "≠ Changed 1 finding changed." in page.text
    assert "pytest-circuits diff main" in page.text
    assert "L1H0 0.900 0.200" in page.text
    for word in ("gate", "Gate", "--snapshot-update", "candidate"):
        assert word not in page.text
    assert "No changes" in page_of(compared=("main", "HEAD")).text


def test_a_run_without_findings():
    page = Page(html_report(Run((Model("recall", "bundled:recall", ("recall",)),), ())))
    assert "No findings." in page.text
    assert not page.of("form")


def test_a_row_whose_finding_nobody_kept():
    page = page_of(replace(judged(BROKEN, INDUCTION), details=None))
    assert "left the role" in page.text
    assert not page.of("figure")


def test_the_report_of_a_stored_run_is_the_same(tmp_path):
    made = one_of_each()
    path = tmp_path / "report.json"
    path.write_text(json_report(made), encoding="utf-8")
    assert html_report(read_report(path)) == html_report(made)


def test_nothing_but_its_own_two_scripts_may_run_and_nothing_loads(whole):
    (policy,) = [
        meta["content"]
        for meta in whole.of("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    code = [text for about, text in whole.scripts if "type" not in about]
    allowed = {
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in code
    }
    assert len(code) == 2
    assert set(re.search("script-src ([^;]*)", policy)[1].split()) == allowed
    assert "default-src 'none'" in policy
    assert [about for about, _ in whole.scripts if "src" in about] == []
    loads = [a for _, a in whole.elements if not a.get("href", "#").startswith(("#", "data:"))]
    assert loads == []


def kinds(page):
    """How many elements of which kind the page has, with which attributes."""
    return Counter((tag, *sorted(attributes)) for tag, attributes in page.elements)


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_hostile_names_are_text_wherever_they_stand(payload):
    page = Page(html_report(hostile_run(payload)))
    own = Page(html_report(hostile_run("plain")))
    # The same elements, with the same attributes: what is told adds and breaks none.
    assert kinds(page) == kinds(own)
    for about, text in page.scripts:
        if about.get("type") == "application/json":
            assert "<" not in text
            json.loads(text)
    assert not any(mark in page.text for mark in "\x1b\u202e\u2028\ud800")
    html_report(hostile_run(payload)).encode()


def test_twenty_findings_with_many_heads_stay_under_7_mb():
    random = np.random.default_rng(0)
    heads = {
        f"L{layer}H{head}": tuple(random.uniform(0.4, 0.9) + random.normal(0, 0.05, 64))
        for layer in range(20)
        for head in range(8)
    }
    before = role(heads, shape=(30, 9))
    after = replace(before, values=before.values + random.normal(0, 0.1, (30, 9)))
    row = judged(after, before)
    assert len(row.details.found.finding.profiles) > 100
    least = len(html_report(run()).encode())
    assert least + 20 * (len(html_report(run(row)).encode()) - least) < 7_000_000


def test_twenty_findings_of_a_real_model_stay_under_7_mb():
    random = np.random.default_rng(0)
    heads = {
        f"L{layer}H{head}": tuple(random.uniform(0.4, 0.9, 64))
        for layer in range(16, 24)
        for head in range(2)
    }
    rows = []
    for place in range(20):
        before = role(heads, shape=(30, 9))
        noise = random.normal(0, 0.02, before.values.shape)
        before = replace(before, values=before.values + noise, errors=abs(noise))
        gain = replace(before.companion[1], profile=random.normal(4, 1, 64))
        before = replace(before, companion=(before.companion[0], gain))
        after = replace(before, values=before.values + random.normal(0, 0.05, (30, 9)))
        rows.append(judged(after, before, test=f"test_a.py::test_{place}"))
    text = html_report(run(*rows))
    assert len(text.encode()) < 7_000_000
    assert text.count("<figure") == 60
