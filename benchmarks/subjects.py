"""What is measured on: models, and prompts that differ late or early."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformer_lens.model_bridge import TransformerBridge
from transformers import LlamaConfig, LlamaForCausalLM

from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import PromptPairs, ioi
from pytest_circuits.testing import draw_parameters, word_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

#: Where example_suites/smollm2/prepare_model.py puts it.
SMOLLM2 = Path("~/.cache/pytest-circuits/SmolLM2-135M-Instruct-Q4_1").expanduser()
#: The position, BOS counted, in which the prompts of a pair differ first.
DIFFER = {"late": 10, "early": 2}
#: Tokens of a prompt, BOS counted.
LENGTH = 15
#: Somebody to stand in an early corrupted prompt for the first name.
_STRANGERS = (" Peter", " Laura", " Alice")
#: The shape of Llama 3.2 1B, and of GPT-2 small.
LLAMA_1B = {
    "vocab_size": 128_256,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": True,
}
GPT2_SMALL = {"vocab_size": 50_257, "n_layer": 12, "n_head": 12, "n_embd": 768}
#: The same in a toy's size.
LLAMA_TINY = LLAMA_1B | {
    "vocab_size": 200,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
GPT2_TINY = {"vocab_size": 200, "n_layer": 2, "n_head": 4, "n_embd": 64}


def smollm2(device: str) -> TransformerBridge:
    """SmolLM2-135M-Instruct in float32."""
    if not SMOLLM2.is_dir():
        raise SystemExit(
            f"there is no {SMOLLM2}; example_suites/smollm2/README.md says how to make it"
        )
    return load(parse_source(str(SMOLLM2)), device=device, dtype="float32").bridge


def bundled(device: str) -> TransformerBridge:
    """The bundled model: two layers, 42,000 parameters."""
    return load(parse_source("bundled:recall"), device=device).bridge


def llama(device: str, **shape: Any) -> TransformerBridge:  # noqa: ANN401 — a config's own
    """A random Llama of some shape (see ``LLAMA_1B``)."""
    return hooked(random_model(LlamaForCausalLM, LlamaConfig, **shape), device)


def random_model(
    kind: type[PreTrainedModel],
    config: type,
    **shape: Any,  # noqa: ANN401
) -> PreTrainedModel:
    """A Hugging Face model with random weights, its attention sharp."""
    model = kind(config(**shape, bos_token_id=0, eos_token_id=0, pad_token_id=None))
    model.set_attn_implementation("eager")
    draw_parameters(model)
    return model.eval().requires_grad_(requires_grad=False)


def hooked(model: PreTrainedModel, device: str) -> TransformerBridge:
    """A model in memory, hooked; its tokens are words without meaning."""
    words = ["a", *(f"w{number}" for number in range(2, model.config.vocab_size))]
    tokenizer = word_tokenizer(words)
    # Without this the bridge would look for the tokenizer's files, and there are none.
    tokenizer.init_kwargs["add_bos_token"] = True
    return TransformerBridge.boot_transformers(
        "random", hf_model=model.to(device), tokenizer=tokenizer
    )


def ioi_pairs(count: int, differ: str) -> PromptPairs:
    """IOI pairs of 15 SmolLM2 tokens.

    Late: the giver is swapped. Early: a stranger stands where the first name is introduced.
    """
    # The fourth template's names stand one token later.
    drawn = ioi(n=max(2, count), templates=3)
    clean, corrupted = list(drawn.clean[:count]), list(drawn.corrupted[:count])
    if differ == "early":
        corrupted = [_with_a_stranger(text) for text in clean]
    return PromptPairs(
        clean=clean,
        corrupted=corrupted,
        answers=list(drawn.answers[:count]),
        wrong_answers=list(drawn.wrong_answers[:count]),
    )


def _with_a_stranger(text: str) -> str:
    name = f" {text.split()[1]}"
    stranger = next(each for each in _STRANGERS if each not in text)
    return text.replace(name, stranger, 1)


def word_pairs(
    bridge: TransformerBridge, count: int, differ: int, length: int = LENGTH
) -> PromptPairs:
    """Pairs of random words that differ in one, for a model whose tokens are words.

    A model without a behaviour has no right answers. Those taken are the words whose logits the
    difference moves most, so that there is something for a patch to restore.

    Args:
        bridge: the model.
        count: how many pairs.
        differ: the position in which they differ, BOS counted.
        length: tokens of a prompt, BOS counted.
    """
    draw = random.Random(0)  # noqa: S311 — prompts, no secrets
    words = sorted(set(bridge.tokenizer.get_vocab()) - {bridge.tokenizer.bos_token})
    drawn = [draw.sample(words, length) for _ in range(count)]
    clean = [each[:-1] for each in drawn]
    corrupted = [[*each[: differ - 1], each[-1], *each[differ:-1]] for each in drawn]
    with torch.no_grad():
        logits = [_last_logits(bridge, prompts) for prompts in (clean, corrupted)]
    # The first token is BOS, which is no answer.
    moved = (logits[0] - logits[1])[:, 1:]
    names = bridge.tokenizer.convert_ids_to_tokens
    return PromptPairs(
        clean=[" ".join(each) for each in clean],
        corrupted=[" ".join(each) for each in corrupted],
        answers=names((moved.argmax(1) + 1).tolist()),
        wrong_answers=names((moved.argmin(1) + 1).tolist()),
    )


def _last_logits(bridge: TransformerBridge, prompts: Sequence[Sequence[str]]) -> torch.Tensor:
    tokenizer = bridge.tokenizer
    rows = [[tokenizer.bos_token_id, *tokenizer.convert_tokens_to_ids(each)] for each in prompts]
    device = next(bridge.parameters()).device
    return bridge(torch.tensor(rows, device=device), return_type="logits")[:, -1].cpu()
