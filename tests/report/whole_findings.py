"""Rows with their findings whole, one for everything that can be told of a finding."""

from dataclasses import replace
from functools import cache

import numpy as np
from handmade_rows import failed, left, run
from verdicts.handmade import around, cells, fractions, number, role, sampled

from pytest_circuits.baselines import Baseline, Served, compare
from pytest_circuits.findings import Canary
from pytest_circuits.findings.encoding import rounded
from pytest_circuits.report import Details, Row
from pytest_circuits.verdicts import NewBehaviour, Outcome, Settlement, default_tolerance

FULL = {"L1H0": 0.9, "L1H1": 0.8}
#: The same with the values of samples, which fractions keep in logits.
SAMPLED = {head: around(value) for head, value in FULL.items()}
CANARY = Canary(3.1, "text", "c146e18e1902e4c8")
RECORDED = {
    "source": "bundled:recall", "weights": "sha256:08662c1e", "device": "cpu", "dtype": "float32",
    "versions": {"torch": "2.13.0", "transformers": "5.23.0"},
}  # fmt: skip


def recorded(finding, **facts):
    """The finding with what it was measured with."""
    return replace(finding, provenance=RECORDED | facts)


def told(found, approved=None, *, test="test_a.py::test_heads", alias="recall", name="", **fields):
    """A row of what was found, judged where there is a baseline, with all there is to see."""
    nodeid = f"{test[:-1]}-{alias}]" if test.endswith("]") else f"{test}[{alias}]"
    found, approved = sampled(found), approved and sampled(approved)
    found = recorded(rounded(found)) if not found.provenance else found
    baseline = None
    if approved is not None:
        approved = approved if approved.provenance else recorded(approved)
        baseline = Baseline(name, rounded(approved), default_tolerance(approved))
    comparison = compare(name, found, found, baseline and Served("recall", baseline))
    row = Row.judged(
        nodeid, alias, comparison, passes=True, written=False,
        # As they come from a worker.
        details=Details.from_document(Details.of(name, found, baseline).document(), "here"),
    )  # fmt: skip
    passes = comparison.kind in ("preserved", "relocated", "strengthened")
    row = replace(row, passes=passes, outcome="passed" if passes else "failed", line=7)
    failure = "" if passes else f"assert {row.verdict}: {row.headline}"
    return replace(row, **({"failure": failure} | fields))


def with_nulls(finding):
    return replace(finding, errors=np.full(finding.values.shape, np.nan), clusters=1)


@cache
def every_row():
    """One row of every verdict and of every shape of finding, by what it is."""
    before = role(FULL, canary=CANARY)
    less = role({"L1H0": 0.9, "L1H1": 0.6}, canary=replace(CANARY, loss=3.5))
    matrix = cells([[0.1, 0.5], [0.7, 0.2]], ("layer", "position"), {"position": ("S1", "END")})
    parts = cells([0.1, 0.5], ("component",), {"component": ("L0 attn", "L0 mlp")})
    deep = cells(np.arange(8.0).reshape(2, 2, 2), ("layer", "head", "position"))
    made = {
        "preserved": (before, before),
        "weakened": (less, before),
        "lost": (role({}, gain=0.0), before),
        "strengthened": (role({**FULL, "L2H0": 0.7}), before),
        "new": (before,),
        "incomparable": (replace(before, convention={"block": 8, "seed": 0}), before),
        "another shape": (role(FULL, shape=(4, 4)), before),
        "undefined": (fractions(SAMPLED, gap=0.05), fractions(SAMPLED)),
        "one number": (number(1.0, error=0.1), number(4.0, error=0.1)),
        "one number, new": (number(1.0, error=0.1),),
        "matrix": (replace(matrix, values=matrix.values / 2), matrix),
        "components": (replace(parts, values=-parts.values), parts),
        "three axes": (replace(deep, values=deep.values / 2), deep),
        "undefined errors": (with_nulls(less), with_nulls(before)),
        "undefined, new": (fractions(SAMPLED, gap=0.05),),
    }
    rows = {
        what: told(*findings, test=f"test_a.py::test_it[{place}]")
        for place, (what, findings) in enumerate(made.items())
    }
    new = NewBehaviour("logit_diff", "logits", 3.4, 2.09, -1.31, (-1.5, -1.1), 0.2, 64)
    settlement = Settlement(Outcome.FAILS, (new,), "64 pairs", "ab12")
    rows["weakened"] = replace(rows["weakened"], settlement=settlement)
    waived = {"waived": True, "waiver": "until 2027-01-31: known", "passes": True, "failure": ""}
    rows["waived"] = told(less, before, test="t.py::test_waived", outcome="passed", **waived)
    rows["xfail"] = told(less, before, test="t.py::test_xfail", outcome="xfailed", failure="")
    rows["not judged"] = replace(
        Row.uncompared("t.py::test_loose[recall]", "recall", before), details=rows["new"].details
    )
    rows["refused"] = replace(
        Row.refused(
            "t.py::test_bad[recall]", "recall", before.measure, "a.json: is damaged", name="b"
        ),
        outcome="failed", failure="assert refused", line=3,
    )  # fmt: skip
    rows["claims more"] = told(
        before, before, test="t.py::test_claim", outcome="failed", failure="assert 3 == 4"
    )
    return rows


def full_run(**fields):
    """A run of all of them, and of tests that failed or never ended."""
    silent = failed("t.py::test_silent")._replace(message="OSError: no", line=12)
    given = {
        "failed": (silent,), "unfinished": left(2), "exit_status": 1, "gate": "regression",
        "options": ("--circuits-dtype=float32",),
    }  # fmt: skip
    return run(*every_row().values(), **(given | fields))
