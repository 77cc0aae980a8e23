"""Write the table of all measures in docs/measures.md anew, from what they find.

    python scripts/measures_table.py

What a row says is read off a measure's first finding among the examples of the page; a measure
that has no example there yet is run on the page's prompts.
"""

from __future__ import annotations

import doctest
import inspect
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest_circuits
from pytest_circuits import measures
from pytest_circuits.assertions.thresholds import TAKEN
from pytest_circuits.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PAGE = Path(__file__).parents[1] / "docs/measures.md"
HEAD = "| measure | values | unit | better | companion | held by |\n|---|---|---|---|---|---|\n"
#: What a claim is made with that is to be taken, whether it holds or not.
_CLAIMED = {"at_least": 0.0, "at_most": 0.0, "from_layer": 0}


def first_findings(page: str) -> dict[str, Finding]:
    """The first finding of every measure among a page's examples, or on its prompts."""
    found: dict[str, Finding] = {}

    def recording(name: str, measure: Callable[..., Any]) -> Callable[..., Any]:
        def record(*arguments: object, **options: object) -> object:
            result = measure(*arguments, **options)
            if isinstance(result, Finding):
                found.setdefault(name, result)
            return result

        return record

    blocks = re.findall(r"^```pycon\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
    with ExitStack() as patched:
        for name in measures.__all__:
            record = recording(name, getattr(measures, name))
            patched.enter_context(mock.patch.object(measures, name, record))
        for block in blocks:
            case = parser.get_doctest(block, names, "measures", PAGE.name, 0)
            runner.run(case, out=lambda _: None, clear_globs=False)
            names = case.globs
    for name in set(measures.__all__) - set(found):
        result = _on_prompts(getattr(measures, name), names["bridge"], names["PHRASES"])
        if isinstance(result, Finding):
            found[name] = result
    return found


def _on_prompts(measure: Callable[..., Any], bridge: object, pairs: object) -> object:
    """What a measure finds that takes nothing but a model, or a model and pairs; None otherwise."""
    _, *others = inspect.signature(measure).parameters.values()
    needed = [one for one in others if one.default is one.empty]
    if not needed:
        return measure(bridge)
    return measure(bridge, pairs) if [one.name for one in needed] == ["pairs"] else None


def table(found: Mapping[str, Finding], page: str) -> str:
    """The table, with a row for each finding in the order of the register."""
    labels = dict(_companions(page))
    rows = []
    for name in measures.__all__:
        if name in found:
            finding = found[name]
            beside = tuple(one.name for one in finding.companion)
            cells = [
                f"`{name}`",
                " × ".join(finding.axes) or "one number",
                finding.unit,
                finding.direction.value,
                labels.get(beside, ", ".join(beside)),
                "none: a screen" if finding.screen else _held_by(finding),
            ]
            rows.append("".join(f"| {cell} " if cell else "| " for cell in cells) + "|\n")
    return HEAD + "".join(rows)


def _companions(page: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """What the page calls behaviours that stand together, by their names."""
    start = page.index("\n| companion |") + 1
    for row in page[start:].split("\n\n", maxsplit=1)[0].splitlines()[2:]:
        label, words = row.strip("|").split("|")
        yield tuple(re.findall(r"`(\w+)`", words)), label.strip()


def _held_by(finding: Finding) -> str:
    """The assertions that are made for such a finding, or else those that take any of its shape."""
    helpers = [name for name in pytest_circuits.__all__ if name.startswith("assert_")]
    held = [name for name in helpers if _takes(name, finding)]
    own = [name for name in TAKEN if name in held]
    return ", ".join(f"`{name}`" for name in own or held)


def _takes(helper: str, finding: Finding) -> bool:
    assertion = getattr(pytest_circuits, helper)
    claimed: dict[str, object] = {**_CLAIMED, "top": [*finding.cells()][:1] if finding.axes else []}
    _, *others = inspect.signature(assertion).parameters.values()
    asked = {one.name: claimed[one.name] for one in others if one.default is one.empty}
    try:
        assertion(finding, **asked)
    except TypeError:
        return False
    except (AssertionError, ValueError):
        return True
    return True


def renewed(page: str) -> str:
    """The page with its table as it has to be."""
    start = page.index(HEAD)
    end = page.index("\n\n", start) + 1
    return page[:start] + table(first_findings(page), page) + page[end:]


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
