"""Several reports as one: the shards of a run put together, models of several runs side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_circuits.baselines.codec import dumps
from pytest_circuits.report.json_document import document, json_report
from pytest_circuits.report.run import FailedTest, nodeid, test_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_circuits.report.run import Model, Run

    #: The node id of a test, without its model's alias, and the alias.
    Place = tuple[str, str]

#: pytest's exit statuses, the best first: no tests, passed, failed, interrupted, called wrongly,
#: broken. Those of plugins are worse than any of them, and having none is worst.
_STATUSES = (5, 0, 1, 2, 4, 3)


class MergeError(Exception):
    """Reports can't be put together; the message names them, and says what to do."""


def renamed(run: Run, alias: str) -> Run:
    """The run with another name for its only model.

    The new name is one of the report alone: baselines stay those of the old one, and nothing can
    be approved for it.

    Raises:
        MergeError: if the run has another number of models.
    """
    if len(run.models) != 1:
        aliases = ", ".join(model.alias for model in run.models) or "none"
        raise MergeError(
            f"{alias}=FILE renames a report's only model, and this one has {len(run.models)} "
            f"({aliases})"
        )
    (model,) = run.models
    if alias == model.alias:
        return run
    return replace(
        run,
        models=(replace(model, alias=alias, declared=False),),
        rows=tuple(replace(row, alias=alias, test=nodeid(test_of(row), alias)) for row in run.rows),
        failed=tuple(
            each._replace(alias=alias, test=nodeid(test_of(each), alias)) if each.alias else each
            for each in run.failed
        ),
        unfinished=tuple(
            nodeid(test_of(FailedTest(each, model.alias)), alias) for each in run.unfinished
        ),
    )


def merge(runs: Sequence[tuple[str, Run]]) -> Run:
    """Several runs as one.

    Tests of one model that were spread over several runs come together, and models of several
    runs stand side by side. A test that several reports tell the same of counts once.

    Args:
        runs: the runs in the order of their models, each with what a message calls it.

    Raises:
        MergeError: if two say different things of the same.
    """
    runs = _different(runs)
    _, first = runs[0]
    for name, run in runs[1:]:
        _check_alike(runs[0], (name, run))
    common = [each for each in first.options if all(each in run.options for _, run in runs)]
    models: dict[str, tuple[str, Model]] = {}
    told: dict[Place, tuple[str, str]] = {}
    rows, failed = [], []
    for name, run in runs:
        for model in run.models:
            own = (*(each for each in run.options if each not in common), *model.options)
            _add_model(models, name, replace(model, options=own))
        facts = _facts(run)
        again = {place for place, fact in facts.items() if _known(told, name, place, fact)}
        told |= {place: (name, fact) for place, fact in facts.items() if place not in again}
        rows += [row for row in run.rows if (test_of(row), row.alias) not in again]
        failed += [each for each in run.failed if (test_of(each), each.alias) not in again]
    return replace(
        first,
        models=tuple(model for _, model in models.values()),
        rows=tuple(rows),
        failed=tuple(failed),
        unfinished=tuple(dict.fromkeys(each for _, run in runs for each in run.unfinished)),
        exit_status=max((run.exit_status for _, run in runs), key=_badness),
        options=tuple(common),
        root=first.root,
    )


def _different(runs: Sequence[tuple[str, Run]]) -> list[tuple[str, Run]]:
    """Every run once, also if a report was copied."""
    once = {json_report(run): (name, run) for name, run in reversed(runs)}
    return list(reversed(once.values()))


def _check_alike(one: tuple[str, Run], other: tuple[str, Run]) -> None:
    """Take it that the verdicts of two runs mean the same.

    Raises:
        MergeError: if they don't.
    """
    (first, before), (second, now) = one, other
    if before.compared != now.compared:
        raise MergeError(
            f"{first} tells of {_subject(before)}, and {second} of {_subject(now)}: "
            f"render them one by one"
        )
    if before.gate != now.gate:
        raise MergeError(
            f"{first} has gate {before.gate}, and {second} has gate {now.gate}: "
            f"render them one by one, or run one of them again"
        )


def _subject(run: Run) -> str:
    if run.compared is None:
        return "a run"
    return f"what changed between {run.compared[0]} and {run.compared[1]}"


def _add_model(models: dict[str, tuple[str, Model]], name: str, model: Model) -> None:
    other, known = models.setdefault(model.alias, (name, model))
    if known == model:
        return
    if known.source != model.source:
        what = f"{known.source!r} in {other} and {model.source!r} in {name}"
    elif known.owners != model.owners:
        what = (
            f"held against {_several(known.owners)} in {other} and against "
            f"{_several(model.owners)} in {name}"
        )
    elif known.options != model.options:
        what = (
            f"measured with {_several(known.options)} in {other} and with "
            f"{_several(model.options)} in {name}"
        )
    else:
        owner, candidate = (other, name) if known.declared else (name, other)
        what = f"one that is declared in {owner}, and none in {candidate}"
    raise MergeError(
        f"{model.alias!r} is {what}.\nGive it another name in one of them: {_way_out(name)}"
    )


def _several(words: Iterable[str]) -> str:
    return ", ".join(words) or "nothing else"


def _way_out(name: str) -> str:
    return f"ALIAS={name}"


def _facts(run: Run) -> dict[Place, str]:
    """All that a run tells of each test on each model, as text."""
    facts: dict[Place, list[Any]] = {}
    written: Any = document(run)
    for test in written["tests"]:
        for alias, verdict in test["verdicts"].items():
            del verdict["remembered"]  # which says nothing of what was found
            facts.setdefault((test["test"], alias), []).append(
                [test["name"], test["measure"], verdict]
            )
    for each in sorted(run.failed, key=_message):
        facts.setdefault((test_of(each), each.alias), []).append([each.message, each.line])
    return {place: dumps(fact) for place, fact in facts.items()}


def _message(failed: FailedTest) -> str:
    return failed.message


def _known(told: Mapping[Place, tuple[str, str]], name: str, place: Place, fact: str) -> bool:
    """Whether another report told the same of a test.

    Raises:
        MergeError: if one told something else.
    """
    if place not in told:
        return False
    other, before = told[place]
    if before == fact:
        return True
    test, alias = place
    raise MergeError(
        f"{test} on {alias or 'no model'} is one thing in {other} and another in {name}.\n"
        f"If they measured different models, give one of them another name: {_way_out(name)}"
    )


def _badness(status: int | None) -> tuple[int, int]:
    if status is None:
        return len(_STATUSES) + 1, 0
    return (_STATUSES.index(status) if status in _STATUSES else len(_STATUSES)), status
