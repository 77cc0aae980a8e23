"""Approved findings and their files. Reading and writing them needs no model."""

from pytest_circuits.baselines.envelope import SCHEMA_VERSION, Baseline, BaselineError, loads
from pytest_circuits.baselines.files import ROOT, baseline_path, file_name, find, write

__all__ = [
    "ROOT",
    "SCHEMA_VERSION",
    "Baseline",
    "BaselineError",
    "baseline_path",
    "file_name",
    "find",
    "loads",
    "write",
]
