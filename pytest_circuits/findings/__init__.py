"""What was found: plain data, heads, statistics, encoding. Knows numpy and nothing else here."""

from pytest_circuits.findings.finding import (
    Behaviour,
    Direction,
    Finding,
    InvalidFindingError,
    Json,
    Role,
)
from pytest_circuits.findings.heads import Head

__all__ = ["Behaviour", "Direction", "Finding", "Head", "InvalidFindingError", "Json", "Role"]
