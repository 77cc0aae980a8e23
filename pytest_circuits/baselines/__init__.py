"""Approved findings and their files. Reading and writing them needs no model."""

from pytest_circuits.baselines.codec import SCHEMA, Baseline, BaselineError, BaselineFile, read
from pytest_circuits.baselines.comparing import Comparison, compare, storable, verdict_on
from pytest_circuits.baselines.files import (
    BaselineReader,
    Served,
    check_first,
    delete,
    find,
    write,
)
from pytest_circuits.baselines.locations import ROOT, Location, baseline_path, file_name, walk

__all__ = [
    "ROOT",
    "SCHEMA",
    "Baseline",
    "BaselineError",
    "BaselineFile",
    "BaselineReader",
    "Comparison",
    "Location",
    "Served",
    "baseline_path",
    "check_first",
    "compare",
    "delete",
    "file_name",
    "find",
    "read",
    "storable",
    "verdict_on",
    "walk",
    "write",
]
