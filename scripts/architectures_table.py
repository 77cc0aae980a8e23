"""Write what the documentation says of every architecture anew, from what comes of its measures.

    python scripts/architectures_table.py [specimen …]

In docs/architectures.md that is the table of architectures and measures, the list of refusals, and
the classes that are not measured. Every measure is run on a small model of each architecture, which
takes some minutes; of one that is neither right nor refused as tests/zoo/refusals.toml says nothing
is written. With names of specimens, only their rows are made anew.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/architectures.md"
#: What stands between two of these lines of the page is written here.
TABLE, REFUSALS, UNMEASURED, END = (
    f"<!-- {what}, by scripts/architectures_table.py -->\n"
    for what in ("the table", "the refusals", "what is not measured", "the end")
)


def outcomes(names: list[str]) -> dict[str, Any]:
    """What comes of each measure on these specimens, by name."""
    cases, zoo = import_module("zoo.cases"), import_module("zoo.outcomes")
    specimens = import_module("zoo.specimens").SPECIMENS
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        other = cases.Other(Path(folder, "other"))
        for name in names:
            stored = cases.store(specimens[name], Path(folder, name.replace("/", "-")))
            found[name] = zoo.outcomes_of(cases.Stored(specimens[name], stored, other))
    return found


def between(page: str, start: str, end: str, what: str) -> str:
    """The page with that between two of its lines."""
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{what}\n{end}{after}"


def rows_of(page: str) -> dict[str, str]:
    """The rows that the page has, by specimen."""
    written = page.partition(TABLE)[2].partition(REFUSALS)[0].splitlines(keepends=True)
    return {line.split(" | ")[1].strip(): line for line in written if line.startswith("| `")}


def renewed(page: str, names: list[str]) -> str:
    """The page with its tables, the rows of these specimens made anew.

    Raises:
        ValueError: if a measure is neither right nor refused for a known reason.
    """
    write = import_module("zoo.table")
    found = outcomes(names)
    surprises = import_module("zoo.expected").surprises
    odd = [f"{name}: {each}" for name in found for each in surprises(name, found[name])]
    if odd:
        raise ValueError("\n".join(["nothing is written:", *odd]))
    made = {name: write.row(name, found[name]) for name in found}
    rows = rows_of(page) | made
    specimens = import_module("zoo.specimens").SPECIMENS
    page = between(
        page,
        TABLE,
        REFUSALS,
        write.heading() + "".join(rows[name] for name in specimens if name in rows),
    )
    page = between(page, REFUSALS, UNMEASURED, f"## Refusals\n\n{write.refusals()}")
    return between(page, UNMEASURED, END, f"## What is not measured\n\n{write.unmeasured()}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    asked = sys.argv[1:] or list(import_module("zoo.specimens").SPECIMENS)
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), asked), encoding="utf-8")
