"""The documentation's table of architectures and measures, from what came of each."""

from __future__ import annotations

import string
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
#: What each reason means, by its name; in this order they have their letters.
MEANS = {
    "not hooked": "transformer-lens' adapter doesn't fit the model's config; loading refuses it",
    "heads not shown": "transformer-lens shows a layer's mixer as a whole, without heads",
    "heads not hooked": "transformer-lens shows attention patterns, and neither z nor queries",
    "stream not shown": "transformer-lens shows no hook point before or after some layer",
    "several streams": "there are several residual streams, which the model mixes",
    "MLPs not shown": "transformer-lens shows no MLPs, and no stream between them and attention",
    "mixer not shown": "transformer-lens doesn't show what comes before the MLP",
    "two at once": "attention and another mixer add to the stream together, at one place",
    "norm of the sum": "a norm follows the sum of stream and attention, so that nothing is added",
    "norm not shown": "a norm follows the attention, and transformer-lens doesn't show its scale",
    "values not shown": "a layer has another layer's keys and values",
    "gate or norm": "a gate or a norm comes between attention × values and the output projection",
    "norm over heads": "a norm over all heads comes after the last hook point, so that one head's "
    "patch would change others",
    "other parts": "the stream has other parts than embedding, attention, mixers and MLPs, or is "
    "scaled as a whole",
    "other end": "logits are read through more than a norm and the unembedding",
}


def heading() -> str:
    """The first two lines of the table."""
    head = [
        "architecture",
        "model",
        *(group.replace("attribution patching", "estimates") for group in COLUMNS),
    ]
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
    return f"[{_letter(refusal.name)}](#refusals)"


def _letter(name: str) -> str:
    """The letter of a reason in the table."""
    return string.ascii_lowercase[list(MEANS).index(name)]


def refusals() -> str:
    """Each reason for which measures are refused, what they say, and on which architectures."""
    lines = [_line(["", "because", "it says", "on"]), _line(["---"] * 4)]
    for name, why in MEANS.items():
        ours = [one for one in REFUSALS if one.name == name]
        texts = "; ".join(dict.fromkeys(f"“… {one.says} …”" for one in ours))
        models = dict.fromkeys(SPECIMENS[each].model for one in ours for each in one.specimens)
        lines.append(_line([_letter(name), why, texts, ", ".join(f"`{each}`" for each in models)]))
    return "".join(lines)


def unmeasured() -> str:
    """Classes that are refused when they are loaded, and those of which nothing is built."""
    without = ", ".join(f"`{name}`" for name in sorted(WITHOUT_ADAPTER))
    unbuilt = "".join(f"- `{name}`: {why}\n" for name, why in UNBUILT.items())
    return (
        f"Refused when they are loaded, since transformer-lens has no adapter for them: {without}."
        f"\n\nNot tried:\n\n{unbuilt}"
    )
