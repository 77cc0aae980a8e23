"""A run as one self-contained page: its figures, tables and words, and no address to load from."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pytest_circuits.report.figures import DARK
from pytest_circuits.report.page_safety import harmless, policy, script_data
from pytest_circuits.report.page_view import page_view
from pytest_circuits.report.page_words import symbol, tones

if TYPE_CHECKING:
    from pytest_circuits.report.run import Run


def html_report(run: Run) -> str:
    """A run as one self-contained page.

    Everything is in the file, plotly's script too. What a run's data says is text wherever it
    stands: the template escapes it, and the page's policy lets no script run but its own two.
    The page has no date, host or folder, so that the same run gives the same bytes.
    """
    environment = Environment(
        loader=PackageLoader("pytest_circuits.report", "page"),
        autoescape=True,
        finalize=harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"symbol": symbol, "tone": tones(run), "script_data": script_data}
    scripts = [get_plotlyjs(), _asset("page.js")]
    page = environment.get_template("page.html").render(
        page=page_view(run),
        dark=dict(DARK),
        policy=policy(scripts),
        style=Markup(_asset("page.css")),  # noqa: S704 — ours
        plotly=Markup(scripts[0]),  # noqa: S704 — plotly's
        script=Markup(scripts[1]),  # noqa: S704 — ours
    )
    assert isinstance(page, str)
    return page


def _asset(name: str) -> str:
    return (files("pytest_circuits.report") / "page" / name).read_text(encoding="utf-8")
