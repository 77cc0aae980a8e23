"""``docs/evidence.md``: its tables are written from the results, its words by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evidence import before, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAGE = Path(__file__).parents[1] / "docs" / "evidence.md"
_END = "<!-- end -->"


def blocks(entries: Sequence[table.Entry]) -> dict[str, str]:
    """The tables of the page, by the name in the comment before each."""
    found = {}
    for origin in table.ORIGINS:
        for model in table.MODELS:
            some = [e for e in entries if e.model == model and e.kind.startswith(origin)]
            made = {
                "counts": table.counts(some, table.COLUMNS),
                "settings": table.counts(some, table.SETTINGS),
                "kinds": table.by_kind(some),
            }
            for name, lines in made.items():
                found[f"{origin} {model} {name}"] = _lines(lines if some else ["Not judged yet."])
    found["before"] = _lines(before.counts(entries))
    found["further"] = _lines(table.further(entries))
    found["settlements"] = _lines(table.settlements(entries))
    found["seconds"] = _lines([*_seconds(entries)])
    return found


def filled(page: str, entries: Sequence[table.Entry]) -> str:
    """The page with its tables as the results have them."""
    for name, block in blocks(entries).items():
        begin = f"<!-- {name} -->\n"
        above, *after = page.split(begin)
        if len(after) != 1:
            raise ValueError(f"{PAGE.name} has {len(after)} tables called {name!r}, not one")
        page = f"{above}{begin}{block}{_END}{after[0].partition(_END)[2]}"
    return page


def write(entries: Sequence[table.Entry]) -> None:
    """Fill the page."""
    PAGE.write_text(filled(PAGE.read_text("utf-8"), entries), "utf-8")


def _seconds(entries: Sequence[table.Entry]) -> Iterator[str]:
    """What each took a checkpoint, in the mean."""
    yield f"| CPU seconds a checkpoint, in the mean | {' | '.join(table.MODELS.values())} |"
    yield f"|---|{'---|' * len(table.MODELS)}"
    for name, said in (
        ("suite", "the suite, with start-up, loading and new prompts where they are asked"),
        ("losses", "text and repeat loss, without start-up and loading, as below"),
        ("behaviours", "behaviours on new prompts"),
        ("divergences", "KL, both models"),
    ):
        means = []
        for model in table.MODELS:
            every = [entry.seconds[name] for entry in entries if entry.model == model]
            taken = [seconds for seconds in every if seconds is not None]
            means.append(f"{sum(taken) / len(taken):.0f}" if taken else "–")
        yield f"| {said} | {' | '.join(means)} |"


def _lines(lines: Sequence[str]) -> str:
    return "\n" + "\n".join(lines) + "\n\n"
