"""Maps of baseline, candidate and difference."""

import re
from dataclasses import replace

import numpy as np
import pytest
from plotly.graph_objects import Figure
from report.figures.handmade_runs import BROKEN, INDUCTION, TOKENS, by_positions, undefined
from verdicts.handmade import TOLERANCE, around, cells, fractions, role

from pytest_circuits.report.figures import SideBySide, heat_maps, mechanism


def maps(figure):
    return {trace.name: trace for trace in figure.data if trace.type == "heatmap"}


def marks(figure):
    """Cells with a triangle, by what it says."""
    return {
        trace.name.split()[0]: list(zip(trace.y, trace.x, strict=True))
        for trace in figure.data
        if trace.type == "scatter"
    }


def outlined(figure, axes):
    """Cells with an outline, as layer and head."""
    corner = re.compile(r"M([-\d.]+),([-\d.]+)")
    return {
        (float(row) + 0.5, float(column) + 0.5)
        for shape in figure.layout.shapes
        if shape.xref == axes
        for column, row in corner.findall(shape.path)
    }


def drawn(found=BROKEN, approved=INDUCTION, **options):
    comparison = SideBySide.of(found, approved, TOLERANCE if approved else None)
    # Plotly checks every field of it.
    return Figure(heat_maps(comparison, **options))


@pytest.mark.parametrize("stacked", [False, True])
def test_the_numbers_are_the_findings(stacked):
    shown = maps(drawn(stacked=stacked))
    assert list(shown) == ["baseline", "candidate", "difference"]
    np.testing.assert_allclose(shown["baseline"].z, INDUCTION.values)
    np.testing.assert_allclose(shown["candidate"].z, BROKEN.values)
    np.testing.assert_allclose(shown["difference"].z, BROKEN.values - INDUCTION.values)


def test_baseline_and_candidate_share_their_colours_and_the_difference_is_centred():
    figure = drawn()
    shown = maps(figure)
    assert [trace.coloraxis for trace in shown.values()] == ["coloraxis"] * 2 + ["coloraxis2"]
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (0, 0.9)
    assert figure.layout.coloraxis2.cmin == -figure.layout.coloraxis2.cmax


def test_values_with_a_sign_are_centred_at_0():
    figure = drawn(fractions({"L0H0": around(-0.3), "L1H1": around(0.6)}), None)
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (-0.6, 0.6)


def test_what_moved_within_its_tolerance_stays_pale():
    figure = drawn(role({"L1H0": around(0.91), "L1H1": around(0.7)}))
    assert figure.layout.coloraxis2.cmax == pytest.approx(0.1)
    assert marks(figure) == {}


def test_what_moved_further_has_a_triangle_up_or_down():
    assert marks(drawn()) == {"rose": [(2, 2)], "fell": [(1, 0)]}


def test_heads_of_the_role_are_outlined_before_and_after():
    figure = drawn()
    assert outlined(figure, "x") == {(1, 0), (1, 1)}
    assert outlined(figure, "x2") == {(1, 1), (2, 2)}
    assert [shape.name for shape in figure.layout.shapes if shape.showlegend] == ["in the role"]


def test_hovering_tells_name_value_error_baseline_and_tolerance():
    trace = maps(drawn())["candidate"]
    said = trace.customdata[1][0]
    assert tuple(said[:7]) == ("L1H0", "0.200", "0.020", "0.900", "-0.700", "0.050", "-14.0")
    for number in range(9):
        assert f"customdata[{number}]" in trace.hovertemplate


@pytest.mark.parametrize("stacked", [False, True])
def test_tokens_stand_on_the_axis_and_those_that_are_alike_stay_apart(stacked):
    figure = drawn(by_positions(0.5), by_positions(), stacked=stacked)
    axis = figure.layout.xaxis3
    assert list(axis.tickvals) == list(range(len(TOKENS)))
    assert axis.ticktext[2] == "2 ␣John"
    assert axis.ticktext[7] == "7 ␣John"
    assert axis.ticktext[0] == "0 &lt;bos&gt;"
    assert axis.ticktext[5] == "5 ⏎"


def test_a_wide_map_stands_above_the_next_one():
    finding = cells(np.zeros((2, 40)), ("layer", "position"))
    beside, below = drawn(by_positions(), by_positions()), drawn(finding, finding)
    assert beside.layout.yaxis.domain == beside.layout.yaxis2.domain
    assert below.layout.yaxis2.domain[1] < below.layout.yaxis.domain[0]


def test_heads_at_positions_have_a_row_each():
    values = np.arange(24.0).reshape(2, 3, 4)
    figure = drawn(cells(values, ("layer", "head", "position")), None)
    (trace,) = maps(figure).values()
    assert figure.layout.yaxis.ticktext == ("L0H0", "L0H1", "L0H2", "L1H0", "L1H1", "L1H2")
    np.testing.assert_allclose(trace.z, values.reshape(6, 4))
    assert trace.customdata[5][3][0] == "L1H2, position 3"


def test_of_many_rows_those_that_changed_are_drawn():
    before = np.zeros((20, 4, 3))
    after = before.copy()
    after[19, 3, 2] = 0.5
    figure = drawn(*(cells(v, ("layer", "head", "position")) for v in (after, before)))
    trace = maps(figure)["candidate"]
    assert len(trace.z) == 32
    assert trace.customdata[-1][2][0] == "L19H3, position 2"
    assert marks(figure) == {"rose": [(31, 2)]}


def test_an_undefined_finding_is_grey_and_says_so():
    figure = drawn(*undefined())
    assert list(maps(figure)) == ["baseline", "candidate"]
    assert set(np.ravel(maps(figure)["candidate"].z)) == {None}
    assert "undefined" in [note.text for note in figure.layout.annotations]
    assert figure.layout.plot_bgcolor != figure.layout.paper_bgcolor


def test_a_finding_of_another_shape_stands_beside_its_baseline():
    other = role({"L3H5": around(0.9)}, shape=(4, 6))
    figure = drawn(other)
    shown = maps(figure)
    assert list(shown) == ["baseline", "candidate"]
    assert (np.shape(shown["baseline"].z), np.shape(shown["candidate"].z)) == ((3, 4), (4, 6))
    # The baseline's cells are its own, with its own values.
    assert shown["baseline"].customdata[1][0][:2] == ["L1H0", "0.900"]
    assert shown["baseline"].hovertemplate.count("baseline: %{customdata[1]}") == 1
    assert outlined(figure, "x2") == {(3, 5)}


def test_a_baseline_with_other_axes_leaves_its_place_empty():
    figure = Figure(mechanism(SideBySide.of(INDUCTION, cells([1.0, 2.0], ("layer",)))))
    assert "other axes" in [note.text for note in figure.layout.annotations]
    np.testing.assert_allclose(maps(figure)["candidate"].z, INDUCTION.values)


def test_labels_and_tokens_are_no_markup():
    hostile = '<a href="https://example.org">x</a>&'
    finding = cells([[1.0, 2.0]], ("layer", "position"), {"position": (hostile, "b")})
    finding = replace(finding, provenance={"first_prompt": [hostile, "\u202eevil\x1b[31m"]})
    figure = drawn(finding, None)
    text = figure.to_json()
    assert "<a" not in text.replace("\\u003c", "<")
    assert "\u202e" not in text
    assert "\\u202e" not in text
    assert "\\u001b" not in text


def test_a_unit_is_no_template():
    finding = replace(INDUCTION, unit="%{customdata[3]} <b>")
    (trace,) = maps(drawn(finding, None)).values()
    assert "%&#123;customdata[3]} &lt;b&gt;" in trace.hovertemplate
