"""Tables and documents of models that don't have every cell name only what is there."""

import json
from dataclasses import replace

import numpy as np
import pytest
from handmade_rows import run
from report.rendered import Page
from report.whole_findings import told
from verdicts.handmade import around, cells, fractions, relabelled, role, widened, without

from pytest_circuits.baselines import Baseline
from pytest_circuits.report import Details, json_report, read_report, terminal_lines
from pytest_circuits.report.github import annotate
from pytest_circuits.report.html import html_report
from pytest_circuits.report.markdown import markdown_report
from pytest_circuits.verdicts import default_tolerance

#: Layer 0 has no heads, layer 2 three.
BEFORE = without(role({"L1H0": around(0.9), "L1H1": around(0.7)}), (0,), (2, 3))
AFTER = without(role({"L1H0": around(0.2), "L1H1": around(0.7)}), (0,), (2, 3))
NOTHING = without(role({}), (0,), (2, 3))
WHOLE = role({"L1H0": around(0.9), "L1H1": around(0.7)})
POSITIONS = without(cells([[0.1, 0.5], [0.7, 0.2]], ("layer", "position")), (0,))
LAYERS = without(cells([3.0, 0.1, 0.5, 0.2], ("layer",)), (0,))
PARTS = without(
    cells([0.1, 0.5, 0.2], ("component",), {"component": ("L0 attn", "L0 mlp", "L1 mlp")}), (0,)
)
DEEP = without(cells(np.arange(24.0).reshape(2, 3, 4), ("layer", "head", "position")), (0,), (1, 2))


def undefined():
    before = without(fractions({"L1H0": around(0.5)}), (0,))
    nothing = np.full(before.values.shape, np.nan)
    gone = (replace(before.companion[0], value=0.01),)
    return replace(before, values=nothing, errors=nothing, companion=gone, profiles={})


def halved(finding):
    return replace(finding, values=finding.values / 2)


EVERY = {
    "weakened": (AFTER, BEFORE),
    "preserved": (BEFORE, BEFORE),
    "new": (AFTER, None),
    "no head in the role": (NOTHING, None),
    "lost": (NOTHING, BEFORE),
    "positions": (halved(POSITIONS), POSITIONS),
    "new positions": (POSITIONS, None),
    "layers": (halved(LAYERS), LAYERS),
    "parts": (halved(PARTS), PARTS),
    "heads and positions": (halved(DEEP), DEEP),
    "undefined": (undefined(), without(fractions({"L1H0": around(0.5)}), (0,))),
    "undefined, new": (undefined(), None),
    "other cells": (AFTER, WHOLE),
    "more cells": (WHOLE, BEFORE),
}
each = pytest.mark.parametrize(("found", "approved"), EVERY.values(), ids=list(EVERY))


def names_of_absent(finding):
    return {finding.cell_name(cell) for cell in np.argwhere(~finding.present).tolist()}


def terminal(*rows, **fields):
    return [line.text for line in terminal_lines(run(*rows, **fields), 80, verbose=True)]


@each
def test_no_writer_names_or_numbers_a_cell_that_is_not_there(found, approved):
    row = told(found, approved)
    whole = run(row, gate="regression")
    annotations = [each.command() for each in annotate(whole, ".")]
    said = [*terminal(row), *markdown_report(whole).splitlines(), *annotations]
    assert all(len(line) <= 80 for line in terminal(row))
    absent = names_of_absent(row.details.found.finding)
    for line in said:
        assert "nan" not in line.lower()
        assert found.undefined or "undefined" not in line
        for name in absent:
            assert f"{name} " not in f"{line} "
    Page(markdown_report(whole)).check()


@each
def test_a_report_as_json_holds_null_and_gives_the_same_report_again(tmp_path, found, approved):
    whole = run(told(found, approved), gate="regression")
    path = tmp_path / "report.json"
    path.write_text(json_report(whole), encoding="utf-8")
    again = read_report(path)
    assert terminal(*again.rows) == terminal(*whole.rows)
    assert html_report(again) == html_report(whole)
    (verdict,) = json.loads(path.read_text(encoding="utf-8"))["tests"][0]["verdicts"].values()
    values = np.array(verdict["details"]["found"]["values"], dtype=float)
    np.testing.assert_array_equal(np.isnan(values), ~found.present | found.undefined)


#: Findings of three layers or less; a model of five has them in the second, third and fifth.
DENSE = {
    "heads": (role({"L1H0": around(0.2), "L2H1": around(0.7)}), WHOLE),
    "preserved": (WHOLE, WHOLE),
    "new": (WHOLE, None),
    "no head in the role": (role({}), None),
    "lost": (role({}), WHOLE),
    "fractions": (fractions({"L1H0": around(0.3)}), fractions({"L1H0": around(0.9)})),
    "positions": (
        cells([[0.1, 0.5], [0.7, 0.2]], ("layer", "position")),
        cells([[0.1, 0.5], [0.2, 0.4]], ("layer", "position")),
    ),
    "layers": (cells([3.0, 0.1, 0.5], ("layer",)), cells([1.0, 0.0, 0.5], ("layer",))),
    "heads and positions": (
        cells(np.arange(24.0).reshape(2, 3, 4), ("layer", "head", "position")),
        cells(np.arange(24.0).reshape(2, 3, 4) * 2, ("layer", "head", "position")),
    ),
}


@pytest.mark.parametrize(("found", "approved"), DENSE.values(), ids=list(DENSE))
def test_tables_are_those_of_a_model_without_the_empty_layers(found, approved):
    there = (1, 2, 4)
    found_wide, approved_wide = (
        finding and widened(finding, 5, there[: len(finding.values)])
        for finding in (found, approved)
    )
    dense, sparse = told(found, approved), told(found_wide, approved_wide)
    assert terminal(sparse) == relabelled(terminal(dense), there)
    pages = [markdown_report(run(row, gate="regression")).splitlines() for row in (sparse, dense)]
    assert pages[0] == relabelled(pages[1], there)


def test_samples_are_kept_of_heads_that_are_there():
    """Also where the baseline, of another model, has the role in a head that is not."""
    samples = np.random.default_rng(0).normal(0.5, 0.1, (4, 3, 4))
    samples[:, ~AFTER.present] = np.nan
    found = replace(AFTER, per_sample=samples, samples=4, clusters=4)
    approved = replace(role({"L0H2": around(0.9), "L1H0": around(0.9)}), samples=4, clusters=4)
    details = Details.of("", found, Baseline("", approved, default_tolerance(approved)))
    kept = details.found.finding.profiles
    assert set(kept) == {"L1H0", "L1H1", "L1H2", "L1H3"}
    assert all(np.isfinite(profile).all() for profile in kept.values())
