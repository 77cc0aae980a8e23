"""A run as one self-contained page: its figures, tables and words, and no address to load from."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pytest_circuits.report.figures import DARK
from pytest_circuits.report.page_view import page_view
from pytest_circuits.report.page_words import symbol, tones
from pytest_circuits.report.run import fails, place
from pytest_circuits.report.text import printable, script_data
from pytest_circuits.verdicts import Kind
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "Kind": Kind,
        "Term": Term,
        "fails": fails,
        "place": place,
        "script_data": _script_data,
        "symbol": symbol,
        "tone": tones(run),
    }
    scripts = [get_plotlyjs(), _asset("page.js")]
    page = environment.get_template("page.html").render(
        page=page_view(run),
        dark=dict(DARK),
        policy=_policy(scripts),
        style=Markup(_asset("page.css")),  # noqa: S704 — ours
        plotly=Markup(scripts[0]),  # noqa: S704 — plotly's
        script=Markup(scripts[1]),  # noqa: S704 — ours
    )
    assert isinstance(page, str)
    return page


def _asset(name: str) -> str:
    return (files("pytest_circuits.report") / "page" / name).read_text(encoding="utf-8")


def _harmless(value: object) -> object:
    """A value of the template: text keeps its lines, and has no unseen characters.

    Escaping is the template's own.
    """
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "\n".join(map(printable, value.split("\n")))


def _script_data(data: object) -> Markup:
    return Markup(script_data(data))  # noqa: S704 — what HTML would read is escaped


def _policy(scripts: Iterable[str]) -> str:
    """A content security policy under which these scripts run, and nothing else, and nothing loads.

    Plotly sets styles of its own, and draws maps as images that it makes itself.
    """
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {allowed}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
