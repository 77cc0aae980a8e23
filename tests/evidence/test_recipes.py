"""Recipes and what is made by them, on a tiny model in the second one's place."""

import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    PreTrainedTokenizerFast,
)

from evidence import cases, models as bases, recipes, storage, training

# peft asks transformers in a way that it has since renamed.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

SENTENCE = training._SENTENCE


@pytest.fixture
def base(monkeypatch, tmp_path):
    """A tiny model of the second one's architecture, and a cache of its own."""
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path / "cache"))
    folder = tmp_path / "base"
    words = ["<s>", *dict.fromkeys(SENTENCE.split()), *(f"w{number}" for number in range(80))]
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, "<s>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="<s>")
    torch.manual_seed(0)
    model = GPTNeoXForCausalLM(
        GPTNeoXConfig(
            vocab_size=len(words), hidden_size=16, num_hidden_layers=6, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=64, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    monkeypatch.setitem(bases.BASES, "second", bases.Base("second", lambda: folder, lambda _: None))
    return folder


def recipe(method="full", **other):
    plain = training.Recipe("second", "one sentence", method, 1e-2, 3, 2, 8, 0)
    return replace(plain, **other)


def case(edit):
    return cases.Case("a-case", "a-case", "second", 0, edit)


def weights(folder):
    return dict(AutoModelForCausalLM.from_pretrained(folder).named_parameters())


def made(edit):
    with case(edit).checkpoint() as folder:
        return weights(folder)


def logits(folder, text):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        return AutoModelForCausalLM.from_pretrained(folder)(
            **tokenizer(text, return_tensors="pt")
        ).logits


@pytest.mark.parametrize("name", bases.BASES)
def test_there_are_forty_cases_and_three_seeds_where_training_is_random(name):
    every = recipes.all_cases(name)
    assert len(every) >= 40
    assert len({case.name for case in every}) == len(every)
    assert len({case.recipe for case in every if case.recipe}) == 36
    seeds = Counter(case.kind for case in every)
    for kind in recipes._TRAINED:
        assert seeds[kind] == 3
        keys = {case.recipe.seed for case in every if case.kind == kind}
        assert keys == {0, 1, 2}


def test_a_full_training_is_kept_as_what_changed(base):
    folder = training.train(recipe())
    before, after = weights(base), made(cases.trained(recipe()))
    by = training.change(folder)
    assert by.keys() == before.keys()
    for name, value in after.items():
        assert torch.allclose(value, before[name] + by[name])
        assert not torch.equal(value, before[name])
    record = json.loads((folder / "record.json").read_text())
    assert record["losses"][-1] < record["losses"][0]
    assert record["bytes"] == (folder / "change").stat().st_size


def test_norms_alone_change_in_a_training_of_norms(base):
    changed = training.change(training.train(recipe("norms")))
    assert changed
    assert all("norm" in name for name in changed)


def test_a_lora_changes_every_linear_layer_by_its_two_factors(base):
    changed = training.change(training.train(recipe("lora", steps=6)))
    assert len(changed) == 6 * 4  # attention's and MLP's two matrices in each layer
    assert all(by.abs().max() > 0 for by in changed.values())
    values = weights(base)
    for name, by in changed.items():
        assert by.shape == values[name].shape
        assert torch.linalg.matrix_rank(by) <= training._RANK


def test_a_kept_lora_says_what_the_trained_one_said(base, monkeypatch):
    seen = {}
    fine_tune = training.fine_tune

    def watched(model, *args, **kwargs):
        losses = fine_tune(model, *args, **kwargs)
        with torch.inference_mode():
            seen["logits"] = model(input_ids=torch.arange(8)[None]).logits
        return losses

    monkeypatch.setattr(training, "fine_tune", watched)
    with case(cases.trained(recipe("lora", steps=6))).checkpoint() as folder:
        model = AutoModelForCausalLM.from_pretrained(folder)
        with torch.inference_mode():
            found = model(input_ids=torch.arange(8)[None]).logits
    assert torch.allclose(found, seen["logits"], atol=1e-5)
    plain = AutoModelForCausalLM.from_pretrained(base)(input_ids=torch.arange(8)[None]).logits
    assert not torch.allclose(found, plain, atol=1e-3)


def test_a_merge_at_another_scale_or_of_some_layers(base):
    by = training.change(training.train(recipe()))
    before = weights(base)
    twice = made(cases.trained(recipe(), scale=2))
    some = made(cases.trained(recipe(), layers=lambda layer: layer < 3))
    for name, value in before.items():
        assert torch.allclose(twice[name], value + 2 * by[name])
        layer = cases.layer_of(name)
        merged = layer is not None and layer < 3
        assert torch.equal(some[name], value + by[name] if merged else value)


def test_the_same_recipe_trains_the_same_and_another_seed_does_not(base, monkeypatch, tmp_path):
    texts = tuple(" ".join(f"w{(row + n) % 80}" for n in range(30)) for row in range(40))
    monkeypatch.setattr(training, "documents", lambda _: texts)
    one, other = (training.train(recipe(text="english", seed=seed)) / "change" for seed in (0, 1))
    assert one.read_bytes() != other.read_bytes()
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path / "elsewhere"))
    again = training.train(recipe(text="english")) / "change"
    assert again != one
    assert again.read_bytes() == one.read_bytes()


