"""The tokenizers of seven model families, as people load them, for tests marked real."""

from functools import cache
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

CACHE = Path("~/.cache/pytest-circuits").expanduser()
FOLDERS = {
    name: CACHE / "tokenizers" / name
    for name in ("gpt2", "llama2", "llama3_1", "mistral", "qwen3", "gemma3")
} | {"smollm2": CACHE / "SmolLM2-135M-Instruct-Q4_1"}
#: Files of Llama's kind, loaded without its class, put a token before every text.
PLAIN = {"llama2, plain": "llama2", "mistral, plain": "mistral"}
LOADINGS = (*FOLDERS, *PLAIN)


@cache
def load(loading):
    """A tokenizer, loaded in one of these ways."""
    folder = FOLDERS[PLAIN.get(loading, loading)]
    if not (folder / "tokenizer.json").exists():
        made_by = "example_suites/smollm2/prepare_model.py and scripts/fetch_tokenizers.py"
        pytest.fail(f"{folder} has no tokenizer: run {made_by}")
    if loading in PLAIN:
        return PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"),
            bos_token="<s>",
            eos_token="</s>",
            unk_token="<unk>",
        )
    return AutoTokenizer.from_pretrained(folder)
