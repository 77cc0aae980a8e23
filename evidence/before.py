"""What an older commit of pytest-circuits says of the same cases.

``python -m evidence before --checkout FOLDER`` runs the suite on each case with the code of another
checkout, which ``git worktree add FOLDER f06d257`` makes. Its baselines are its own, as an older
commit measures some things otherwise. Whether each run failed is written beside the table, and the
page counts it.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evidence import hidden, recipes
from evidence.judging import Judge
from evidence.models import BASES
from evidence.table import MODELS, ORIGINS, errors, in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidence.table import Entry

RESULTS = Path(__file__).parent / "before.json"
_COLUMN = "suite, before"


def run(checkout: Path) -> None:
    """Run each case that there is, and write which runs failed."""
    git = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    failed: dict[str, dict[str, bool]] = {}
    for base in BASES:
        both = Judge(base, checkout=checkout)
        failed[base] = {case.name: both.fails(case) for case in recipes.all_cases(base)}
        for case in hidden.all_cases(base):
            failed[base][case.name] = Judge(base, case.order, checkout).fails(case)
    text = json.dumps({"commit": commit, "failed": failed}, indent=1)
    RESULTS.write_text(f"{text}\n", "utf-8")


def counts(entries: Sequence[Entry]) -> list[str]:
    """A markdown table: errors of the older commit and today's, on the cases that both judged."""
    before = json.loads(RESULTS.read_text("utf-8"))
    head = f"at {before['commit']}"
    lines = [
        f"| | harmful, and passed: {head} | now | benign, and failed: {head} | now |",
        "|---|---|---|---|---|",
    ]
    for origin, words in ORIGINS.items():
        for model, failed in before["failed"].items():
            some = [
                replace(entry, red={**entry.red, _COLUMN: failed[entry.case]})
                for entry in entries
                if entry.model == model and entry.kind.startswith(origin) and entry.case in failed
            ]
            if not some:
                continue
            (missed, alarms), (now_missed, now_alarms) = (
                (found.missed, found.alarms)
                for found in (errors(some, column) for column in (_COLUMN, "suite"))
            )
            cells = map(in_words, (missed, now_missed, alarms, now_alarms))
            lines.append(f"| {words}, {MODELS[model]} | {' | '.join(cells)} |")
    return lines
