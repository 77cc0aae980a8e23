"""Write the table of docs/measures.md that says what each tokenizer makes of the prompt builders.

    python scripts/fetch_tokenizers.py
    python scripts/builders_table.py

It needs SmolLM2 too, whose folder example_suites/smollm2/prepare_model.py makes.
"""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import AutoTokenizer

from pytest_circuits import prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAGE = Path(__file__).parents[1] / "docs/measures.md"
CACHE = Path("~/.cache/pytest-circuits").expanduser()
#: Where each tokenizer is, by the name of its column.
FOLDERS = {
    "GPT-2": CACHE / "tokenizers/gpt2",
    "Llama 2": CACHE / "tokenizers/llama2",
    "Llama 3.1": CACHE / "tokenizers/llama3_1",
    "Mistral": CACHE / "tokenizers/mistral",
    "Qwen3": CACHE / "tokenizers/qwen3",
    "Gemma 3": CACHE / "tokenizers/gemma3",
    "SmolLM2": CACHE / "SmolLM2-135M-Instruct-Q4_1",
}
#: Each builder with its options, by the first cell of its row.
BUILDERS: dict[str, Callable[..., Any]] = {
    "`ioi`": prompts.ioi,
    '`ioi(order="ABBA")`': partial(prompts.ioi, order="ABBA"),
    '`ioi(corruption="third name")`': partial(prompts.ioi, corruption="third name"),
    "`ioi(templates=12)`": partial(prompts.ioi, templates=12),
    "`greater_than`": prompts.greater_than,
    "`greater_than(digits=1)`": partial(prompts.greater_than, digits=1),
    "`subject_verb_agreement`": prompts.subject_verb_agreement,
    "`country_capital`": prompts.country_capital,
    "`repeated_phrases`": prompts.repeated_phrases,
}
HEAD = f"| | {' | '.join(FOLDERS)} |\n|---|{'---|' * len(FOLDERS)}\n"
#: More pairs than any builder has.
_TOO_MANY = 10**30
#: Of this many pairs nobody asks for the last.
_MANY = 10**6


def table(tokenizers: Mapping[str, Any]) -> str:
    """The table, with a row for each builder and a column for each tokenizer."""
    rows = [
        f"| {name} | {' | '.join(cell(builder, one) for one in tokenizers.values())} |\n"
        for name, builder in BUILDERS.items()
    ]
    return HEAD + "".join(rows)


def cell(builder: Callable[..., Any], tokenizer: Any) -> str:  # noqa: ANN401
    """The largest number of pairs, and how many words are left out; or that it is refused."""
    pairs = builder(n=2)
    with warnings.catch_warnings(action="ignore", category=prompts.PromptWarning):
        try:
            dropped = pairs.check(tokenizer).dropped
        except prompts.PromptError:
            return "refused"
    most = _most(pairs, dropped)
    number = "any" if most > _MANY else f"{most}"
    words = pairs._words  # noqa: SLF001
    return f"{number}, without {len(dropped)} of {len(words)} words" if dropped else number


def _most(pairs: Any, dropped: tuple[str, ...]) -> int:  # noqa: ANN401
    """The largest number of pairs without some words, as the refusal of more names it."""
    try:
        pairs._draw(frozenset(dropped), n=_TOO_MANY)  # noqa: SLF001 — with another n
    except prompts.PromptError as error:
        return int(str(error).rpartition(" ")[2])
    raise AssertionError(pairs.name)


def renewed(page: str) -> str:
    """The page with its table."""
    start = page.index(HEAD)
    end = page.index("\n\n", start) + 1
    tokenizers = {name: AutoTokenizer.from_pretrained(path) for name, path in FOLDERS.items()}
    return page[:start] + table(tokenizers) + page[end:]


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
