"""Whole runs made by hand: findings with their baselines, as a page shows them."""

from dataclasses import replace

import numpy as np
from verdicts.handmade import DOWN, around, cells, fractions, number, role, sampled

from pytest_circuits.baselines import Baseline, Served, compare
from pytest_circuits.report import Details, FailedTest, Model, Row, Run
from pytest_circuits.verdicts import Gate, default_tolerance, passes

TOKENS = ["<bos>", "When", " John", " and", " Mary", "\n", " gave", " John", ","]

INDUCTION = role({"L1H0": around(0.9), "L1H1": around(0.7)})
#: One head left and another joined, and the behaviour suffered.
BROKEN = role(
    {"L1H0": around(0.2), "L1H1": around(0.7), "L2H2": around(0.6, DOWN)}, loss=1.5, error=0.02
)


#: Finding, baseline, and how many heads have the role, though one crosses the threshold of 0.4
#: within its tolerance, or has a null now.
WOBBLES = {
    "down": (role({"L1H0": 0.9, "L1H1": 0.39}), role({"L1H0": 0.9, "L1H1": 0.41}), 2),
    "up": (role({"L1H0": 0.9, "L1H1": 0.42}), role({"L1H0": 0.9, "L1H1": 0.38}), 1),
    "new nulls": (
        role({"L1H0": 0.9, "L1H1": 0.7}, nulls={"L1H0": (0.0, 0.001), "L1H1": (0.6, 0.4)}),
        role({"L1H0": 0.9, "L1H1": 0.7}),
        2,
    ),
    "a null that wavers": (
        role({"L1H0": 0.9, "L1H1": 0.7}, nulls={"L1H0": (0.0, 0.001), "L1H1": (0.6, 0.06)}),
        role({"L1H0": 0.9, "L1H1": 0.7}, nulls={"L1H0": (0.0, 0.001), "L1H1": (0.6, 0.04)}),
        2,
    ),
}


def judged(found, approved, *, test="test_a.py::test_heads", alias="cand", name="", **fields):
    """A row of a finding held against a baseline (or against none), with all its details."""
    found, approved = sampled(found), approved and sampled(approved)
    baseline = None if approved is None else Baseline("", approved, default_tolerance(approved))
    details = Details.of("", found, baseline)
    # Held to what the baseline allows, with what is measured now besides.
    held = baseline and replace(baseline, tolerance=details.found.tolerance)
    comparison = compare(name, found, found, held and Served("recall", held))
    about = {
        "passes": passes(comparison.verdict, Gate.REGRESSION, in_ci=True),
        "written": False,
        "details": details,
    }
    row = Row.judged(f"{test}[{alias}]", alias, comparison, **(about | fields))
    return replace(row, outcome="passed" if row.passes else "failed", line=3)


def by_positions(scale=1.0):
    """Layer × position: one position restores all, and two tokens are the same one."""
    values = np.full((4, len(TOKENS)), 0.02)
    values[:, 2] = 0.8 * scale
    finding = cells(
        values, ("layer", "position"), {"position": tuple(map(str, range(len(TOKENS))))}
    )
    return replace(finding, provenance={"source": "somewhere", "first_prompt": TOKENS})


def undefined():
    """Fractions of a gap that is gone, and what they were."""
    before = fractions({"L1H0": around(0.5)})
    gone = replace(before.companion[0], value=0.01)
    nothing = np.full(before.values.shape, np.nan)
    return replace(before, values=nothing, errors=nothing, companion=(gone,)), before


def run(*rows, models=None, **fields):
    """A run of these rows."""
    aliases = models or dict.fromkeys(row.alias for row in rows)
    made = tuple(Model(alias, f"./{alias}", (alias, "recall")) for alias in aliases)
    return Run(made, rows, **({"exit_status": int(any(not r.passes for r in rows))} | fields))


def one_of_each():
    """A run with a finding of every kind that a page shows."""
    lens = cells(np.linspace(0, 3, 8), ("layer",))
    lower = replace(lens, values=lens.values - np.where(np.arange(8) > 5, 1.0, 0.0))
    other_shape = role({"L1H0": around(0.9)}, shape=(4, 6))
    grid = np.zeros((2, 3, 4))
    grid[1, 2, 3] = 0.9
    heads = cells(grid, ("layer", "head", "position"))
    rows = [
        judged(BROKEN, INDUCTION, test="test_a.py::test_induction"),
        judged(INDUCTION, INDUCTION, test="test_a.py::test_same"),
        judged(by_positions(0.5), by_positions(), test="test_a.py::test_positions"),
        judged(lower, lens, test="test_b.py::test_lens"),
        judged(number(3.1, error=0.2), number(3.6, error=0.2), test="test_b.py::test_number"),
        judged(heads, heads, test="test_b.py::test_heads_at_positions"),
        judged(*undefined(), test="test_b.py::test_undefined"),
        judged(other_shape, INDUCTION, test="test_b.py::test_other_shape"),
        judged(INDUCTION, None, test="test_b.py::test_new"),
        Row.uncompared(
            "test_b.py::test_loose[cand]",
            "cand",
            INDUCTION,
            details=Details.of("", sampled(INDUCTION), None),
        ),
    ]
    failed = (FailedTest("test_c.py::test_setup[cand]", "cand", "ValueError: no such file", 12),)
    return run(
        *rows, failed=failed, unfinished=("t.py::test_left[0-recall]", "t.py::test_left[1-recall]")
    )


#: What somebody might call a model or a test to run or break a page.
PAYLOADS = [
    "<img src=x onerror=window.pwned=1>",
    "</script><script>window.pwned=1</script>",
    '"><svg onload=window.pwned=1>',
    "`${window.pwned=1}` ' \" | \n @name",
    "\x1b[31mred\x1b[0m \u202eesrever \u2028 \ud800",
    "{{ 7*7 }} {% raw %}",
]


def hostile_run(payload):
    """A run in which everything a user names is the payload."""
    tokens = [payload, *TOKENS[1:]]
    found = replace(
        by_positions(0.5),
        provenance={"source": payload, "first_prompt": tokens, payload: {payload: payload}},
        convention={"block": payload, payload: 1},
        labels={"position": tuple(f"{payload}{place}" for place in range(len(tokens)))},
    )
    found = replace(
        found,
        quantity=payload,
        unit=payload,
        measure=payload,
        companion=(replace(found.companion[0], name=payload, unit=payload),),
    )
    rows = [
        replace(
            judged(found, before, test=f"test_a.py::test[{payload}]", alias=alias),
            name=payload,
            headline=payload,
            failure=payload,
            waiver=payload,
            owner=payload,
        )
        for alias in (payload, "other")
        for before in (found, replace(found, values=found.values + 1))
    ]
    failed = (FailedTest(f"test_b.py::{payload}", payload, payload, 1),)
    models = (
        Model(payload, payload, (payload,)),
        Model("other", payload, ("other",), declared=False),
    )
    return Run(models, tuple(rows), failed=failed, options=(payload,), exit_status=1)
