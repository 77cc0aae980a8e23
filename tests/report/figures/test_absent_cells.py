"""Figures of models that don't have every cell: what is not there is neither 0 nor undefined."""

import json
from dataclasses import replace

import numpy as np
import pytest
from plotly.graph_objects import Figure
from report.figures.handmade_runs import judged, run
from verdicts.handmade import around, cells, fractions, role, without

from pytest_circuits.report.figures import SideBySide, heat_maps, mechanism, ranking
from pytest_circuits.report.figures.overview import plot
from pytest_circuits.report.figures.style import PAPER
from pytest_circuits.report.html import html_report

#: Layer 0 has no heads, layer 2 three.
BEFORE = without(role({"L1H0": around(0.9), "L1H1": around(0.7)}), (0,), (2, 3))
AFTER = without(role({"L1H0": around(0.2), "L1H1": around(0.7)}), (0,), (2, 3))
ABSENT = [(0, 0), (0, 1), (0, 2), (0, 3), (2, 3)]


def drawn(found, approved=None):
    return Figure(heat_maps(SideBySide.of(found, approved)))


def maps(figure):
    return {t.name: t for t in figure.data if t.type == "heatmap" and t.coloraxis}


def blanks(figure):
    """The traces of cells that are not there, by the map they lie on."""
    return {t.xaxis: t for t in figure.data if t.type == "heatmap" and not t.coloraxis}


def where(z, wanted):
    return [tuple(map(int, cell)) for cell in np.argwhere([[wanted(v) for v in row] for row in z])]


def test_cells_that_are_not_there_have_no_colour_and_no_value():
    figure = drawn(AFTER, BEFORE)
    assert list(maps(figure)) == ["baseline", "candidate", "difference"]
    for trace in maps(figure).values():
        assert where(trace.z, lambda value: value is None) == ABSENT
        assert trace.hoverongaps is False
    assert list(blanks(figure)) == ["x", "x2", "x3"]
    for trace in blanks(figure).values():
        assert where(trace.z, lambda value: value is not None) == ABSENT
        assert {colour for _, colour in trace.colorscale} == {PAPER}
        assert trace.showscale is False
        assert trace.hoverongaps is False
    assert figure.layout.plot_bgcolor == PAPER
    assert not any(note.text == "undefined" for note in figure.layout.annotations)


def test_under_the_pointer_stands_why_a_cell_is_not_there():
    figure = drawn(AFTER, BEFORE)
    for trace in blanks(figure).values():
        assert trace.hovertemplate == (
            "<b>%{customdata[0]}</b><br>no head here: %{customdata[1]}<extra></extra>"
        )
        assert list(trace.customdata[0][1]) == ["L0H1", "layer 0 has no heads"]
        assert list(trace.customdata[2][3]) == ["L2H3", "layer 2 has 3 heads"]
    assert maps(figure)["candidate"].customdata[1][0][1] == "0.200"


def test_a_line_runs_through_a_layer_without_heads_and_the_legend_explains_it():
    figure = drawn(AFTER, BEFORE)
    lines = [t for t in figure.data if t.type == "scatter" and t.mode == "lines"]
    assert [trace.xaxis for trace in lines] == ["x", "x2", "x3"]
    for trace in lines:
        # And one through the head that the last layer lacks.
        assert trace.x == (-0.2, 3.2, None, 2.8, 3.2, None)
        assert trace.y == (0, 0, None, 2, 2, None)
    assert [(trace.name, trace.showlegend) for trace in lines] == [
        ("no head here", True), ("no head here", False), ("no head here", False),
    ]  # fmt: skip


@pytest.mark.parametrize("scale", [1.0, -1.0])
def test_scales_are_those_of_the_cells_that_are_there(scale):
    whole = cells(scale * np.array([[2.0, 3.0], [4.0, 5.0]]), ("layer", "position"))
    moved = replace(whole, values=whole.values * 1.5)
    full = drawn(moved, whole).layout
    sparse = drawn(
        without(replace(moved, values=np.vstack([moved.values, [[0, 0]]]),
                        errors=np.zeros((3, 2))), (2,)),
        without(replace(whole, values=np.vstack([whole.values, [[0, 0]]]),
                        errors=np.zeros((3, 2))), (2,)),
    ).layout  # fmt: skip
    for axis in ("coloraxis", "coloraxis2"):
        assert (sparse[axis].cmin, sparse[axis].cmax) == (full[axis].cmin, full[axis].cmax)


def test_a_baseline_with_other_cells_stands_beside_with_its_own():
    whole = role({"L0H2": around(0.5), "L1H0": around(0.9)})
    for found, approved in ((AFTER, whole), (whole, AFTER)):
        comparison = SideBySide.of(found, approved)
        assert comparison.obstacle.endswith("Differing: shape.")
        figure = drawn(found, approved)
        assert list(maps(figure)) == ["baseline", "candidate"]
        sparse = maps(figure)["candidate" if found is AFTER else "baseline"]
        full = maps(figure)["baseline" if found is AFTER else "candidate"]
        assert where(sparse.z, lambda value: value is None) == ABSENT
        assert full.customdata[0][2][:2] == ["L0H2", "0.500"]
        assert sparse.customdata[0][2] == ["L0H2", "layer 0 has no heads"]
        assert len(blanks(figure)) == 1


def undefined():
    """Fractions of a gap that is gone, as a file holds them, and what they were."""
    before = without(fractions({"L1H0": around(0.5)}), (0,))
    nothing = np.full(before.values.shape, np.nan)
    gone = (replace(before.companion[0], value=0.01),)
    return replace(
        before, values=nothing, errors=nothing, companion=gone, absent=None, profiles={}
    ), before  # fmt: skip


