"""Models over several GPUs; those of them are pretended, unless this machine has two."""

import numpy as np
import pytest
import torch
from forward.pretended import pretended_gpus
from forward.test_several_devices import CLEAN, CORRUPTED, MEASURES
from measures.families import FAMILIES, random_model

from pytest_circuits.forward import Runs
from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.models.devices import refuse_spread
from pytest_circuits.models.hooking import place
from pytest_circuits.models.loading import open_checkpoint
from pytest_circuits.prompts import PromptPairs
from pytest_circuits.testing import tiny_checkpoint, word_tokenizer

TWO = "cuda:0,cuda:1"
SOURCE = parse_source("some/model")


@pytest.fixture
def llama():
    return random_model(FAMILIES["llama"].but(num_hidden_layers=4), 0)


def test_a_model_is_put_on_the_devices_that_are_named_and_on_no_others(llama, monkeypatch):
    with pretended_gpus(monkeypatch, free=10**9, count=4):
        place(SOURCE, llama, "cuda:1,cuda:3")

        devices = {weight.device.index for weight in llama.parameters()}

    assert devices == {1, 3}


def test_a_model_that_fits_on_none_of_them_is_refused(llama, monkeypatch):
    with (
        pretended_gpus(monkeypatch, free=20_000),
        pytest.raises(ModelError, match="don't fit into the free memory") as error,
    ):
        place(SOURCE, llama, TWO)

    assert "(0.0 GB on cuda:0, 0.0 GB on cuda:1)" in str(error.value)
    assert "--circuits-dtype" in str(error.value)


def test_a_model_whose_blocks_nobody_knows_is_refused(llama, monkeypatch):
    llama._no_split_modules = set()

    with (
        pretended_gpus(monkeypatch, free=10**9),
        pytest.raises(ModelError, match="can't spread a LlamaForCausalLM over several devices"),
    ):
        place(SOURCE, llama, TWO)


def test_other_models_are_not_spread():
    with pytest.raises(ModelError, match="only Hugging Face models can be spread") as error:
        refuse_spread(SOURCE, TWO)

    assert "Choose one device with --circuits-device." in str(error.value)


def test_a_native_model_and_one_that_is_hooked_already_are_not_spread(monkeypatch, tmp_path):
    (tmp_path / "spread_maker.py").write_text(
        "from pytest_circuits.models import load, parse_source\n"
        "def make():\n    return load(parse_source('bundled:recall'), 'cpu').bridge"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for source in ("bundled:recall", "spread_maker:make"):
        with pytest.raises(ModelError, match="only Hugging Face models can be spread"):
            open_checkpoint(parse_source(source)).load(TWO, "auto")


def test_tokens_go_to_the_cpu_where_a_model_is_there_and_gpus_are_idle(tmp_path, monkeypatch):
    tiny_checkpoint(tmp_path)

    with pretended_gpus(monkeypatch, free=10**9):
        bridge = load(parse_source(str(tmp_path)), "cpu").bridge

        assert bridge("a b").device == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_real_gpus_give_the_numbers_of_the_cpu(llama, tmp_path):
    llama.save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    source = parse_source(str(tmp_path))
    one, two = (Runs(load(source, device).bridge) for device in ("cpu", TWO))
    answers, wrong = ["b", "y", "l", "q", "f", "t"], ["c", "z", "m", "r", "g", "v"]
    pairs = PromptPairs(CLEAN, CORRUPTED, answers, wrong)

    assert len(two.devices) == 2
    torch.testing.assert_close(two.bridge("a b c").cpu(), one.bridge("a b c"), atol=1e-4, rtol=0)
    for name in ("head_attribution", "ablate"):
        found, expected = (MEASURES[name](runs, pairs) for runs in (two, one))
        np.testing.assert_allclose(found.values, expected.values, atol=1e-3)
    assert two.replayed
