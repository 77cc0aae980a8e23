"""A plain pytest run with this plugin installed pays (almost) nothing for it."""

import statistics

import pytest
from circuit_suites import QUIET, counts, in_fresh_python

MODULE = """
from pytest_circuits import assert_induction_score, prompts

PAIRS = prompts.PromptPairs(["dog star dog"], ["dog cat dog"], ["star"], ["cat"])
REPEATED = prompts.repeated_tokens(batch=4)


def test_plain():
    pass


def test_heads(circuits, circuit_snapshot):
    scores = circuits.induction_scores()
    assert scores == circuit_snapshot
    assert_induction_score(scores, at_least=0.9)
"""
WRITES_MODULES = """
import pathlib
import sys


def pytest_unconfigure():
    pathlib.Path("modules.txt").write_text("\\n".join(sorted(sys.modules)))
"""


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        pytest.param((), {"torch", "transformer_lens", "plotly", "transformers"}, id="as it is"),
        pytest.param(
            (*QUIET, "-p", "no:syrupy"),
            {"torch", "transformer_lens", "plotly", "transformers", "syrupy", "numpy"},
            id="without the others' plugins",
        ),
    ],
)
def test_a_plain_run_imports_nothing_heavy(suite, arguments, absent):
    suite.write("conftest.py", WRITES_MODULES)
    suite.write("test_heads.py", MODULE)
    result = suite.pytester.runpytest_subprocess(*arguments)
    assert (result.ret, counts(result)) == (0, {"passed": 1, "skipped": 1})
    modules = set((suite.path / "modules.txt").read_text().split())
    assert "pytest_circuits.plugin" in modules
    assert absent & modules == set()


def test_the_public_names_import_neither_numpy_nor_torch():
    code = """
import sys
from pytest_circuits import PromptPairs, assert_head_ranking, assert_induction_score
from pytest_circuits import assert_logit_diff_recovered, prompts
prompts.ioi(n=2)
print(sorted({"numpy", "torch", "transformer_lens", "syrupy"} & set(sys.modules)))
"""
    assert in_fresh_python(code) == "[]\n"


def test_every_public_name_is_there():
    code = """
import pytest_circuits
print([name for name in pytest_circuits.__all__ if getattr(pytest_circuits, name) is None])
print(sorted(set(pytest_circuits.__all__) - set(dir(pytest_circuits))))
try:
    pytest_circuits.nothing
except AttributeError as error:
    print(error)
"""
    assert in_fresh_python(code).splitlines() == [
        "[]",
        "[]",
        "module 'pytest_circuits' has no attribute 'nothing'",
    ]


def test_importing_the_plugin_costs_less_than_10_ms(tmp_path):
    code = """
import time
import pytest
start = time.process_time()
import pytest_circuits.plugin
print(time.process_time() - start)
"""
    # As for a user: compiled once, whatever the environment of these tests says about it.
    environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    in_fresh_python(code, **environment)
    seconds = [float(in_fresh_python(code, **environment)) for _ in range(5)]
    assert statistics.median(seconds) < 0.010, seconds
