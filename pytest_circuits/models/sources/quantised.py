"""Quantised checkpoints: which of them transformers makes floats of, and which stay packed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fit import first_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.models.sources.sources import Source

#: Schemes whose weights are made floats when they are loaded. Their own modules run on some
#: machines only (fp8), or can't be hooked (compressed-tensors).
_MADE_FLOATS = ("compressed-tensors", "fp8")


def scheme_of(config: Mapping[str, Any]) -> str | None:
    """How a checkpoint's weights are quantised, by its config; None if they aren't."""
    quantised = config.get("quantization_config")
    return str(quantised.get("quant_method", "unknown")) if isinstance(quantised, dict) else None


def become_floats(scheme: str | None) -> bool:
    """Whether weights quantised so are made floats when they are loaded."""
    return scheme in _MADE_FLOATS


def check_dtype(source: Source, scheme: str | None, asked: str, own: str) -> None:
    """Refuse another dtype than a quantised checkpoint's own, unless its weights are made floats.

    Raises:
        ModelError: if that is asked for.
    """
    if scheme is not None and not become_floats(scheme) and asked not in ("auto", own):
        raise ModelError(
            f"{source.text}: its weights are quantised ({scheme}) and can't be made {asked}.\n"
            f"Load it in its own dtype ({own}): --circuits-dtype=auto."
        )


def lacks_library(source: Source, scheme: str, error: ImportError) -> ModelError:
    """The error of a scheme whose library isn't installed."""
    said = first_lines(error)
    if error.name:  # where transformers itself imported it, and so doesn't say what to install
        said += f"\npip install {error.name.partition('.')[0]}"
    return ModelError(
        f"{source.text}: its weights are quantised ({scheme}), and what reads them is not "
        f"installed:\n{said}"
    )
