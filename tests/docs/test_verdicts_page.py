"""What docs/verdicts.md says of verdicts is what the code does."""

import re
from pathlib import Path

import numpy as np
import pytest

from pytest_circuits.findings import Behaviour, Direction, Finding
from pytest_circuits.verdicts import SEVERITY, Allowance, Gate, default_tolerance, passes

PAGE = (Path(__file__).parents[2] / "docs/verdicts.md").read_text(encoding="utf-8")


def table(first):
    """The rows of the table whose header begins with that word."""
    start = PAGE.index(f"| {first} |")
    rows = PAGE[start:].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def python(containing):
    (found,) = [
        text
        for text in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        if containing in text
    ]
    return found


def test_every_verdict_is_there_with_what_the_gate_makes_of_it():
    rows = {row[0]: row[2] for row in table("verdict")}
    assert set(rows) == set(SEVERITY)
    for kind in SEVERITY:
        assert rows[kind].startswith(
            "passes" if passes(kind, Gate.REGRESSION, in_ci=False) else "fails"
        )


def test_the_default_tolerances_are_those_of_the_code():
    rows = {row[0]: Allowance(float(row[1]), float(row[2].split()[0])) for row in table("of")}

    def of_behaviour(name):
        behaviour = Behaviour(name, 1.0, 0.1, 5, Direction.HIGHER, "logits")
        finding = Finding(
            "mine", "value", "logits", Direction.HIGHER, ("head",), np.ones(1), np.ones(1), 5, 5,
            {}, {}, companion=(behaviour,),
        )  # fmt: skip
        return default_tolerance(finding).behaviours[name], default_tolerance(finding)

    _, tolerance = of_behaviour("logit_diff")
    assert rows["a head's value, a cell"] == tolerance.value
    assert f"{tolerance.top:g} of the strongest" in PAGE
    assert rows["a role's summed strength"] == tolerance.role
    for label, names in {
        "logit difference, its gap": ("logit_diff", "logit_diff_gap", "clean_logit_diff"),
        "repeat loss, repeat gain": ("repeat_loss", "repeat_gain"),
        "repeat accuracy": ("repeat_accuracy",),
        "accuracy": ("accuracy",),
        "another behaviour": ("politeness",),
    }.items():
        for name in names:
            assert of_behaviour(name)[0] == rows[label], name


def test_the_waiver_is_one(one_test):
    one_test.write("test_heads.py", python("accept="))
    assert one_test.run("--circuits").ret == 0


def test_the_hook_gets_every_reason(one_test, capsys):
    from circuit_suites import edit_baseline

    def change(document):
        document["values"][1][0] += 0.3

    edit_baseline(one_test.baseline, change)
    one_test.write("conftest.py", python("pytest_circuits_verdict"))
    result = one_test.run("--circuits", "-s")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*test_heads[[]recall] weakened L1H0 1.2* 0.99* 0.1*"])


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)", PAGE))
def test_links_lead_somewhere(target):
    assert (Path(__file__).parents[2] / "docs" / target).exists()
