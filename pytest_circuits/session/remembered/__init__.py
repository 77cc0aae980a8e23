"""Findings of earlier runs, by everything that they were measured with. Imports no torch.

What can't be told for certain is not remembered: then it is measured again.
"""

from pytest_circuits.session.remembered.arguments import UnknownError, described
from pytest_circuits.session.remembered.code import hash_of_files, own_code, versions
from pytest_circuits.session.remembered.identity import Identity, identify
from pytest_circuits.session.remembered.store import Entry, Store

__all__ = [
    "Entry",
    "Identity",
    "Store",
    "UnknownError",
    "described",
    "hash_of_files",
    "identify",
    "own_code",
    "versions",
]
