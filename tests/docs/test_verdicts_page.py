"""What docs/verdicts.md says of verdicts is what the code does."""

import re
from pathlib import Path

import numpy as np
import pytest

from pytest_circuits import measures
from pytest_circuits.findings import Behaviour, Direction, Finding
from pytest_circuits.verdicts import SEVERITY, Allowance, Gate, default_tolerance, passes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/verdicts.md").read_text(encoding="utf-8")


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


def tolerance(measure="mine", unit="logits", axes=("head",), companion="mine"):
    """The default tolerance of a finding of that measure with that companion."""
    behaviour = Behaviour(companion, 1.0, 0.1, 5, Direction.HIGHER, unit)
    values = np.ones([1] * len(axes))
    finding = Finding(
        measure, "value", unit, Direction.HIGHER, axes, values, values, 5, 5, {}, {},
        companion=(behaviour,),
    )  # fmt: skip
    return default_tolerance(finding)


#: By the table's words, the measures whose values have that tolerance.
MEASURES = {
    "a head's value, a cell": (
        "attention_between",
        "attention_scores",
        "current_token_scores",
        "duplicate_token_scores",
        "first_token_scores",
        "head_attribution",
        "induction_scores",
        "patch",
        "previous_token_scores",
    ),
    "a part's attribution (`component_attribution`)": ("component_attribution",),
    "a copying score": ("copying_scores",),
    "harm of an ablation": ("ablate",),
    "faithfulness, completeness, minimality": ("faithfulness", "completeness", "minimality"),
    "logit difference, its gap, a layer's (`logit_lens`)": ("logit_diff", "logit_lens"),
    "repeat loss, repeat gain": ("repeat_loss",),
    "accuracy, top-k accuracy": ("accuracy", "top_k_accuracy"),
    "answer's probability": ("answer_probability",),
    "KL divergence": ("kl_divergence",),
    "loss on a text": ("text_loss",),
}
#: The same of companion behaviours.
BEHAVIOURS = {
    "logit difference, its gap, a layer's (`logit_lens`)": (
        "logit_diff",
        "logit_diff_gap",
        "clean_logit_diff",
    ),
    "repeat loss, repeat gain": ("repeat_loss", "repeat_gain"),
    "repeat accuracy": ("repeat_accuracy",),
    "accuracy, top-k accuracy": ("accuracy", "top_k_accuracy"),
    "another behaviour": ("politeness",),
}


def test_the_default_tolerances_are_those_of_the_code():
    rows = {row[0]: Allowance(float(row[1]), float(row[2].split()[0])) for row in table("of")}

    for label, names in MEASURES.items():
        for name in names:
            assert tolerance(name).value == rows[label], name
    for label, names in BEHAVIOURS.items():
        for name in names:
            assert tolerance(companion=name).behaviours[name] == rows[label], name
    share = tolerance(unit="probability", companion="politeness").behaviours["politeness"]
    assert rows["another behaviour that is a share or a probability"] == share
    assert rows["a rank (`logit_lens`)"] == tolerance("logit_lens", unit="rank").value
    assert rows["a role's summed strength"] == tolerance().role
    assert f"{tolerance().top:g} of the strongest" in PAGE
    assert tolerance("logit_lens", unit="rank").top == 0


def test_every_measure_has_its_row():
    unjudged = {"canary", "ablated", "attribution_patching"}
    assert {name for names in MEASURES.values() for name in names} == (
        set(measures.__all__) - unjudged
    )


def test_the_warning_looks_as_shown():
    shown = re.search(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]
    test = (ROOT / "tests/snapshots/test_too_few_prompts.py").read_text(encoding="utf-8")
    pieces = re.findall(r'^ +"(.*)"$', test, re.MULTILINE)
    assert " ".join(shown.split()) in "".join(pieces)


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
    assert (ROOT / "docs" / target).exists()
