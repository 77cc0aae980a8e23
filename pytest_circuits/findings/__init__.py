"""What was found: plain data, heads, statistics, encoding. Knows numpy and nothing else here."""

from pytest_circuits.findings.circuit import Circuit, CircuitError
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
from pytest_circuits.findings.heads import Head
from pytest_circuits.findings.paired import PairedDifference, PairingError, paired_differences
from pytest_circuits.findings.power import enough_prompts

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
