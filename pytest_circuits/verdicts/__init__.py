"""Found against approved: tolerances, judgement, gate and words. Needs no model."""

from pytest_circuits.findings import Allowance
from pytest_circuits.verdicts.alarms import expected_alarms
from pytest_circuits.verdicts.behaviours import behaviour_reasons, whole_gone
from pytest_circuits.verdicts.gating import Gate, passes
from pytest_circuits.verdicts.judging import (
    headline_number,
    judge,
    mechanism_change,
    readable,
    summarise,
    without_baseline,
)
from pytest_circuits.verdicts.precision import Imprecision, imprecision
from pytest_circuits.verdicts.rendering import headline, lines, reason_text, scope_text
from pytest_circuits.verdicts.roles import MechanismChange
from pytest_circuits.verdicts.tolerances import (
    Tolerance,
    decode_tolerance,
    default_tolerance,
    encode_tolerance,
)
from pytest_circuits.verdicts.verdict import (
    SEVERITY,
    About,
    Change,
    Kind,
    Movement,
    Reading,
    Reason,
    Scope,
    Verdict,
)
from pytest_circuits.verdicts.waivers import Waiver, WaiverError, parse_waiver

__all__ = [
    "SEVERITY",
    "About",
    "Allowance",
    "Change",
    "Gate",
    "Imprecision",
    "Kind",
    "MechanismChange",
    "Movement",
    "Reading",
    "Reason",
    "Scope",
    "Tolerance",
    "Verdict",
    "Waiver",
    "WaiverError",
    "behaviour_reasons",
    "decode_tolerance",
    "default_tolerance",
    "encode_tolerance",
    "expected_alarms",
    "headline",
    "headline_number",
    "imprecision",
    "judge",
    "lines",
    "mechanism_change",
    "parse_waiver",
    "passes",
    "readable",
    "reason_text",
    "scope_text",
    "summarise",
    "whole_gone",
    "without_baseline",
]
