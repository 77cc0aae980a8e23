"""The changes are what they are said to be, on every architecture that has a layout."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from constructed import changes
from constructed.changes import Checkpoint
from constructed.phi import untrained, write

import pytest_circuits
from pytest_circuits.findings import Head
from pytest_circuits.models import load, parse_source
from pytest_circuits.testing import WORDS, tiny_checkpoint

BUNDLED = Path(pytest_circuits.__file__).parent / "models/bundled/recall"


def native(folder):
    return shutil.copytree(BUNDLED, folder)


def llama(folder):
    return tiny_checkpoint(folder, "llama")


def tied_llama(folder):
    model = Checkpoint.read(tiny_checkpoint(folder / "untied", "llama"))
    tensors = {name: tensor for name, tensor in model.tensors.items() if "lm_head" not in name}
    tied = replace(model, tensors=tensors, config=model.config | {"tie_word_embeddings": True})
    return tied.write(folder / "tied")


def phi(folder):
    model = untrained(WORDS)
    for parameter in model.parameters():
        # Biases begin at 0, where forgetting one would not show.
        torch.nn.init.normal_(parameter, std=0.2)
    write(model, WORDS, folder)
    return folder


@pytest.fixture(params=[native, llama, tied_llama, phi], ids=lambda make: make.__name__)
def model(request, tmp_path):
    return Checkpoint.read(request.param(tmp_path / "model"))


@pytest.fixture
def logits(tmp_path):
    def of(model):
        folder = tmp_path / f"written-{len(list(tmp_path.iterdir()))}"
        bridge = load(parse_source(str(model.write(folder))), device="cpu").bridge
        with torch.no_grad():
            return bridge(torch.arange(24).view(2, 12))

    return of


@pytest.mark.parametrize(
    "change",
    [
        lambda model: changes.heads_permuted(model, seed=0),
        lambda model: changes.hidden_units_permuted(model, seed=0),
        changes.layer_added,
    ],
    ids=["heads permuted", "hidden units permuted", "a layer added"],
)
def test_the_function_stays_the_same(model, logits, change):
    changed = change(model)
    before, after = logits(model), logits(changed)
    assert (after - before).abs().max() < 1e-4 * before.abs().max()
    assert changed.tensors.keys() != model.tensors.keys() or any(
        not torch.equal(tensor, model.tensors[name]) for name, tensor in changed.tensors.items()
    )


def test_a_permutation_leaves_no_key_and_value_in_place(model):
    layout, changed = model.layout, changes.heads_permuted(model, seed=0)
    for layer in range(layout.layers):
        for part in (layout.key, layout.value):
            name = f"{layout.of(layer, part)}.weight"
            pairs = zip(
                model.tensors[name].chunk(layout.kv_heads),
                changed.tensors[name].chunk(layout.kv_heads),
                strict=True,
            )
            assert not any(torch.equal(before, after) for before, after in pairs)


def test_a_scaled_unembedding_scales_the_logits(model, logits):
    scaled = logits(changes.unembedding_scaled(model, 0.1))
    assert torch.allclose(scaled, 0.1 * logits(model), atol=1e-5)


def test_zeroed_heads_write_nothing_and_the_others_what_they_wrote(model):
    layout, name = model.layout, f"{model.layout.of(1, model.layout.output)}.weight"
    changed = changes.heads_zeroed(model, [Head(1, 0), Head(1, 2)])
    before = model.tensors[name].chunk(layout.heads, dim=1)
    for index, columns in enumerate(changed.tensors[name].chunk(layout.heads, dim=1)):
        assert torch.equal(columns, torch.zeros_like(columns) if index in (0, 2) else before[index])
    others = model.tensors.keys() - {name}
    assert all(torch.equal(changed.tensors[other], model.tensors[other]) for other in others)


def test_a_zeroed_key_attends_to_every_position_alike(model, tmp_path):
    changed = changes.key_zeroed(model, Head(1, 3)).write(tmp_path / "changed")
    bridge = load(parse_source(str(changed)), device="cpu").bridge
    _, cache = bridge.run_with_cache(torch.arange(12)[None])
    pattern = cache["blocks.1.attn.hook_pattern"][0, 3]
    assert torch.allclose(pattern[-1], torch.full((12,), 1 / 12), atol=1e-6)


def test_a_head_that_is_made_anew_leaves_the_others_alone(model):
    layout = model.layout
    changed = changes.head_reinitialised(model, Head(1, 2), seed=0)
    for part, count in ((layout.query, layout.heads), (layout.value, layout.kv_heads)):
        name = f"{layout.of(1, part)}.weight"
        pairs = zip(
            model.tensors[name].chunk(count), changed.tensors[name].chunk(count), strict=True
        )
        moved = [index for index, pair in enumerate(pairs) if not torch.equal(*pair)]
        # A value that other heads read too stays.
        assert moved == ([2] if count == layout.heads else [])


def test_noise_is_as_large_as_it_is_said_to_be(model):
    changed = changes.noise(model, 0.01, seed=0)
    for name, tensor in model.tensors.items():
        added = (changed.tensors[name] - tensor).std() / tensor.std()
        assert added == pytest.approx(0.01, rel=0.5) or tensor.std() == 0


def test_another_tokenizer_gives_ordinary_words_each_others_ids(model):
    before = model.tokenizer["model"]["vocab"]
    after = changes.another_tokenizer(model).tokenizer["model"]["vocab"]
    assert sorted(before.values()) == sorted(after.values())
    assert [word for word in before if before[word] == after[word]] == ["<bos>"]
