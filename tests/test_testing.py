from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer

from pytest_circuits.testing import (
    COPIED_LOGIT,
    WORDS,
    perfect_induction_model,
    tiny_checkpoint,
    word_tokenizer,
)


@pytest.fixture(scope="module")
def perfect():
    return perfect_induction_model()


def run(bridge, text):
    ids = bridge.tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        logits, cache = bridge.run_with_cache(ids)
    return logits[0], [cache[f"blocks.{layer}.attn.hook_pattern"][0] for layer in (0, 1)]


def test_naming_it_imports_no_torch():
    code = (
        "import sys\n"
        "from pytest_circuits.testing import perfect_induction_model, tiny_checkpoint\n"
        "print(*sorted({'torch', 'numpy', 'transformers'} & set(sys.modules)))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_the_previous_token_head_attends_to_the_previous_token_and_nothing_else(perfect):
    _, (first, _) = run(perfect, " ".join(WORDS[:32]))

    exact = torch.diag(torch.ones(32), -1)
    exact[0, 0] = 1
    assert torch.equal(first[0], exact)


def test_the_induction_head_attends_to_what_followed_or_rests_on_bos(perfect):
    #                            1 2 3 4 5 6 7
    logits, (_, second) = run(perfect, "a b c a b x b")

    attended = [0, 0, 0, 0, 2, 3, 0, 3]
    for query, key in enumerate(attended[:-1]):
        assert second[0, query, key] == 1
    # "b" came twice: the tokens after either are attended to alike.
    assert second[0, 7, 3] == second[0, 7, 6] == 0.5
    copied = [None, None, None, None, "b", "c", None]
    for query, word in enumerate(copied):
        expected = torch.zeros(40)
        if word:
            expected[perfect.tokenizer.convert_tokens_to_ids(word)] = COPIED_LOGIT
        assert torch.equal(logits[query], expected)


def test_other_heads_attend_to_all_alike_and_write_nothing(perfect):
    _, patterns = run(perfect, "a b c a b")
    alike = torch.ones(6, 6).tril() / torch.arange(1, 7)[:, None]

    for layer, pattern in enumerate(patterns):
        torch.testing.assert_close(pattern[1], alike)
        assert not perfect.blocks[layer].attn.W_O[1].any()


def test_vocabulary_and_context_can_be_chosen():
    bridge = perfect_induction_model(words=("a", "north", "south"), context=7)

    logits, _ = run(bridge, "north south a a north")

    assert logits.shape == (6, 4)
    assert bridge.tokenizer.decode([logits[-1].argmax()]) == "south"
    assert bridge.cfg.n_ctx == 7


def test_a_fresh_model_is_ready_and_nobody_elses(perfect):
    other = perfect_induction_model()
    other.blocks[0].attn.o.weight.data.zero_()

    assert perfect.blocks[0].attn.o.weight.any()
    assert not perfect.training
    assert not any(parameter.requires_grad for parameter in perfect.parameters())


@pytest.mark.parametrize("words", [("b", "c"), ("a", "b", "b")])
def test_words_that_would_not_do_are_refused(words):
    with pytest.raises(ValueError, match='must be distinct, and "a" must be one of them'):
        word_tokenizer(words)


def test_words_are_tokens_after_bos():
    tokenizer = word_tokenizer(("a", "b"))

    assert tokenizer("b a").input_ids == [0, 2, 1]
    assert tokenizer.encode("b a", add_special_tokens=False) == [2, 1]
    assert tokenizer.bos_token == tokenizer.eos_token == tokenizer.pad_token == "<bos>"


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_no_parameter_of_a_tiny_checkpoint_is_what_it_was_initialised_to(tmp_path, architecture):
    folder = tiny_checkpoint(tmp_path, architecture)

    for name, tensor in load_file(folder / "model.safetensors").items():
        assert tensor.std() > 0.05, name
        assert not (tensor == 0).any(), name
        assert not (tensor == 1).any(), name


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_tiny_checkpoint_is_a_hugging_face_one(tmp_path, architecture):
    folder = tiny_checkpoint(tmp_path, architecture)

    assert AutoConfig.from_pretrained(folder).model_type == architecture
    assert AutoTokenizer.from_pretrained(folder).encode("a b") == [0, 1, 2]


def test_the_seed_decides_the_weights(tmp_path):
    weights = [
        (tiny_checkpoint(tmp_path / str(i), seed=seed) / "model.safetensors").read_bytes()
        for i, seed in enumerate((0, 0, 1))
    ]

    assert weights[0] == weights[1] != weights[2]


def test_the_global_random_state_is_left_alone(tmp_path):
    before = torch.random.get_rng_state()

    tiny_checkpoint(tmp_path)
    perfect_induction_model()

    assert torch.equal(torch.random.get_rng_state(), before)


def test_another_architecture_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'mamba' is no architecture here: choose llama or gpt2"):
        tiny_checkpoint(tmp_path, "mamba")
