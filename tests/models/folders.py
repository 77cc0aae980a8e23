"""Loading models from folders, for tests of what is in them."""

import pytest

from pytest_circuits.models import ModelError, load, parse_source


def load_folder(folder, device="cpu", **choices):
    """The loaded model of a folder."""
    return load(parse_source(str(folder)), device=device, **choices)


def refusal(folder):
    """What is said of a folder that can't be loaded: a few lines."""
    with pytest.raises(ModelError) as error:
        load_folder(folder)
    message = str(error.value)
    assert len(message.splitlines()) <= 6
    return message