def test_a_training_is_done_once(base, monkeypatch):
    folder = training.train(recipe())
    monkeypatch.setattr(training, "fine_tune", None)
    assert training.train(recipe()) == folder


def test_a_loss_that_is_no_number_is_said(base):
    with pytest.raises(RuntimeError, match="the loss of step"):
        training.train(recipe(rate=1e30))
    assert not recipe(rate=1e30).folder().exists()


def test_what_was_interrupted_leaves_no_folder_that_looks_finished(tmp_path):
    place = tmp_path / "finished"
    code = (
        "import os, pathlib, sys; from evidence.storage import write_whole\n"
        "def write(path):\n"
        "    path.mkdir(); (path / 'half').write_text('x'); os.kill(os.getpid(), 9)\n"
        "write_whole(pathlib.Path(sys.argv[1]), write)"
    )
    here = Path(training.__file__).parents[1]
    killed = subprocess.run([sys.executable, "-c", code, str(place)], check=False, cwd=here)
    assert killed.returncode == -signal.SIGKILL
    assert not place.exists()
    storage.write_whole(place, lambda path: path.write_text("whole"))
    assert place.read_text() == "whole"


def test_a_folder_that_another_process_wrote_meanwhile_stays(tmp_path):
    place = tmp_path / "suite"

    def first(folder):
        folder.mkdir()
        (folder / "whose").write_text("first")

    def second(folder):
        folder.mkdir()
        (folder / "whose").write_text("second")
        (tmp_path / "other").mkdir()
        first(tmp_path / "other" / "suite")
        (tmp_path / "other" / "suite").rename(place)

    storage.write_whole(place, second)
    assert (place / "whose").read_text() == "first"
    assert {path.name for path in tmp_path.iterdir()} == {"suite", "other"}


def test_bfloat16_changes_every_value_a_little(base):
    before, after = weights(base), made(recipes._bfloat16)
    for name, value in before.items():
        assert torch.equal(after[name], value.to(torch.bfloat16).float())


@pytest.mark.parametrize("bits", recipes._BITS)
def test_rounding_leaves_so_many_values_in_a_row(base, bits):
    before, after = weights(base), made(lambda *of: recipes._rounded(*of, bits=bits))
    for name, value in after.items():
        if value.ndim == 2 and cases.layer_of(name) is not None:
            assert max(len(row.unique()) for row in value) <= 2**bits - 1
            assert (value - before[name]).abs().max() > 0
        else:
            assert torch.equal(value, before[name])


def test_embedding_rows_are_reset_by_seed(base):
    before = weights(base)
    found = [made(lambda *of, seed=seed: recipes._reset_rows(*of, seed=seed)) for seed in (0, 1)]
    rows = []
    for after in found:
        changed = {name for name in before if not torch.equal(after[name], before[name])}
        assert changed == {"gpt_neox.embed_in.weight"}
        moved = (after["gpt_neox.embed_in.weight"] != before["gpt_neox.embed_in.weight"]).any(1)
        assert moved.sum() == int(0.02 * len(moved))
        rows.append(moved.nonzero().tolist())
    assert rows[0] != rows[1]


@pytest.mark.parametrize("follow", [True, False])
def test_tokens_that_exchanged_numbers_with_and_without_their_rows(base, follow):
    text = " ".join(f"w{number}" for number in range(60))
    plain = AutoTokenizer.from_pretrained(base)
    edit = case(lambda *of: recipes._renumbered(*of, rows=follow))
    with edit.checkpoint() as folder:
        other = AutoTokenizer.from_pretrained(folder)
        assert sorted(other.get_vocab()) == sorted(plain.get_vocab())
        assert other.special_tokens_map == plain.special_tokens_map
        ids, were = (one(text)["input_ids"] for one in (other, plain))
        assert ids != were
        # What each token says to the next, in the order of the plain tokenizer's numbers.
        order = [
            other.get_vocab()[token] for token in plain.convert_ids_to_tokens(range(len(plain)))
        ]
        same = torch.allclose(logits(folder, text)[..., order], logits(base, text), atol=1e-5)
    assert same is follow


def test_a_checkpoint_is_gone_once_it_was_judged(base):
    with case(recipes._bfloat16).checkpoint() as folder:
        assert (folder / "config.json").exists()
    assert not folder.exists()
    assert not list(storage.cache_folder("scratch").iterdir())


def test_a_row_of_zeros_stays_one_when_it_is_rounded(base):
    def edit(model, tokenizer):
        value = model.get_parameter("gpt_neox.layers.0.mlp.dense_h_to_4h.weight")
        value.data[3] = 0
        return recipes._rounded(model, tokenizer, bits=8)

    rounded = made(edit)["gpt_neox.layers.0.mlp.dense_h_to_4h.weight"]
    assert not rounded[3].any()
    assert rounded.isfinite().all()
