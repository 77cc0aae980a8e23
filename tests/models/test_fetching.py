"""While a model is loaded, no library asks the hub for anything of itself."""

from __future__ import annotations

import socket

import huggingface_hub
import huggingface_hub.constants
import pytest
from huggingface_hub.errors import OfflineModeIsEnabled
from transformers import AutoModel

from pytest_circuits.models import ModelError, parse_source
from pytest_circuits.models.fetching import nothing_fetched

SOURCE = parse_source("org/name")

#: What libraries do of themselves.
ASKING = {
    "a file": lambda: huggingface_hub.hf_hub_download("org/other", "kernel.so"),
    "a repository": lambda: huggingface_hub.snapshot_download("org/other"),
    "what there is": lambda: huggingface_hub.HfApi().model_info("org/other"),
    "another model": lambda: AutoModel.from_pretrained("org/other"),
}


@pytest.fixture
def looked_up(monkeypatch):
    """The addresses that are looked up, none of which is there."""
    names = []

    def getaddrinfo(name, *_, **__):
        names.append(name)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return names


@pytest.mark.parametrize("what", ASKING)
def test_what_a_library_would_fetch_is_refused_before_an_address_is_looked_up(looked_up, what):
    with pytest.raises(ModelError) as error, nothing_fetched(SOURCE):
        ASKING[what]()

    assert str(error.value) == (
        "org/name: to load it, a library has to fetch something that the source doesn't name\n"
        "(a compiled kernel, another model), and loading fetches nothing of itself.\n"
        "Fetch it into the hub's cache yourself, or name a checkpoint that needs none."
    )
    assert looked_up == []


def test_afterwards_the_hub_can_be_asked_again(looked_up):
    with pytest.raises(ModelError), nothing_fetched(SOURCE), nothing_fetched(SOURCE):
        ASKING["what there is"]()

    with pytest.raises(Exception, match="no network"):
        ASKING["what there is"]()
    assert looked_up == ["huggingface.co"]


def test_who_goes_on_without_it_is_not_disturbed(looked_up):
    with nothing_fetched(SOURCE), pytest.raises(OfflineModeIsEnabled):
        ASKING["what there is"]()

    assert looked_up == []


def test_other_errors_stay_what_they_are():
    with pytest.raises(ValueError, match="own"), nothing_fetched(SOURCE):
        raise ValueError("own")
