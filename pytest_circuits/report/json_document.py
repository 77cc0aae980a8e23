"""A run as a JSON document, for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_circuits.baselines.codec import dumps
from pytest_circuits.findings.digits import DECIMALS
from pytest_circuits.report.causes import causes
from pytest_circuits.report.run import VERDICTS, changed, test_of
from pytest_circuits.report.summary import canary_in_words, canary_of, summarise_run, traded
from pytest_circuits.report.table import table
from pytest_circuits.verdicts import reason_text
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from pytest_circuits.findings import Json
    from pytest_circuits.report.causes import Cause
    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Model, Run
    from pytest_circuits.verdicts import Reason

SCHEMA_VERSION = 4


def json_report(run: Run) -> str:
    """A run as canonical JSON; ``schema.json`` beside this module describes it.

    The tests are in the order of their node ids and the models in that of the run, so that the
    same findings always give the same text.
    """
    return dumps(document(run))


def document(run: Run) -> dict[str, Json]:
    """A run as a document: its models, the table tests × models, and what it comes to."""
    aliases = [model.alias for model in run.models]
    return {
        "schema_version": SCHEMA_VERSION,
        "compared": None if run.compared is None else list(run.compared),
        "status": "complete" if run.complete else "incomplete",
        "exit_status": run.exit_status,
        "gate": run.gate,
        "options": list(run.options),
        "root": run.root,
        "summary": _summary(run),
        "models": [_model(model, run) for model in run.models],
        "failed": [
            {"test": each.test, "model": each.alias, "message": each.message, "line": each.line}
            for each in sorted(run.failed)
        ],
        "unfinished": [*sorted(run.unfinished)],
        "tests": [
            {
                "test": entry.test,
                "name": entry.name,
                "measure": entry.measure,
                "verdicts": {
                    alias: _verdict(entry.cells[alias]) for alias in aliases if alias in entry.cells
                },
            }
            for entry in table(run)
        ],
    }


def _summary(run: Run) -> dict[str, Json]:
    summary = summarise_run(run)
    verdicts: Counter[str] = Counter()
    exceptions: Counter[str] = Counter()
    for (verdict, exception), count in summary.counts.items():
        verdicts[verdict] += count
        exceptions[exception] += count
    return {
        "findings": summary.findings,
        "verdicts": {verdict: verdicts[verdict] for verdict in VERDICTS if verdicts[verdict]},
        "causes": summary.causes,
        "failing": summary.failing,
        "judged": summary.judged,
        "remembered": summary.remembered,
        "waived": exceptions[Term.WAIVED],
        "failed_claims": summary.claims,
        "failed_without_finding": summary.silent,
        "uncollected": summary.uncollected,
    }


def _model(model: Model, run: Run) -> dict[str, Json]:
    rows = run.of(model)
    canary = canary_of(rows)
    return {
        "alias": model.alias,
        "source": model.source,
        "owners": list(model.owners),
        "declared": model.declared,
        "options": list(model.options),
        "scope": canary.scope.value if canary else None,
        "canary": {
            "of": canary.name,
            "before": round(canary.before, DECIMALS),
            "after": round(canary.after, DECIMALS),
            "text": canary_in_words(canary),
        }
        if canary
        else None,
        "traded": traded(rows) or None,
        "causes": [_cause(cause) for cause in causes(run, filter(changed, rows))],
    }


def _cause(cause: Cause) -> dict[str, Json]:
    return {
        "text": cause.text,
        "reason": None if cause.reason is None else _reason(cause.reason),
        "findings": [
            {
                "test": test_of(row),
                "name": row.name,
                "verdict": row.verdict,
                "own": row.own,
            }
            for row in cause.rows
        ],
    }


def _verdict(row: Row) -> dict[str, Json]:
    return {
        "verdict": row.verdict,
        "number": row.number,
        "headline": row.headline,
        "reasons": [_reason(reason) for reason in row.reasons],
        "more_reasons": row.more_reasons,
        "settlement": None if row.settlement is None else row.settlement.document(),
        "passes": row.passes,
        "outcome": row.outcome,
        "waived": row.waived,
        "waiver": row.waiver,
        "owner": row.owner,
        "written": row.written,
        "pending": row.pending,
        "redundant": row.redundant,
        "own_tolerance": row.own_tolerance,
        "claimed": row.claimed,
        "remembered": row.remembered,
        "scope": row.scope or None,
        "canary": [round(loss, DECIMALS) for loss in row.canary] or None,
        "canary_of": row.canary_of,
        "own": row.own,
        "no_canary": row.no_canary,
        "line": row.line,
        "failure": row.failure,
        "details": None if row.details is None else row.details.document(),
    }


def _reason(reason: Reason) -> dict[str, Json]:
    return {
        "subject": reason.subject,
        "about": reason.about.value,
        "change": reason.change.value,
        "quantity": reason.quantity or None,
        "before": reason.before,
        "after": reason.after,
        "tolerance": reason.tolerance,
        "null": reason.null,
        "other": reason.other or None,
        "identity": reason.identity or None,
        "text": reason_text(reason),
    }
