"""The HTML report as people see it: drawn, filtered, hostile, light and dark, wide and narrow."""

import re
from dataclasses import replace

import numpy as np
import pytest
from browser.pages import chromium, opened
from report.figures.handmade_runs import (
    BROKEN,
    INDUCTION,
    PAYLOADS,
    hostile_run,
    judged,
    one_of_each,
    run,
)
from verdicts.handmade import cells, number, without

from pytest_circuits.report.html import html_report

#: What every object of a script has, and a colour of the page: names like any other.
INHERITED = ("constructor", "__proto__", "toString", "#1c2330")

#: A finding of a model without heads in its first layer, and with one less in its last.
SPARSE = without(INDUCTION, (0,), (2, 3))

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser():
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The pages of runs made by hand."""
    folder = tmp_path_factory.mktemp("pages")
    runs = {
        "green": run(judged(INDUCTION, INDUCTION)),
        "red": one_of_each(),
        "hostile": hostile_run("".join(PAYLOADS)),
        "inherited": _inherited(),
        "other axes": run(*(_other_axes())),
        "absent": run(judged(without(BROKEN, (0,), (2, 3)), SPARSE), *_sparse()),
    }
    for name, made in runs.items():
        (folder / f"{name}.html").write_text(html_report(made), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in runs}


def _inherited():
    """A run whose models and cells are called as what every object has."""
    named = cells([0.1, 0.5, 0.2, 0.3], ("component",), {"component": INHERITED})
    rows = [judged(BROKEN, INDUCTION, alias=alias) for alias in INHERITED]
    return run(*rows, judged(named, named, alias=INHERITED[0], test="test_a.py::test_named"))


def _other_axes():
    """Findings of every number of axes beside baselines of every other."""
    grid = cells(np.zeros((2, 3, 4)), ("layer", "head", "position"))
    every = [number(1.0, error=0.1), cells([1.0, 2.0], ("layer",)), INDUCTION, grid]
    for found in every:
        for approved in every:
            if found is not approved:
                pair = f"{len(found.axes)}_{len(approved.axes)}"
                yield judged(found, approved, test=f"test_a.py::test_{pair}")


def _sparse():
    """Findings of other axes that lack cells, also of a layer that is the first."""
    for axes in (("layer",), ("layer", "position"), ("layer", "head", "position")):
        values = np.arange(1.0, 1 + 3 ** len(axes)).reshape([3] * len(axes))
        found = without(cells(values, axes), (0,))
        more = replace(found, values=found.values * 1.5)
        yield judged(more, found, test=f"test_a.py::test_{len(axes)}")


@pytest.fixture
def several(quickstart):
    """The page of a real run: the quickstart suite on three models, one of which lost it all."""
    quickstart.run(
        "--circuits",
        "--circuits-model", "recall",
        "--circuits-model", "fine=bundled:recall-finetuned",
        "--circuits-model", "regressed=bundled:recall-regressed",
        "--circuits-html=report.html",
    )  # fmt: skip
    return quickstart.path / "report.html"


def assert_quiet(seen, file):
    """The page requests nothing but itself, and reports no error."""
    assert {url.partition("#")[0] for url in seen.requests} == {file.as_uri()}
    assert seen.errors == []


def traces(plot):
    """How many traces a plot has, and of which types."""
    return plot.locator(".canvas").evaluate("canvas => canvas.data.map(trace => trace.type)")


def test_a_green_run(browser, files):
    with opened(browser, files["green"]) as seen:
        assert seen.page.locator("h1").inner_text() == "✓ Passed"
        finding = seen.open_finding()
        assert traces(finding.locator(".plot").nth(0)) == ["heatmap"] * 3
        assert traces(finding.locator(".plot").nth(1)) == ["scatter"] * 2
        assert traces(finding.locator(".plot").nth(2)) == ["scatter"] * 3
        assert finding.locator(".heatmaplayer image").count() == 3
    assert_quiet(seen, files["green"])


@pytest.mark.parametrize(("dark", "width"), [(False, 1200), (True, 400)], ids=["light", "dark"])
def test_a_red_run_with_a_finding_of_every_kind(browser, files, dark, width):
    with opened(browser, files["red"], dark=dark, width=width) as seen:
        page = seen.page
        assert page.locator("h1").inner_text() == "✗ Failed"
        for number in range(1, 11):
            finding = seen.open_finding(number)
            assert (
                finding.locator(".plot").count()
                == finding.locator(".main-svg").locator("xpath=ancestor::figure").count()
            )
            # The page itself never scrolls sideways, whatever is open.
            assert page.evaluate("document.documentElement.scrollWidth") == width
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, re.findall(r"\d+", ground)[:3])) > 3 * 128
        assert light is not dark
        drawn = page.locator("#finding-1 .canvas").first.evaluate(
            "canvas => canvas.layout.paper_bgcolor"
        )
        assert drawn == ("#161c26" if dark else "#fffffe")
    assert_quiet(seen, files["red"])


def test_a_baseline_of_other_axes_leaves_a_page_that_is_drawn(browser, files):
    with opened(browser, files["other axes"]) as seen:
        for number in range(1, 13):
            finding = seen.open_finding(number)
            for plot in finding.locator(".plot .canvas").all():
                plot.hover(force=True)
    assert_quiet(seen, files["other axes"])


def test_names_that_every_object_has_are_names_like_any_other(browser, files):
    with opened(browser, files["inherited"], dark=True) as seen:
        for number in range(1, len(INHERITED) + 2):
            seen.open_finding(number)
        lines = seen.page.locator("figure[data-source=versions]")
        lines.scroll_into_view_if_needed()
        lines.locator(".main-svg").first.wait_for()
        shown = lines.locator(".canvas").evaluate("canvas => canvas.layout.xaxis.ticktext")
        assert shown == list(INHERITED)
    assert_quiet(seen, files["inherited"])


def test_hovering_a_cell_tells_head_value_error_and_tolerance(browser, files):
    with opened(browser, files["red"]) as seen:
        number = seen.page.locator(".finding").evaluate_all(
            "all => all.findIndex(each => each.dataset.test.includes('test_induction')) + 1"
        )
        finding = seen.open_finding(number)
        plot = finding.locator(".plot").nth(0)
        plot.scroll_into_view_if_needed()
        # Layer 1, head 0 of the second map.
        box = plot.locator(".heatmaplayer").nth(1).locator("image").bounding_box()
        seen.page.mouse.move(box["x"] + box["width"] / 8, box["y"] + box["height"] / 2)
        label = plot.locator(".hoverlayer .hovertext")
        label.wait_for()
        said = label.text_content()
        for words in ("L1H0", "0.200 ± 0.020", "0.900", "tolerance: 0.090", "-7.8 tolerances"):
            assert words in said
    assert_quiet(seen, files["red"])


def test_filters_by_mouse(browser, files):
    with opened(browser, files["red"]) as seen:
        page = seen.page
        page.get_by_label("weakened").click()
        assert set(seen.shown()) == {
            "test_induction", "test_lens", "test_number", "test_positions",
        }  # fmt: skip
        page.get_by_label("lost").click()
        assert len(seen.shown()) == 5
        assert page.locator("#shown").inner_text() == "5 of 10 shown"
        page.get_by_role("button", name="Show all", exact=True).click()
        page.locator("#shown", has_text="10 of 10 shown").wait_for()
        page.locator("input[type=search]").fill("no such test")
        assert seen.shown() == []
        assert page.get_by_text("Nothing matches these filters.").is_visible()
    assert_quiet(seen, files["red"])


def test_filters_and_findings_by_keyboard(browser, files):
    with opened(browser, files["red"]) as seen:
        page = seen.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == "test"
        page.keyboard.type("lens")
        assert seen.shown() == ["test_lens"]
        finding = page.locator(".finding:visible")
        finding.locator("summary").first.focus()
        page.keyboard.press("Enter")
        assert finding.get_attribute("open") is not None
        finding.locator(".main-svg").first.wait_for()
    assert_quiet(seen, files["red"])


def test_no_button_of_a_plot_leads_out_of_the_page(browser, files):
    with opened(browser, files["green"]) as seen:
        buttons = seen.open_finding().locator(".plot").first.locator(".modebar-btn")
        titles = buttons.evaluate_all("all => all.map(each => each.dataset.title)")
        assert titles == ["Download plot as a PNG", "Zoom", "Pan", "Reset axes"]
        # Drawn by the page itself, from nothing that is loaded.
        with seen.page.expect_download() as download:
            buttons.first.click(force=True)
        assert download.value.suggested_filename.endswith(".png")
    assert all(url.startswith(("file:", "blob:", "data:")) for url in seen.requests)
    assert seen.errors == []


def test_a_view_can_be_passed_on(browser, files):
    with opened(browser, files["red"]) as seen:
        seen.page.get_by_label("weakened").click()
        seen.page.locator("input[type=search]").fill("lens")
        anchor = "#" + seen.page.evaluate("location.hash.slice(1)")
    with opened(browser, files["red"], anchor=anchor) as again:
        assert again.shown() == ["test_lens"]


def test_every_value_stands_in_a_table(browser, files):
    with opened(browser, files["red"]) as seen:
        finding = seen.page.locator(".finding", has_text="test_positions").last
        finding.locator("summary").first.click()
        button = finding.get_by_role("button", name="Show all 36 values")
        button.focus()
        seen.page.keyboard.press("Enter")
        # Who came by keyboard is in the table now.
        assert seen.page.evaluate("document.activeElement.getAttribute('aria-label')") == "Values"
        rows = finding.locator(".cells tbody tr")
        assert rows.count() == 36
        assert rows.nth(2).inner_text().split("\t") == [
            "layer 0, position 2 (␣John)", "0.800", "0.400", "0.010", "▼ -0.400", "0.080", "-5.0",
        ]  # fmt: skip
    assert_quiet(seen, files["red"])


def test_what_the_model_does_not_have_says_why_and_is_in_no_table(browser, files):
    with opened(browser, files["absent"]) as seen:
        finding = seen.open_finding()
        plot = finding.locator(".plot").nth(0)
        plot.scroll_into_view_if_needed()
        box = plot.locator(".heatmaplayer").nth(1).locator("image").first.bounding_box()
        label = plot.locator(".hoverlayer .hovertext")
        for row, column, words in (
            (0, 1, "L0H1no head here: layer 0 has no heads"),
            (2, 3, "L2H3no head here: layer 2 has 3 heads"),
            (1, 0, "L1H0candidate: 0.200 ± 0.020 attention probability"),
        ):
            seen.page.mouse.move(
                box["x"] + (column + 0.5) * box["width"] / 4,
                box["y"] + (row + 0.5) * box["height"] / 3,
            )
            label.filter(has_text=words).wait_for()
        legend = plot.locator(".legendtext").all_text_contents()
        assert "no head here" in legend
        finding.get_by_role("button", name="Show all 7 values").click()
        rows = finding.locator(".cells tbody tr").all_inner_texts()
        assert [row.split("\t")[0] for row in rows] == [
            "L1H0", "L1H1", "L1H2", "L1H3", "L2H0", "L2H1", "L2H2",
        ]  # fmt: skip
    assert_quiet(seen, files["absent"])


def test_the_theme_can_be_chosen_and_plots_follow(browser, files):
    with opened(browser, files["green"]) as seen:
        seen.open_finding()
        ground = "document.querySelector('.canvas').layout.paper_bgcolor"
        assert seen.page.evaluate(ground) == "#fffffe"
        seen.page.get_by_role("button", name="Dark colours").click()
        assert seen.page.evaluate(ground) == "#161c26"
        seen.page.emulate_media(media="print")
        background = "getComputedStyle(document.querySelector('.finding')).backgroundColor"
        assert seen.page.evaluate(background) == "rgb(255, 255, 254)"
    assert_quiet(seen, files["green"])


def test_several_models(browser, several):
    with opened(browser, several) as seen:
        page = seen.page
        assert page.locator(".matrix tbody tr").count() == 5
        lines = page.locator("figure[data-source=versions]")
        lines.scroll_into_view_if_needed()
        lines.locator(".main-svg").first.wait_for()
        assert len(traces(lines)) == 5 + 3  # and the marks' meanings
        page.locator("select[name=model]").select_option("regressed")
        assert len(seen.shown()) == 5
        # A link of the matrix opens its finding, though the filters hide it.
        page.locator(".matrix a", has_text="preserved").first.click()
        page.locator(".finding[open][data-model=recall] .main-svg").first.wait_for()
        assert page.locator("#shown").inner_text() == "6 of 15 shown"
        assert page.locator("h1").inner_text() == "✗ Failed"
    assert_quiet(seen, several)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_that_a_user_names_runs_or_loads(browser, files, dark):
    with opened(browser, files["hostile"], dark=dark) as seen:
        page = seen.page
        for number in range(1, page.locator(".finding").count() + 1):
            finding = seen.open_finding(number)
            for plot in finding.locator(".plot .canvas").all():
                plot.hover(force=True)
            for button in finding.locator(".every").all():
                button.click()
        page.locator("figure[data-source=versions]").scroll_into_view_if_needed()
        page.locator("select[name=model]").select_option(index=1)
        page.locator("input[type=search]").fill("<img src=x onerror=window.pwned=1>")
        assert len(seen.shown()) == 2
        assert page.evaluate("window.pwned") is None
        foreign = "img, iframe, object, svg:not(.canvas svg, #js-plotly-tester)"
        assert page.locator(foreign).count() == 0
        # Links lead nowhere but into the page.
        links = page.locator("a").evaluate_all(
            "all => all.map(each => each.getAttribute('href') ?? each.getAttribute('xlink:href'))"
        )
        assert {link[0] for link in links if link} == {"#"}
        assert page.locator("h1").count() == 1
        assert page.locator("main > section").count() == 4
    assert_quiet(seen, files["hostile"])
