"""Suites that are run twice, and what their second run remembered of the first."""

from __future__ import annotations

import json

TEST = """
import json
import sys
from pathlib import Path

from pytest_circuits import PromptPairs

HERE = Path(__file__).parent


def test_asked(circuits):
    asked = json.loads((HERE / "asked.json").read_text())
    pairs = PromptPairs.from_json(HERE / "pairs.json")
    getattr(circuits, asked["measure"])(pairs, **asked["options"])
"""
PAIRS = [
    {"clean": "dog star dog", "corrupted": "dog cat dog", "answer": "star", "wrong_answer": "cat"},
    {
        "clean": "leaf cat leaf",
        "corrupted": "leaf dog leaf",
        "answer": "cat",
        "wrong_answer": "dog",
    },
]


def remembered(suite, *arguments, status=0):
    """Run a suite, and tell of each of its findings whether it was remembered."""
    path = suite.path / "report.json"
    path.unlink(missing_ok=True)
    result = suite.run("--circuits", f"--circuits-json={path}", *arguments)
    assert result.ret == status, result.stdout.str()
    tests = json.loads(path.read_text(encoding="utf-8"))["tests"]
    return [verdict["remembered"] for test in tests for verdict in test["verdicts"].values()]


def ask(suite, measure="logit_diff", **options):
    """Write what the only test of a suite measures, where no code of the suite has it."""
    suite.write("asked.json", json.dumps({"measure": measure, "options": options}))
