"""What the page says first: the verdict on the run in a line, and the counts behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits.report.commands import compare
from pytest_circuits.report.run import failed_claims, fails, is_news
from pytest_circuits.report.summary import (
    canary_of,
    ended,
    gate_lets_pass,
    judged_in_words,
    model_facts,
    news_in_words,
    nothing_judged,
    remembered,
    summarise_run,
)
from pytest_circuits.report.text import counted
from pytest_circuits.verdicts import Gate, Kind, Scope
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_circuits.report.rows import Row
    from pytest_circuits.report.run import Model, Run
    from pytest_circuits.report.summary import Summary

_SYMBOLS: Mapping[str, str] = {
    Term.REFUSED: "⊘",
    Kind.LOST: "✗",
    Kind.INCOMPARABLE: "≠",
    Kind.WEAKENED: "▼",
    Kind.NEW: "+",
    Kind.RELOCATED: "⇄",
    Kind.STRENGTHENED: "▲",
    Kind.PRESERVED: "✓",
    Term.UNREADABLE: "⊘",
    Term.DELETED: "−",
    Term.LOOSENED: "↔",
    Term.TIGHTENED: "⇥",
    Term.RENAMED: "→",
    Term.ASSERTED: "⊢",
    Term.NOT_JUDGED: "?",
    Term.FAILED: "✗",
}
#: pytest's exit status of a run without tests.
_NOTHING_RAN = 5
_GATES = {
    Gate.BEHAVIOUR: "behaviours that got worse fail, here or on new prompts; mechanisms are shown",
    Gate.REGRESSION: "what got worse or can't be compared fails; stronger or moved passes",
    Gate.CHANGE: "every change fails",
    Gate.NEVER: "nothing fails, changes are only shown",
}


def symbol(verdict: str) -> str:
    """A verdict's symbol, so that it is never told by colour alone."""
    return _SYMBOLS.get(verdict, "•")


def tones(run: Run) -> Callable[[Row], str]:
    """How each row of a run is coloured: ``bad``, ``news`` or ``good``.

    A finding that passes is bad only where its test failed and no finding of it tells why.
    """
    claims = {(test, alias) for test, alias, *_ in failed_claims(run)}

    def tone(row: Row) -> str:
        if fails(row) or (row.test, row.alias) in claims:
            return "bad"
        return "news" if is_news(row) else "good"

    return tone


@dataclass(frozen=True)
class RunVerdict:
    """The run in a line.

    Attributes:
        tone: ``bad``, ``news`` or ``good``.
        symbol: the same as a sign.
        word: the same as a word.
        sentence: what it comes to.
        further: what else counts, a sentence each.
    """

    tone: str
    symbol: str
    word: str
    sentence: str
    further: tuple[str, ...]


def verdict_on(run: Run) -> RunVerdict:
    """What a run, or the comparison of two states of baselines, comes to."""
    summary = summarise_run(run)
    if run.compared is not None:
        return _comparison(run)
    further = tuple(_further(run, summary))
    if further or summary.failing:
        nothing_found = not (summary.failing or summary.claims)
        word = "Incomplete" if nothing_found and not run.complete else "Failed"
        return RunVerdict("bad", "✗", word, _failing(summary), further)
    if run.exit_status == _NOTHING_RAN:
        return RunVerdict("news", "○", "Nothing ran", "There was no test to run.", ())
    news = news_in_words(run)
    if nothing_judged(run, summary):
        return RunVerdict("news", "○", "Nothing judged", _passing(run, news), further)
    return RunVerdict("news" if news else "good", "✓", "Passed", _passing(run, news), further)


def _failing(summary: Summary) -> str:
    if not summary.failing:
        if not summary.findings:
            return "No finding came out of this run."
        return f"No finding fails ({counted(summary.findings, 'finding')}), but the run does."
    return f"{summary.failing} of {counted(summary.findings, 'finding')} did not pass the gate."


def _passing(run: Run, news: list[str]) -> str:
    if not run.rows:
        return "No findings."
    if not news:
        return f"{counted(len(run.rows), 'finding')}, nothing that matters moved."
    return f"{'; '.join(filter(None, [', '.join(news), gate_lets_pass(run)]))}."


def _further(run: Run, summary: Summary) -> Iterator[str]:
    yield from (f"{clause}." for clause in summary.failures)
    how = ended(run, summary)
    if how:
        yield f"{how}."


def _comparison(run: Run) -> RunVerdict:
    if not run.rows:
        return RunVerdict("good", "✓", "No changes", "The baselines say the same.", ())
    worse = any(map(fails, run.rows))
    sentence = f"{counted(len(run.rows), 'finding')} changed."
    return RunVerdict("bad" if worse else "news", "≠", "Changed", sentence, ())


def facts(run: Run) -> list[tuple[str, str]]:
    """What the verdict rests on."""
    if run.compared is not None:
        return [("The same in a terminal", compare(run))]
    told = [("Gate", f"{run.gate}: {_GATES[Gate(run.gate)]}" if run.gate in _GATES else run.gate)]
    summary = summarise_run(run)
    if judged := judged_in_words(run, summary):
        told.append(("Judged", judged))
    if summary.remembered:
        told.append(("Remembered", remembered(summary)))
    if run.options:
        told.append(("Options", " ".join(run.options)))
    return told


@dataclass(frozen=True)
class ModelView:
    """A model of the run.

    Attributes:
        alias: its alias.
        source: its source.
        declared: whether it owns baselines.
        words: whose baselines served, and how far changes reach.
        moved: whether the whole model moved.
        failing: how many of its findings fail.
        findings: how many it has.
    """

    alias: str
    source: str
    declared: bool
    words: list[str]
    moved: bool
    failing: int
    findings: int


def models(run: Run) -> list[ModelView]:
    """The models, in the run's order."""
    return [_model(run, model) for model in run.models]


def _model(run: Run, model: Model) -> ModelView:
    rows = run.of(model)
    canary = canary_of(rows)
    return ModelView(
        model.alias,
        model.source,
        model.declared,
        [fact for line in model_facts(model, rows) for fact in line] or _own(model, rows),
        canary is not None and canary.scope is Scope.WHOLE_MODEL,
        sum(map(fails, rows)),
        len(rows),
    )


def _own(model: Model, rows: list[Row]) -> list[str]:
    return ["held against its own baselines"] if any(r.owner == model.alias for r in rows) else []
