"""Tokenizers: read from a checkpoint's folder, checked, and kept as they are."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fit import first_lines
from pytest_circuits.prompts.tokens import ordinary_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_circuits.models.sources.sources import Source

#: How the names of files begin that hold a tokenizer's vocabulary.
_VOCABULARIES = ("tokenizer.", "vocab", "merges", "spiece", "sentencepiece", "tekken")
_COPY = (
    "Copy the tokenizer's files (tokenizer.json, tokenizer_config.json) from the model that it was "
    "trained from, or save them there with tokenizer.save_pretrained(folder)."
)


def read_tokenizer(source: Source, folder: Path) -> Any:  # noqa: ANN401 — any Hugging Face tokenizer
    """The tokenizer in a folder, as transformers loads it.

    Raises:
        ModelError: if there is none, or it can't be loaded.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        if not any(path.name.startswith(_VOCABULARIES) for path in folder.iterdir()):
            raise ModelError(f"{source.text}: it comes without a tokenizer.\n{_COPY}") from error
        raise ModelError(
            f"{source.text}: transformers can't load its tokenizer:\n{first_lines(error)}\n{_COPY}"
        ) from error


def check_tokenizer(source: Source, tokenizer: Any) -> None:  # noqa: ANN401
    """Refuse a tokenizer that knows no text.

    For some kinds of model transformers makes one of special tokens alone, if the folder has none.

    Raises:
        ModelError: if it has no ordinary tokens.
    """
    if tokenizer is None:
        raise ModelError(f"{source.text}: it comes without a tokenizer.\n{_COPY}")
    if not ordinary_tokens(tokenizer):
        raise ModelError(
            f"{source.text}: it comes without a tokenizer, or with one that has special tokens "
            f"only: {type(tokenizer).__name__} of {len(tokenizer)}.\n{_COPY}"
        )


@contextmanager
def as_it_is(tokenizer: Any) -> Iterator[None]:  # noqa: ANN401
    """While transformer-lens is given a tokenizer that it must not read again.

    It would, from where the tokenizer was saved, to make it put BOS first: without what was added
    since, and not at all if it was never saved.
    """
    options: dict[str, Any] = tokenizer.init_kwargs
    own = dict(options)
    options["add_bos_token"] = True
    try:
        yield
    finally:
        options.clear()
        options.update(own)
