"""Models of all architectures, stored and measured once."""

import pytest
from zoo.cases import Other, Stored, store
from zoo.outcomes import outcomes_of
from zoo.specimens import SPECIMENS


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """Another model, from which a divergence is measured."""
    return Other(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """The folder of a specimen's model, by name."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = store(SPECIMENS[name], tmp_path_factory.mktemp("specimen"))
        return made[name]

    return get


@pytest.fixture(scope="session")
def outcomes_on(folder_of, other):
    """What comes of each measure on a specimen, by name."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = outcomes_of(Stored(SPECIMENS[name], folder_of(name), other))
        return made[name]

    return get
