"""Write what the documentation says of every measure anew, from what they find.

    python scripts/measures_table.py

In docs/measures.md that is the table of all measures, and an example of each that has none by hand
there; in the README, a row for each that it does not name yet. What a row says is read off a
measure's first finding among the examples of the page, or else from one on the page's prompts.
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
from pytest_circuits.verdicts import default_tolerance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "docs/measures.md", ROOT / "README.md"
HEAD = (
    "| measure | values | unit | better | companion | tolerance | held by |\n"
    "|---|---|---|---|---|---|---|\n"
)
#: What stands between these two lines of the page is written here.
MARKS = (
    "<!-- what has no example above, by scripts/measures_table.py -->\n",
    "<!-- up to here -->\n",
)
#: What a claim is made with that is to be taken, whether it holds or not.
_CLAIMED = {"at_least": 0.0, "at_most": 0.0, "from_layer": 0}


def first_findings(page: str) -> tuple[dict[str, Finding], dict[str, Any]]:
    """The first finding of every measure among a page's examples, and the names these define."""
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
    return found, names


def example(name: str, found: dict[str, Finding], names: Mapping[str, Any]) -> str:
    """An example of a measure that takes a model, or a model and pairs, on the page's prompts.

    Its finding is put among those found. Of anything else there is no example.
    """
    measure = getattr(measures, name)
    _, *others = inspect.signature(measure).parameters.values()
    needed = [one.name for one in others if one.default is one.empty]
    if needed not in ([], ["pairs"]):
        return ""
    finding = measure(names["bridge"], names["PHRASES"]) if needed else measure(names["bridge"])
    if not isinstance(finding, Finding):
        return ""
    found[name] = finding
    call = f"measures.{name}({'bridge, PHRASES' if needed else 'bridge'})"
    return f"`{name}`: {summary(name)}\n\n```pycon\n>>> print({call})\n{finding}\n```\n\n"


def summary(name: str) -> str:
    """The first paragraph of the measure's docstring, in one line."""
    words = inspect.getdoc(getattr(measures, name)) or ""
    return " ".join(words.split("\n\n", maxsplit=1)[0].split()).replace("``", "`")


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
                "" if finding.screen else _tolerance(finding),
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


def _tolerance(finding: Finding) -> str:
    """What a value of the finding may differ by where its baseline does not say otherwise."""
    allowance = default_tolerance(finding).value
    share = f" or {100 * allowance.share:g} %" if allowance.share else ""
    return f"{allowance.floor:g}{share}"


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
    """The page with its table, and the examples of measures that have none by hand."""
    before, _, after = page.partition(MARKS[0])
    after = after.partition(MARKS[1])[2]
    found, names = first_findings(before + after)
    missing = [name for name in measures.__all__ if name not in found]
    more = "".join(example(name, found, names) for name in missing)
    section = f"## More measures\n\n{more}" if more else ""
    start = before.index(HEAD)
    end = before.index("\n\n", start) + 1
    written = before[:start] + table(found, before) + before[end:]
    return written + MARKS[0] + "\n" + section + MARKS[1] + after


def listed(readme: str) -> str:
    """The README with a row for each measure that it does not name."""
    end = readme.index("\n\n[docs/measures.md]")
    rows = [
        f"\n| `{name}` | {summary(name).rstrip('.')} |"
        for name in measures.__all__
        if name != "canary" and f"`{name}`" not in readme
    ]
    return readme[:end] + "".join(rows) + readme[end:]


if __name__ == "__main__":
    for path, write in ((PAGE, renewed), (README, listed)):
        path.write_text(write(path.read_text(encoding="utf-8")), encoding="utf-8")
