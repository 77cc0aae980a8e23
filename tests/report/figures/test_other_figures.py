"""Points along an axis, one number, rankings, samples in pairs, versions, and plot()."""

from dataclasses import replace

import numpy as np
import pytest
from plotly.graph_objects import Figure
from report.figures.handmade_runs import BROKEN, INDUCTION, undefined
from verdicts.handmade import TOLERANCE, around, cells, number, role

from pytest_circuits.report import figures
from pytest_circuits.report.figures import DARK, SideBySide, Step
from pytest_circuits.report.figures.paired import left_out
from pytest_circuits.report.figures.points import heads_left_out

LENS = cells([0.0, 1.0, 2.0], ("layer",))


def checked(make):
    """A figure that plotly has checked every field of; None where there is none."""

    def made(*args, **options):
        drawing = make(*args, **options)
        return None if drawing is None else Figure(drawing)

    return made


mechanism, ranking = checked(figures.mechanism), checked(figures.ranking)
paired_samples, over_versions = checked(figures.paired_samples), checked(figures.over_versions)


def compared(found, approved, tolerance=TOLERANCE):
    return SideBySide.of(found, approved, tolerance)


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def test_values_along_an_axis_with_errors_and_what_is_allowed():
    found = replace(LENS, values=np.array([0.0, 1.0, 1.5]))
    figure = mechanism(compared(found, LENS, replace(TOLERANCE, top=0.0)))
    shown = traces(figure)
    assert list(shown["baseline"].y) == [0, 1, 2]
    assert list(shown["candidate"].y) == [0, 1, 1.5]
    assert list(shown["candidate"].error_y.array) == [0.01] * 3
    assert list(shown["fell by more than the tolerance"].x) == [2]
    assert [(shape.y0, shape.y1) for shape in figure.layout.shapes] == [
        pytest.approx((value - 0.05, value + 0.05)) for value in (0, 1, 2)
    ]
    assert figure.layout.xaxis.ticktext == ("0", "1", "2")


def test_named_cells_stand_at_their_names():
    finding = cells([1.0, 2.0], ("component",), {"component": ("L0 attn", "L0 mlp")})
    figure = mechanism(SideBySide.of(finding))
    assert figure.layout.xaxis.ticktext == ("L0 attn", "L0 mlp")
    assert list(traces(figure)) == ["measured"]


def test_one_number_before_and_after():
    figure = mechanism(compared(number(3.1, error=0.2), number(3.6, error=0.3)))
    shown = traces(figure)
    assert (list(shown["baseline"].x), list(shown["candidate"].x)) == ([3.6], [3.1])
    assert list(shown["baseline"].error_x.array) == [0.3]
    (allowed,) = figure.layout.shapes
    assert (allowed.x0, allowed.x1) == pytest.approx((3.55, 3.65))


def test_a_single_cluster_has_no_error_bar():
    figure = mechanism(SideBySide.of(number(3.1, error=np.nan)))
    assert list(figure.data[0].error_x.array) == [0]


def test_two_axes_of_one_length_are_not_drawn_over_one_another():
    components = cells([5.0, 6.0, 7.0], ("component",), {"component": ("a", "b", "c")})
    assert list(traces(mechanism(compared(LENS, components)))) == ["measured"]


def test_ranks_before_and_after():
    figure = ranking(compared(BROKEN, INDUCTION))
    shown = traces(figure)
    assert figure.layout.yaxis.ticktext == ("L1H0  #1 → out", "L1H1  #2 → #1", "L2H2  new → #2")
    assert list(shown["baseline"].x) == [0.9, 0.7, 0.0]
    assert list(shown["candidate"].x) == [0.2, 0.7, 0.6]
    assert list(shown["candidate"].error_x.array) == [0.02] * 3
    # What it takes to have the role.
    assert 0.4 in [shape.x0 for shape in figure.layout.shapes]
    low, high = figure.layout.xaxis.range
    assert low < 0
    assert high > 0.95


def test_ranks_that_nothing_stands_beside():
    other = role({"L3H5": around(0.9)}, shape=(4, 6))
    figure = ranking(compared(other, INDUCTION))
    assert list(traces(figure)) == ["measured"]
    assert figure.layout.yaxis.ticktext == ("L3H5  #1",)


@pytest.mark.parametrize("found", [number(1.0, error=0.1), role({}), undefined()[0]])
def test_no_ranking_without_heads_that_have_values(found):
    assert ranking(SideBySide.of(found)) is None


