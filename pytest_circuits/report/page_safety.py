"""Data in a page: nothing in it is ever markup or script, whoever wrote it."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

from markupsafe import Markup

from pytest_circuits.report.figures.names import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What JSON may hold and HTML would read: the end of a script, a comment, an entity.
_IN_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def harmless(value: object) -> object:
    """A value of a template: text that is to be read as text has no unseen characters.

    Terminal escapes are spelt out, and marks that turn the direction of writing, so that no name
    reorders the words around it. Escaping is the template's own.
    """
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "\n".join(map(printable, value.split("\n")))


def script_data(data: object) -> Markup:
    """Data for a ``<script type="application/json">``."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_IN_HTML))  # noqa: S704 — what HTML would read is escaped


def policy(scripts: Iterable[str]) -> str:
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