def test_an_undefined_finding_is_as_empty_as_its_baseline_and_undefined_elsewhere():
    figure = drawn(*undefined())
    assert "undefined" in [note.text for note in figure.layout.annotations]
    for trace in blanks(figure).values():
        assert where(trace.z, lambda value: value is not None) == [(0, n) for n in range(4)]
        assert trace.customdata[0][1] == ["L0H1", "layer 0 has no heads"]
    assert maps(figure)["candidate"].customdata[1][0][3] == "0.500"


def test_an_undefined_finding_without_a_baseline_is_undefined_throughout():
    figure = drawn(undefined()[0])
    assert blanks(figure) == {}
    assert "undefined" in [note.text for note in figure.layout.annotations]


def test_rows_of_heads_that_are_not_there_make_no_room():
    values = np.zeros((20, 4, 3))
    values[19, 3, 2] = 0.5
    few = without(cells(values, ("layer", "head", "position")), *((n,) for n in range(15)))
    figure = drawn(few)
    assert len(maps(figure)["measured"].z) == 20
    assert figure.layout.yaxis.ticktext[0] == "L15H0"
    many = without(cells(values, ("layer", "head", "position")), *((n,) for n in range(8)))
    comparison = SideBySide.of(many)
    figure = Figure(heat_maps(comparison))
    assert len(maps(figure)["measured"].z) == 32
    assert blanks(figure) == {}
    assert plot(many).layout.title.subtitle.text.startswith("Of 48 heads, the 32 that changed")


POSITIONS = without(cells([[0.1, 0.5], [0.7, 0.2]], ("layer", "position")), (0,))
LAYERS = without(cells([3.0, 0.1, 0.5, 0.2], ("layer",)), (0,))
PARTS = without(
    cells([0.1, 0.5, 0.2], ("component",), {"component": ("L0 attn", "L0 mlp", "L1 mlp")}), (0,)
)


def test_positions_of_a_layer_without_values_say_so():
    (trace,) = blanks(drawn(POSITIONS)).values()
    assert trace.hovertemplate == (
        "<b>%{customdata[0]}</b><br>no value here: %{customdata[1]}<extra></extra>"
    )
    assert trace.customdata[0][1] == ["layer 0, position 1", "layer 0 has no values"]


@pytest.mark.parametrize("before", [LAYERS, PARTS], ids=["layers", "components"])
def test_points_along_an_axis_leave_out_what_is_not_there(before):
    now = replace(before, values=before.values * 2)
    figure = Figure(mechanism(SideBySide.of(now, before)))
    for name in ("baseline", "candidate"):
        (trace,) = [trace for trace in figure.data if trace.name == name]
        assert trace.y[0] is None
        assert None not in trace.y[1:]
    bands = figure.layout.shapes
    assert len(bands) == before.present.sum()
    assert [band.name for band in bands if band.showlegend] == ["tolerance"]
    assert len(figure.layout.xaxis.tickvals) == len(before.values)


def test_ranks_are_of_heads_that_are_there():
    figure = Figure(ranking(SideBySide.of(AFTER, BEFORE)))
    assert set(figure.layout.yaxis.ticktext) == {"L1H0  #1 → out", "L1H1  #2 → #1"}


DEEP = without(cells(np.arange(24.0).reshape(2, 3, 4), ("layer", "head", "position")), (0,), (1, 2))
UNDEFINED, DEFINED = undefined()
EVERY = {
    "heads": (AFTER, BEFORE),
    "new": (AFTER, None),
    "positions": (replace(POSITIONS, values=POSITIONS.values / 2), POSITIONS),
    "layers": (replace(LAYERS, values=LAYERS.values / 2), LAYERS),
    "parts": (replace(PARTS, values=PARTS.values / 2), PARTS),
    "deep": (replace(DEEP, values=DEEP.values / 2), DEEP),
    "undefined": (UNDEFINED, DEFINED),
    "undefined, new": (UNDEFINED, None),
    "undefined before": (DEFINED, UNDEFINED),
    "other cells": (AFTER, role({"L1H0": around(0.9)})),
    "fewer cells": (role({"L1H0": around(0.9)}), AFTER),
    "other axes": (AFTER, LAYERS),
    "other shape": (AFTER, without(role({"L1H0": 0.9}, shape=(4, 4)), (0,))),
}


@pytest.mark.parametrize(("found", "approved"), EVERY.values(), ids=list(EVERY))
@pytest.mark.parametrize("stacked", [False, True])
def test_every_figure_is_one_that_plotly_draws_from_json(found, approved, stacked):
    comparison = SideBySide.of(found, approved)
    figure = mechanism(comparison, stacked=stacked)
    drawn = Figure(json.loads(json.dumps(figure, allow_nan=False)))
    assert [trace.type for trace in drawn.data] == [trace["type"] for trace in figure["data"]]
    assert drawn.data
    plot(found, approved)


@pytest.mark.parametrize(("found", "approved"), EVERY.values(), ids=list(EVERY))
def test_a_page_tells_of_the_cells_that_are_there(found, approved):
    page = html_report(run(judged(found, approved)))
    there = SideBySide.of(found, approved).present
    text = page.partition("<main")[2].partition("<script")[0]
    assert "nan" not in text.lower().replace("nanmax", "")
    for cell in np.argwhere(~there).tolist():
        if found.axes[-1] == "head":
            assert f"<bdi>{found.cell_name(cell)}</bdi>" not in text
    assert ("what the model does not have" in text.lower()) is not there.all()
    if there.sum() > 8:
        assert f"Show all {there.sum()} values" in page
