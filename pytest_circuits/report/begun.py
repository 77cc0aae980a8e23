"""What a report says while its run has not come to its end, and for ever where it never does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.report.summary import NOT_ENDED

if TYPE_CHECKING:
    from pytest_circuits.report.run import Run

#: A page of its own: the whole one needs plotly, which takes longer to import than many runs take.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="pytest-circuits">
<title>✗ Circuits of {models}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto }}
h1 {{ color: light-dark(#b3261e, #ff8a80) }}
</style>
</head>
<body>
<p>Circuits of {models}</p>
<h1><span aria-hidden="true">✗</span> Incomplete</h1>
<p>Pytest-circuits wrote this page when the run began, and replaces it when the run ends: {why}.
Where nothing runs any more, somebody or something ended the process.</p>
</body>
</html>
"""


def begun_report(kind: str, run: Run) -> str:
    """The report of a run that has only begun.

    Args:
        kind: ``html``, ``markdown`` or ``json``.
        run: the run, without an exit status.
    """
    if kind == "html":
        # An alias has no character that HTML would read.
        models = ", ".join(model.alias for model in run.models)
        return _PAGE.format(models=models, why=NOT_ENDED)
    if kind == "markdown":
        from pytest_circuits.report.markdown import markdown_report

        return markdown_report(run)
    from pytest_circuits.report.json_document import json_report

    return json_report(run)
