from __future__ import annotations

import shutil

import huggingface_hub.constants
import pytest

from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.models.sources.folders import checkpoint_folder
from pytest_circuits.testing import tiny_checkpoint

MAIN, STEP = "a" * 40, "b" * 40


@pytest.fixture(scope="module")
def hub_cache(tmp_path_factory):
    """The hub's cache of a model with two revisions: main (seed 0) and step1000 (seed 1)."""
    cache = tmp_path_factory.mktemp("hub")
    model = cache / "models--org--tiny"
    (model / "refs").mkdir(parents=True)
    for seed, (name, commit) in enumerate({"main": MAIN, "step1000": STEP}.items()):
        tiny_checkpoint(model / "snapshots" / commit, seed=seed)
        (model / "refs" / name).write_text(commit)
    return cache


@pytest.fixture
def offline(hub_cache, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub_cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize(
    ("text", "commit"),
    [
        ("org/tiny", MAIN),
        ("org/tiny@main", MAIN),
        ("org/tiny@step1000", STEP),
        (f"org/tiny@{STEP}", STEP),
    ],
)
def test_a_cached_revision_needs_no_network(offline, text, commit):
    assert checkpoint_folder(parse_source(text)).name == commit


def test_a_hub_model_is_loaded_from_the_cache(offline):
    default, step = load(parse_source("org/tiny")), load(parse_source("org/tiny@step1000"))

    assert default.bridge.tokenizer.encode("a b") == [0, 1, 2]
    assert default.fingerprint != step.fingerprint


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("org/tiny@step2000", "org/tiny: revision 'step2000' is"),
        ("org/other", "org/other: the default revision is"),
        (f"org/tiny@{'c' * 40}", f"org/tiny: revision '{'c' * 40}' is"),
    ],
)
def test_what_is_neither_cached_nor_reachable_is_refused(offline, text, wanted):
    with pytest.raises(ModelError) as error:
        checkpoint_folder(parse_source(text))

    assert str(error.value) == (
        f"{wanted} not in the local hub cache, and the hub can't be reached.\n"
        "Check the id and the revision, fetch it once with network, or name a local folder."
    )


def test_a_cached_model_with_pickled_weights_only_is_refused(hub_cache, monkeypatch, tmp_path):
    shutil.copytree(hub_cache, tmp_path / "hub")
    snapshot = tmp_path / "hub" / "models--org--tiny" / "snapshots" / MAIN
    (snapshot / "model.safetensors").rename(snapshot / "pytorch_model.bin")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(ModelError, match=r"weights are pickled \(pytorch_model\.bin\)"):
        checkpoint_folder(parse_source("org/tiny"))
