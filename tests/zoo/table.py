"""The documentation's table of architectures and measures, from what came of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.checks import CHECKS
from zoo.expected import REFUSALS, refusal_of
from zoo.others import UNBUILT, WITHOUT_ADAPTER
from zoo.specimens import SPECIMENS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.outcomes import Outcome

COLUMNS = tuple(dict.fromkeys(check.group for check in CHECKS.values()))
_RIGHT, _NONE = "✓", "–"


def heading() -> str:
    """The first two lines of the table."""
    head = ["architecture", "specimen", *COLUMNS]
    return _line(head) + _line(["---"] * len(head))


def row(name: str, outcomes: Mapping[str, Outcome]) -> str:
    """What came of the measures on a specimen.

    Raises:
        ValueError: if a measure is neither right nor refused for a known reason.
    """
    cells = [_cell(name, outcomes, group) for group in COLUMNS]
    return _line([f"`{SPECIMENS[name].model}`", name, *cells])


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _cell(name: str, outcomes: Mapping[str, Outcome], group: str) -> str:
    if "load" in outcomes:
        return _shown(name, "load", outcomes["load"])
    of_group = [measure for measure, check in CHECKS.items() if check.group == group]
    shown = dict.fromkeys(_shown(name, measure, outcomes[measure]) for measure in of_group)
    if len(shown) > 1:
        shown.pop(_NONE, None)
    return ", ".join(shown)


def _shown(name: str, measure: str, outcome: Outcome) -> str:
    if outcome.kind == "equal":
        return _RIGHT
    if outcome.kind == "refused" and not outcome.has:
        return _NONE
    refusal = refusal_of(name, measure)
    if outcome.kind != "refused" or refusal is None:
        raise ValueError(f"{name}, {measure}: {outcome}")
    return f"[{refusal.name}](#refusals)"


def refusals() -> str:
    """Each reason for which measures are refused, what they say, and on which architectures."""
    words: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for one in REFUSALS:
        says, models = words.setdefault(one.name, ({}, {}))
        says[one.says] = None
        models.update(dict.fromkeys(SPECIMENS[name].model for name in one.specimens))
    lines = [_line(["refusal", "it says", "on"]), _line(["---"] * 3)]
    for name, (says, models) in words.items():
        texts = "; ".join(f"“… {each} …”" for each in says)
        lines.append(_line([name, texts, ", ".join(f"`{each}`" for each in models)]))
    return "".join(lines)


def unmeasured() -> str:
    """Classes that are refused when they are loaded, and those of which nothing is built."""
    without = ", ".join(f"`{name}`" for name in sorted(WITHOUT_ADAPTER))
    unbuilt = "".join(f"- `{name}`: {why}\n" for name, why in UNBUILT.items())
    return (
        f"Refused when they are loaded, since transformer-lens has no adapter for them: {without}."
        f"\n\nNot tried:\n\n{unbuilt}"
    )
