"""Approved findings and their files. Reading and writing them needs no model."""

from pytest_circuits.baselines.approving import (
    approval,
    nothing_to_approve,
    says_the_same,
    too_few_prompts,
    verdict_on,
)
from pytest_circuits.baselines.digits import keep_digits
from pytest_circuits.baselines.envelope import Baseline, BaselineError, loads
from pytest_circuits.baselines.files import check_first, delete, find, write
from pytest_circuits.baselines.migrations import SCHEMA_VERSION
from pytest_circuits.baselines.names import ROOT, Location, baseline_path, file_name, walk

__all__ = [
    "ROOT",
    "SCHEMA_VERSION",
    "Baseline",
    "BaselineError",
    "Location",
    "approval",
    "baseline_path",
    "check_first",
    "delete",
    "file_name",
    "find",
    "keep_digits",
    "loads",
    "nothing_to_approve",
    "says_the_same",
    "too_few_prompts",
    "verdict_on",
    "walk",
    "write",
]
