"""Whether stored tensors are those that a config asks for, and what a library said of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_circuits.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_circuits.models.sources.sources import Source

#: Masks and rotary tables that older checkpoints carry; models compute them themselves.
_BUFFER = re.compile(r"\.(attn|attention)\.(masked_)?bias$|rotary_emb\.inv_freq$")


def check_fit(
    source: Source,
    missing: Iterable[str],
    unexpected: Iterable[str],
    wrong_shape: Iterable[str],
) -> None:
    """Refuse weights that aren't those of the config: the rest would be random or left out."""
    problems = [
        f"{kind}: {first_of(names)}"
        for kind, names in (
            ("wrong shape", sorted(wrong_shape)),
            ("missing", sorted(missing)),
            ("not in the config's model", sorted(n for n in unexpected if not _BUFFER.search(n))),
        )
        if names
    ]
    if problems:
        raise ModelError(
            f"{source.text}: the tensors don't fit config.json.\n"
            + "\n".join(problems)
            + "\nUse the config.json that was saved with these weights."
        )


def shape_text(shape: Iterable[int]) -> str:
    """A shape as people write it."""
    return " × ".join(map(str, shape))


def first_of(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def first_lines(error: BaseException) -> str:
    """The beginning of what a library said."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "\n".join(line[:200] for line in lines[:3]) or type(error).__name__
