"""Found against approved: tolerances, judgement, gate and words. Needs no model.

Public names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

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

_HOMES = {
    "gate": ("Gate", "Waiver", "WaiverError", "expected_alarms", "parse_waiver", "passes"),
    "judging": (
        "behaviour_reasons", "headline_number", "judge", "mechanism_change", "readable",
        "summarise", "whole_gone", "without_baseline",
    ),
    "precision": ("Imprecision", "imprecision"),
    "roles": ("MechanismChange",),
    "tolerances": (
        "Allowance", "Tolerance", "decode_tolerance", "default_tolerance", "encode_tolerance",
    ),
    "verdict": (
        "SEVERITY", "About", "Change", "Kind", "Movement", "Reading", "Reason", "Scope", "Verdict",
    ),
    "words": ("headline", "lines", "reason_text", "scope_text"),
}  # fmt: skip

if TYPE_CHECKING:
    from pytest_circuits.verdicts.gate import (
        Gate,
        Waiver,
        WaiverError,
        expected_alarms,
        parse_waiver,
        passes,
    )
    from pytest_circuits.verdicts.judging import (
        behaviour_reasons,
        headline_number,
        judge,
        mechanism_change,
        readable,
        summarise,
        whole_gone,
        without_baseline,
    )
    from pytest_circuits.verdicts.precision import Imprecision, imprecision
    from pytest_circuits.verdicts.roles import MechanismChange
    from pytest_circuits.verdicts.tolerances import (
        Allowance,
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
    from pytest_circuits.verdicts.words import headline, lines, reason_text, scope_text
else:
    # Not for mypy, which would take any name for one that is there.
    def __getattr__(name: str) -> object:
        for module, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
