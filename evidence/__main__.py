"""``python -m evidence train``, ``truth``, ``judge``, ``status``: each goes on where it stopped."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from evidence.labels import damage, label
from evidence.models import BASES
from evidence.recipes import all_cases
from evidence.storage import cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidence.cases import Case


def main() -> None:
    """Run a command on the cases of one base model or of all."""
    parser = argparse.ArgumentParser(prog="python -m evidence", description=__doc__)
    parser.add_argument("command", choices=sorted([*_COMMANDS, "judge"]))
    parser.add_argument("--model", choices=sorted(BASES), help="one base model alone")
    parser.add_argument("--only", metavar="NAME", help="cases whose name begins so")
    asked = parser.parse_args()
    for base in [asked.model] if asked.model else BASES:
        if asked.command == "judge":
            _judge(base, asked.only or "")
            continue
        cases = [case for case in all_cases(base) if case.name.startswith(asked.only or "")]
        if not cases:
            parser.error(f"{base} has no case whose name begins with {asked.only!r}")
        _COMMANDS[asked.command](base, cases)


def _train(base: str, cases: Sequence[Case]) -> None:
    from evidence.training import train

    BASES[base].folder()
    for case in cases:
        if case.recipe is not None and not case.recipe.folder().exists():
            print(f"{base} {case.name}", end=" ", flush=True)
            record = json.loads((train(case.recipe) / "record.json").read_text("utf-8"))
            ends = record["losses"][0], record["losses"][-1]
            print(f"{record['seconds']} s, loss {ends[0]} to {ends[1]}", flush=True)


def _truth(base: str, cases: Sequence[Case]) -> None:
    from evidence.truth import of, reference

    reference(base)
    for case in cases:
        if case.recipe is None or case.recipe.folder().exists():
            print(f"{base} {case.name} {_words(of(case), base)}", flush=True)
        else:
            print(f"{base} {case.name} is not trained yet", flush=True)


def _status(base: str, cases: Sequence[Case]) -> None:
    from evidence.truth import place

    for case in cases:
        recipe, known = case.recipe, place(case)
        done = recipe is None or recipe.folder().exists()
        said = _words(json.loads(known.read_text("utf-8")), base) if known.exists() else "no truth"
        print(f"{base} {case.name}: {'trained' if done else 'not trained'}, {said}")
    records = [
        json.loads(path.read_text()) for path in cache_folder("trained").rglob("record.json")
    ]
    took, size = (sum(record[name] for record in records) for name in ("seconds", "bytes"))
    print(f"{len(records)} trained, in {took / 60:.0f} minutes; {size / 1e9:.1f} GB")


def _judge(base: str, begins: str) -> None:
    from evidence.entries import entries

    for entry in entries(base, begins):
        said = ", ".join(who for who, red in entry.red.items() if red) or "green"
        print(f"{base} {entry.case}: {entry.truth} ({entry.why}); {said}", flush=True)


def _words(truth: dict[str, Any], base: str) -> str:
    from evidence.truth import reference

    moved = damage(reference(base), truth)
    return f"{label(reference(base), truth)}: " + ", ".join(
        f"{name} {value:+.3f}" for name, value in moved.items()
    )


_COMMANDS = {"train": _train, "truth": _truth, "status": _status}

if __name__ == "__main__":
    main()
