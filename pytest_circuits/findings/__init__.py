"""What was found: plain data, heads, statistics, encoding. Knows numpy and nothing else here."""

from pytest_circuits.findings.finding import (
    SIGNIFICANT,
    Behaviour,
    Canary,
    Direction,
    Finding,
    InvalidFindingError,
    Json,
    Null,
    Role,
)
from pytest_circuits.findings.heads import Head

__all__ = [
    "SIGNIFICANT",
    "Behaviour",
    "Canary",
    "Direction",
    "Finding",
    "Head",
    "InvalidFindingError",
    "Json",
    "Null",
    "Role",
]
