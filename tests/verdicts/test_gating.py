from __future__ import annotations

import pytest

from pytest_circuits.verdicts import SEVERITY, Gate, Kind, passes

#         gate               in CI  what passes
TABLE = [
    (Gate.REGRESSION, False, {Kind.PRESERVED, Kind.RELOCATED, Kind.STRENGTHENED, Kind.NEW}),
    (Gate.REGRESSION, True, {Kind.PRESERVED, Kind.RELOCATED, Kind.STRENGTHENED}),
    (Gate.CHANGE, False, {Kind.PRESERVED}),
    (Gate.CHANGE, True, {Kind.PRESERVED}),
    (Gate.NEVER, False, set(Kind)),
    (Gate.NEVER, True, set(Kind)),
]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("gate", "in_ci", "passing"), TABLE)
def test_a_gate_lets_pass_what_it_should(kind, gate, in_ci, passing):
    assert passes(kind, gate, in_ci=in_ci) is (kind in passing)


def test_every_verdict_has_its_place_among_the_severities():
    assert set(SEVERITY) == set(Kind)
    assert len(SEVERITY) == len(Kind)
    assert SEVERITY[0] is Kind.LOST
    assert SEVERITY[-1] is Kind.PRESERVED


def test_what_fails_a_gate_stands_above_what_passes_it():
    passing = [passes(kind, Gate.REGRESSION, in_ci=True) for kind in SEVERITY]

    assert passing == sorted(passing)
