"""What docs/verdicts.md says of verdicts is what the code does."""

import re
from pathlib import Path

import numpy as np
import pytest
from measured import allowance_of, allowance_of_harm, finding_of

from pytest_circuits import measures
from pytest_circuits.findings import Behaviour, Direction, Finding
from pytest_circuits.verdicts import (
    SEVERITY,
    Allowance,
    Gate,
    Verdict,
    default_tolerance,
    passes,
)

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
        verdict = Verdict(kind, (), "")
        assert rows[kind].startswith(
            "passes" if passes(verdict, Gate.REGRESSION, in_ci=False) else "fails"
        )


def tolerance(measure="mine", unit="logits", axes=("head",), companion="mine", **fields):
    """The default tolerance of a finding of that measure with that companion, which is 1."""
    behaviour = Behaviour(companion, 1.0, 0.1, 5, Direction.HIGHER, unit)
    values = np.ones([1] * len(axes))
    allowance = allowance_of(measure)
    if measure == "ablate":
        allowance = allowance_of_harm(unit, behaviour.value)
    elif unit == "rank":
        allowance = finding_of("logit_lens, rank").allowance
    finding = Finding(
        measure, "value", unit, Direction.HIGHER, axes, values, values, 5, 5, {}, {},
        companion=(behaviour,), allowance=allowance, **fields,
    )  # fmt: skip
    return default_tolerance(finding)


_LOGITS = "logit difference, its gap, a layer's (`logit_lens`), another behaviour in logits"
_COUNTED = "accuracy, top-k accuracy, another share of prompts"
_PROBABILITY = "answer's probability, another behaviour that is one"
_NATS = "KL divergence, another behaviour in nats"
#: By the table's words, measures whose values have that tolerance.
MEASURES = {
    "a head's value, a cell": (
        "attention_between",
        "attention_scores",
        "current_token_scores",
        "duplicate_token_scores",
        "first_token_scores",
        "induction_scores",
        "patch",
        "previous_token_scores",
    ),
    "a head's attribution (`head_attribution`)": ("head_attribution",),
    "a part's attribution (`component_attribution`)": ("component_attribution",),
    "a copying score": ("copying_scores",),
    "harm of an ablation, in logits": ("ablate",),
    "faithfulness, completeness, minimality": ("faithfulness", "completeness", "minimality"),
    _LOGITS: ("logit_diff", "logit_lens"),
    "repeat loss": ("repeat_loss",),
    _COUNTED: ("accuracy", "top_k_accuracy"),
    _PROBABILITY: ("answer_probability",),
    _NATS: ("kl_divergence",),
    "loss on a text": ("text_loss",),
}
#: The same of companion behaviours, with their unit.
BEHAVIOURS = {
    _LOGITS: ("logits", "logit_diff", "logit_diff_gap", "clean_logit_diff", "whole_model_gap"),
    "repeat loss": ("nats", "repeat_loss", "repeat_loss_second_seed"),
    "repeat gain": ("nats", "repeat_gain"),
    "repeat accuracy, another behaviour that is a share": (
        "share of tokens",
        "repeat_accuracy",
        "politeness",
    ),
    _COUNTED: ("share of prompts", "accuracy", "in_top_k", "politeness"),
    _PROBABILITY: ("probability", "clean_probability", "politeness"),
    _NATS: ("nats", "kl_gap", "politeness"),
    # All of what it is part of, which is 1.
    "another behaviour, by a metric of your own": ("units", "mine_gap"),
}


def test_the_default_tolerances_are_those_of_the_code():
    def first(text):
        return float(re.match(r"[0-9.]+", text)[0])

    # As above: what an allowance is of is 1.
    known = {row[0]: row[1:] for row in table("of")}
    rows = {
        label: Allowance(first(floor), 0.1 if share == "the same" else first(share), first(least))
        for label, (floor, share, least) in known.items()
        if label != "a role's summed strength"
    }

    for label, names in MEASURES.items():
        for name in names:
            assert tolerance(name).value == rows[label], name
    for label, (unit, *names) in BEHAVIOURS.items():
        for name in names:
            found = tolerance(unit=unit, companion=name, relative_to=name)
            assert found.behaviours[name] == rows[label], name
    own = "harm of an ablation, in probability or by a metric of your own"
    for unit, label in (
        ("nats", "harm of an ablation, in nats"),
        ("probability", own),
        ("units", own),
    ):
        assert rows[label] == tolerance("ablate", unit=unit).value
    assert set(known) == {
        *MEASURES,
        *BEHAVIOURS,
        "harm of an ablation, in nats",
        own,
        "a role's summed strength",
        "a rank (`logit_lens`)",
    }
    assert rows["a rank (`logit_lens`)"] == tolerance("logit_lens", unit="rank").value
    floor, share, least = known["a role's summed strength"]
    assert Allowance(float(floor), float(share), tolerance().value.least) == tolerance().role
    assert least == "that of a value"
    assert f"{tolerance().top:g} of the strongest" in PAGE
    assert tolerance("logit_lens", unit="rank").top == 0


def test_every_measure_has_its_row():
    page = (ROOT / "docs/measures.md").read_text(encoding="utf-8")
    lines = page[page.index("\n| measure |") + 1 :].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in lines]
    shown = {name for name, *_, tolerance, held in rows if tolerance or held == "none: a screen"}
    listed = {name for names in MEASURES.values() for name in names}
    assert listed | shown == set(measures.__all__) - {"canary", "ablated"}


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


def test_a_verdict_without_the_gate_is_had_as_shown(suite):
    suite.write("test_told.py", python(containing=".judge("))
    new = suite.run("--circuits")
    assert new.ret == pytest.ExitCode.TESTS_FAILED
    new.stdout.fnmatch_lines(["E *Kind.NEW: 'new'> == 'lost'"])
    suite.approve()
    result = suite.run("--circuits", "--circuits-unjudged=fail")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["1 finding: 1 preserved*"])
