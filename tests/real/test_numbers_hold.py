"""The real model's suite gives the same verdicts in another precision and with other threads."""

import json
import shutil
from pathlib import Path

import pytest
from circuit_suites import EXAMPLES, Suite

HOME = Path.home()

pytestmark = pytest.mark.real


@pytest.mark.parametrize(("dtype", "threads"), [("float32", "2"), ("bfloat16", "1")])
def test_every_finding_is_preserved(pytester, monkeypatch, dtype, threads):
    suite = Suite(pytester)
    shutil.copytree(EXAMPLES / "smollm2", suite.path, dirs_exist_ok=True)
    # The model lies there; pytester runs with another home.
    monkeypatch.setenv("HOME", str(HOME))
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    options = ("--circuits-fresh", f"--circuits-dtype={dtype}", "--circuits-json=report.json")
    result = suite.run_apart("--circuits", *options)
    assert result.ret == 0, result.stdout.str()
    tests = json.loads((suite.path / "report.json").read_text())["tests"]
    verdicts = [row["verdict"] for each in tests for row in each["verdicts"].values()]
    assert (verdicts.count("preserved"), verdicts.count("asserted"), len(verdicts)) == (10, 2, 12)
