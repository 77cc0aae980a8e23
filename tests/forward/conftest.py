"""Shared by the tests of sweeps."""

import pytest
from forward.sweeping import Both
from measures.families import FAMILIES, hooked, random_model


@pytest.fixture(scope="package")
def llama():
    """A random model twice: as it is, and where every run is a whole pass with hooks."""
    with Both.of(random_model(FAMILIES["llama"], 0)).untouched() as made:
        yield made


@pytest.fixture
def own_llama():
    """The same model for a test of its own: it may change it."""
    return hooked(random_model(FAMILIES["llama"], 0))
