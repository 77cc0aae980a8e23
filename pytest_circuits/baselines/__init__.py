"""Approved findings and their files. Reading and writing them needs no model."""

from pytest_circuits.baselines.codec import SCHEMA, Baseline, BaselineError, BaselineFile, read
from pytest_circuits.baselines.comparing import Comparison, compare, compare_stored, storable
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
    "compare_stored",
    "delete",
    "file_name",
    "find",
    "read",
    "storable",
    "walk",
    "write",
]
