"""What was found: plain data, heads, statistics, encoding. Knows numpy and nothing else here.

Public names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "SIGNIFICANT",
    "Allowance",
    "Behaviour",
    "Canary",
    "ChoiceError",
    "Circuit",
    "CircuitError",
    "Direction",
    "Finding",
    "Head",
    "InvalidFindingError",
    "Json",
    "Null",
    "PairedDifference",
    "PairingError",
    "Role",
    "enough_prompts",
    "paired_differences",
]

_HOMES = {
    "circuit": ("Circuit", "CircuitError", "Head"),
    "finding": (
        "SIGNIFICANT", "Allowance", "Behaviour", "Canary", "ChoiceError", "Direction", "Finding",
        "InvalidFindingError", "Json", "Null", "Role",
    ),
    "paired": ("PairedDifference", "PairingError", "paired_differences"),
    "power": ("enough_prompts",),
}  # fmt: skip

if TYPE_CHECKING:
    from pytest_circuits.findings.circuit import Circuit, CircuitError, Head
    from pytest_circuits.findings.finding import (
        SIGNIFICANT,
        Allowance,
        Behaviour,
        Canary,
        ChoiceError,
        Direction,
        Finding,
        InvalidFindingError,
        Json,
        Null,
        Role,
    )
    from pytest_circuits.findings.paired import (
        PairedDifference,
        PairingError,
        paired_differences,
    )
    from pytest_circuits.findings.power import enough_prompts
else:
    # Not for mypy, which would take any name for one that is there.
    def __getattr__(name: str) -> object:
        for module, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