def test_the_same_samples_before_and_after():
    figure = paired_samples(compared(BROKEN, INDUCTION))
    shown = traces(figure)
    assert list(shown) == ["unchanged", "L1H0", "L1H1"]
    assert list(shown["L1H0"].x) == pytest.approx([0.8, 0.8, 1.0, 1.0])
    assert list(shown["L1H0"].y) == pytest.approx([0.1, 0.1, 0.3, 0.3])
    assert figure.layout.xaxis.range == figure.layout.yaxis.range
    assert shown["L1H0"].marker.symbol != shown["L1H1"].marker.symbol


@pytest.mark.parametrize("stacked", [False, True])
def test_a_behaviour_has_a_panel_of_its_own(stacked):
    with_profile = [
        replace(
            finding,
            companion=(replace(finding.companion[0], profile=np.array(profile)),),
        )
        for finding, profile in ((BROKEN, [1.0, 2.0]), (INDUCTION, [0.5, 0.4]))
    ]
    figure = paired_samples(compared(*with_profile), stacked=stacked)
    loss = traces(figure)["repeat loss (nats)"]
    assert (list(loss.x), list(loss.y)) == ([0.5, 0.4], [1.0, 2.0])
    assert loss.xaxis == "x2"


@pytest.mark.parametrize(
    "approved",
    [
        None,
        replace(INDUCTION, prompts={"kind": "other prompts"}),
        replace(INDUCTION, profiles={}),
        replace(INDUCTION, profiles={"L1H0": np.ones(7)}),
    ],
    ids=["no baseline", "other prompts", "no profiles", "another number of samples"],
)
def test_no_pairs_without_the_same_samples_on_both_sides(approved):
    assert paired_samples(compared(BROKEN, approved)) is None


def test_panels_and_heads_that_have_no_room_are_counted():
    heads = {f"L{layer}H{head}": around(0.9) for layer in range(3) for head in range(10)}
    approved = role(heads, shape=(3, 10))
    gave = replace(approved.companion[0], profile=np.ones(4))
    behaviours = tuple(replace(gave, name=name) for name in ("repeat_loss", "repeat_gain", "c"))
    found = replace(approved, companion=behaviours)
    drawn = SideBySide.of(found, found)
    assert left_out(drawn) == (
        "The 6 strongest heads; 24 heads more are not drawn. 1 behaviour more is not drawn."
    )
    assert heads_left_out(drawn) == 6
    assert len(ranking(drawn).layout.yaxis.ticktext) == 24


def test_a_line_a_finding_over_the_models():
    figure = over_versions(
        [
            ("test_a", [Step("one", 3.9, "preserved"), Step("two", 0.1, "lost")]),
            ("<b>b</b>", [Step("one", 1.0, "preserved"), Step("two", None, "")]),
        ]
    )
    first, second = (trace for trace in figure.data if trace.mode == "lines+markers")
    assert (list(first.y), list(second.y)) == ([3.9, 0.1], [1.0, None])
    assert first.marker.symbol[0] != first.marker.symbol[1]
    assert figure.layout.xaxis.ticktext == ("one", "two")
    assert second.name == "&lt;b&gt;b&lt;/b&gt;"
    assert [trace.name for trace in figure.data if trace.showlegend] == ["preserved", "lost"]


@pytest.mark.parametrize("finding", [INDUCTION, LENS, number(3.1, error=0.2)])
def test_plot_in_a_notebook_gives_the_same_values(finding):
    figure = finding.plot()
    assert isinstance(figure, Figure)
    same = mechanism(SideBySide.of(finding))
    assert [trace.to_plotly_json() for trace in figure.data] == [
        trace.to_plotly_json() for trace in same.data
    ]
    assert finding.quantity in figure.layout.title.text


def test_plot_beside_another_finding_says_what_it_cannot_show():
    assert "difference" in [trace.name for trace in BROKEN.plot(INDUCTION).data]
    figure = BROKEN.plot(role({"L0H0": around(0.9)}, shape=(2, 2)))
    assert "Not the same quantity" in figure.layout.title.subtitle.text


@pytest.mark.parametrize(
    "figure", [mechanism, ranking, paired_samples], ids=["mechanism", "ranking", "paired_samples"]
)
def test_every_colour_has_its_counterpart_on_a_dark_page(figure):
    def colours(value, key=""):
        if isinstance(value, dict):
            for name, each in value.items():
                yield from colours(each, name)
        elif isinstance(value, list | tuple):
            for each in value:
                yield from colours(each, key)
        elif isinstance(value, str) and value.startswith(("#", "rgb")) and "text" not in key:
            yield value

    used = set(colours(figure(compared(BROKEN, INDUCTION)).to_plotly_json()))
    assert used
    assert used <= set(DARK)
