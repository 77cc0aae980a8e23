"""Found against approved: tolerances, judgement, gate and words. Needs no model."""

from pytest_circuits.verdicts.gating import Gate, passes
from pytest_circuits.verdicts.judging import judge, summarise, without_baseline
from pytest_circuits.verdicts.rendering import headline, lines, reason_text
from pytest_circuits.verdicts.tolerances import (
    Allowance,
    Tolerance,
    decode_tolerance,
    default_tolerance,
    encode_tolerance,
)
from pytest_circuits.verdicts.verdict import SEVERITY, About, Change, Kind, Reason, Verdict

__all__ = [
    "SEVERITY",
    "About",
    "Allowance",
    "Change",
    "Gate",
    "Kind",
    "Reason",
    "Tolerance",
    "Verdict",
    "decode_tolerance",
    "default_tolerance",
    "encode_tolerance",
    "headline",
    "judge",
    "lines",
    "passes",
    "reason_text",
    "summarise",
    "without_baseline",
]
