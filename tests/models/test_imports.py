"""What loading a model imports, and that nobody goes through it in search of garbage."""

import gc
import sys

import pytest
import torch
import transformer_lens.model_bridge.sources.native  # noqa: F401 — so that it can be taken away
from circuit_suites import in_fresh_python
from transformer_lens.model_bridge import TransformerBridge, sources

from pytest_circuits.models import load, parse_source
from pytest_circuits.models.loading import import_libraries
from pytest_circuits.models.sources.source import collecting_later

NATIVE = "transformer_lens.model_bridge.sources.native"
#: They are installed with the libraries, and a model needs none of them.
NEEDLESS = ["plotly", "wandb", "matplotlib", "IPython", "syrupy", "transformers.trainer"]

LOADED = f"""
import gc, sys
from pytest_circuits.models import load, parse_source

source = parse_source("bundled:recall")
print(sorted({{"numpy", "torch", "transformers"}} & set(sys.modules)))
bridge = load(source, device="cpu").bridge
print(sorted(set({NEEDLESS}) & set(sys.modules)))
print(gc.isenabled(), gc.get_freeze_count() > 100_000)
collected = {{id(each) for each in gc.get_objects()}}
print(id(sys.modules) in collected, id(bridge) in collected)
"""


def test_loading_a_model_imports_what_it_needs_and_leaves_only_that_out_of_collections():
    assert in_fresh_python(LOADED).splitlines() == [
        "[]",
        "[]",
        "True True",
        "False True",
    ]


POOLED = """
import sys
from pytest_circuits.models import ModelPool, parse_source

ModelPool("cpu").get(parse_source("bundled:recall")).fingerprint
print(*sorted(name for name in sys.modules if name.startswith("pytest_circuits.models")))
"""


@pytest.mark.nightly
def test_a_bundled_model_imports_its_own_kind_of_source_alone():
    imported = in_fresh_python(POOLED).split()
    kinds = {name.rpartition(".")[2] for name in imported if ".sources." in name}
    assert kinds == {"source", "folders", "native"}
    assert len(imported) <= 13


@pytest.fixture
def frozen(monkeypatch):
    """How often the collector is told to leave alone what there is."""
    calls = []
    monkeypatch.setattr(gc, "freeze", lambda: calls.append("freeze"))
    return calls


def test_a_model_that_somebody_holds_already_can_still_be_collected(frozen, monkeypatch):
    held = torch.nn.Linear(1, 1)
    # As if it had not been imported yet; what it replaces when it is comes back after the test.
    monkeypatch.setattr(TransformerBridge, "boot_native", None)
    monkeypatch.setattr(sources, "native", None)
    monkeypatch.delitem(sys.modules, NATIVE)
    import_libraries()
    assert NATIVE in sys.modules
    assert held.weight.numel() == 1
    assert frozen == []


def test_where_nothing_is_new_nobody_is_looked_at(frozen, monkeypatch):
    monkeypatch.setattr(gc, "get_objects", lambda: frozen.append("looked at"))
    load(parse_source("bundled:recall"), device="cpu")
    assert frozen == []


@pytest.mark.parametrize("collects", [True, False])
def test_a_collector_that_is_off_stays_off(collects):
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        with collecting_later():
            assert not gc.isenabled()
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()


def test_the_collector_is_on_again_after_a_failed_import():
    with pytest.raises(ImportError), collecting_later():
        raise ImportError
    assert gc.isenabled()
