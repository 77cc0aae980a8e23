"""Train, measure, judge and tabulate; each goes on where it stopped.

    python -m evidence [train | truth | hidden | judge | table]
    python -m evidence [check | status | harness]
    python -m evidence before --checkout FOLDER

Without a command all of the first in this order. ``table``, always of all cases, writes
``results.json`` and the tables of ``docs/evidence.md``; ``check`` does what is not done yet, says
where verdicts or truths differ from what is committed there, and fails if any does. ``harness``
needs lm-eval, which isn't installed with the tests (``harness.py``); ``before`` needs a checkout of
an older commit (``before.py``).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evidence.labels import damage, label
from evidence.models import BASES
from evidence.recipes import all_cases
from evidence.storage import cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidence.cases import Case
    from evidence.table import Entry


def main() -> None:
    """Run a command on the cases of one base model or of all."""
    parser = argparse.ArgumentParser(
        prog="python -m evidence",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole = {"table": _table, "check": _check}
    commands = [*_COMMANDS, *whole, "status", "harness", "before"]
    parser.add_argument(
        "command", choices=commands, nargs="?", help="unless given, all up to table"
    )
    parser.add_argument("--model", choices=sorted(BASES), help="one base model alone")
    parser.add_argument("--only", metavar="NAME", default="", help="cases whose name begins so")
    parser.add_argument("--checkout", type=Path, help="an older commit of pytest-circuits")
    asked = parser.parse_args()
    if (asked.model or asked.only) and asked.command in (None, "before", *whole):
        parser.error("the table has all cases: --model and --only go with another command")
    if (asked.command == "before") != (asked.checkout is not None):
        parser.error("before and --checkout go together")
    bases = [asked.model] if asked.model else [*BASES]
    for command in [asked.command] if asked.command else [*_COMMANDS, "table"]:
        if command == "harness":
            from evidence import harness

            harness.run(asked.only)
            continue
        if command == "before":
            from evidence import before

            before.run(asked.checkout)
            continue
        if command in whole:
            whole[command]()
            continue
        for base in bases:
            {**_COMMANDS, "status": _status}[command](base, asked.only)


def _cases(base: str, begins: str) -> Sequence[Case]:
    return [case for case in all_cases(base) if case.name.startswith(begins)]


def _train(base: str, begins: str) -> None:
    from evidence.training import train

    BASES[base].folder()
    for case in _cases(base, begins):
        if case.recipe is not None and not case.recipe.folder().exists():
            print(f"{base} {case.name}", end=" ", flush=True)
            record = json.loads((train(case.recipe) / "record.json").read_text("utf-8"))
            ends = record["losses"][0], record["losses"][-1]
            print(f"{record['seconds']} s, loss {ends[0]} to {ends[1]}", flush=True)


def _truth(base: str, begins: str) -> None:
    from evidence.truth import of, reference

    reference(base)
    for case in _cases(base, begins):
        if case.recipe is None or case.recipe.folder().exists():
            print(f"{base} {case.name} {_words(of(case), base)}", flush=True)
        else:
            print(f"{base} {case.name} is not trained yet", flush=True)


def _hidden(base: str, begins: str) -> None:
    from evidence import hidden, hidden_further, hidden_run

    for case in hidden.all_cases(base):
        if case.name.startswith(begins):
            print(f"{base} {hidden_run.line(case, hidden_run.of(case))}", flush=True)
            print(f"  after a further fine-tune: {hidden_further.of(case)}", flush=True)


def _judge(base: str, begins: str) -> None:
    from evidence.entries import entries

    for entry in entries(base, begins):
        said = ", ".join(who for who, red in entry.red.items() if red) or "green"
        print(f"{base} {entry.case}: {entry.truth} ({entry.why}); {said}", flush=True)


def _every() -> list[Entry]:
    from evidence.entries import entries, with_divergences

    return with_divergences([entry for base in BASES for entry in entries(base)])


def _table() -> None:
    from evidence import page, table

    every = _every()
    table.write(every)
    page.write(table.read())
    print(f"{len(every)} cases in {table.RESULTS.name} and {page.PAGE.name}")


def _check() -> None:
    from evidence import table

    for base in BASES:
        for command in _COMMANDS.values():
            command(base, "")
    every = _every()
    differing = table.differing(table.read(), every)
    print("\n".join(differing) or f"{len(every)} cases as committed")
    if differing:
        raise SystemExit(1)


def _status(base: str, begins: str) -> None:
    from evidence import hidden, hidden_run
    from evidence.truth import place

    for case in _cases(base, begins):
        recipe, known = case.recipe, place(case)
        done = recipe is None or recipe.folder().exists()
        said = _words(json.loads(known.read_text("utf-8")), base) if known.exists() else "no truth"
        print(f"{base} {case.name}: {'trained' if done else 'not trained'}, {said}")
    for built in hidden.all_cases(base):
        if built.name.startswith(begins):
            there = hidden_run.truth_file(built).exists()
            said = hidden_run.line(built, hidden_run.of(built)) if there else built.name
            print(f"{base} {said}{'' if there else ' is to do'}")
    records = [
        json.loads(path.read_text()) for path in cache_folder("trained", base).rglob("record.json")
    ]
    took, size = (sum(record[name] for record in records) for name in ("seconds", "bytes"))
    print(f"{base}: {len(records)} trained, in {took / 60:.0f} minutes; {size / 1e9:.1f} GB")


def _words(truth: dict[str, Any], base: str) -> str:
    from evidence.truth import reference

    moved = damage(reference(base), truth)
    return f"{label(reference(base), truth)}: " + ", ".join(
        f"{name} {value:+.3f}" for name, value in moved.items()
    )


#: What is done with the cases of a base model, in this order.
_COMMANDS = {"train": _train, "truth": _truth, "hidden": _hidden, "judge": _judge}

if __name__ == "__main__":
    main()
