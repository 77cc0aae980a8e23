"""What a config claims, against the tensors that are there: settled before anything is allocated.

A config of a few lines can claim a model of any size. Libraries believe it: they list its layers,
build it, and fill what the files don't have with random numbers, for minutes or until there is no
memory left; only then it shows that the weights are another model's. Headers of weights are small,
and can't claim more than their files hold.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_circuits.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import Tensor, nn

    from pytest_circuits.models.sources.source import Source

#: Fields that say how many layers there are, or how often some are gone through: libraries make
#: lists as long before they build them.
_LAYERS = re.compile(
    r"(?:layers?(?:_per_\w+)?|blocks?|depth|block_count|cycles|iters)$", re.IGNORECASE
)
#: Fields that say how many parts a tensor has, of which each takes a row or a column at least.
_PARTS = re.compile(r"(?:heads?|experts?|head_count|expert_count)$|^(?:init_)?r$", re.IGNORECASE)
#: Fields that say how long a vector is, which tables are made of; some models have one that they
#: don't use, so that it may be longer than any axis.
_VECTORS = re.compile(r"dim$", re.IGNORECASE)
_UNUSED = 1000
#: Weights that the longest axis of packed ones may hold in place of one: of 2 bits in an int32.
_PACKED = 16
#: Fields that say how many positions a model reads, for which some make tables at every pass; and
#: ten times as many as any does.
_POSITIONS = re.compile(
    r"(?:positions?|position_embeddings|n_ctx|max_seq\w*|seq_length|context_length)$", re.IGNORECASE
)
_MOST_POSITIONS = 1 << 27
#: The same of positions that are read at once, of which each is held against each.
_CHUNKS = re.compile(r"chunk_size(?:_feed_forward)?$", re.IGNORECASE)
_MOST_IN_A_CHUNK = 1 << 13
#: Fields that say how many kinds of answers there are: libraries name each of them, before anything
#: else is looked at; and more than any model of language has.
_LABELS = re.compile(r"(?:labels?|classes)$", re.IGNORECASE)
_MOST_LABELS = 1 << 16
#: Fields that list something for each layer, and how much longer than all tensors such a list may
#: be: some name the layers of the larger model that theirs was cut from.
_LISTS = re.compile(r"layer|block", re.IGNORECASE)
_LISTED = 1 << 12
#: A longer number is told by its beginning.
_DIGITS = 32
#: Layers that may share their weights, and so be more than there are tensors.
_SHARED = 64
#: Weights are made twice where a head is tied to the embedding, and some are never stored.
_TWICE, _NEVER_STORED = 2, 1 << 24
#: Masks and tables of positions are stored by no model, and grow with the square of its context.
_TABLES = 1 << 29
#: The bits of a number by its type in a safetensors file; of types that have their own in the name.
_BITS = re.compile(r"(\d+)")
_LEAST_BITS = 8
_FIX = "\nUse the {} that was saved with these weights."


class Stored(NamedTuple):
    """What files hold.

    Attributes:
        tensors: how many tensors.
        numbers: how many numbers they may stand for: a weight takes a bit at least.
        longest: the longest axis of one, as many weights as it may stand for.
    """

    tensors: int
    numbers: int
    longest: int

    @classmethod
    def of(cls, tensors: Iterable[tuple[str, tuple[int, ...]]], *, packed: bool = False) -> Stored:
        """What there is in tensors, given as type and shape each.

        Args:
            tensors: the tensors.
            packed: whether a number of theirs may hold several weights, as in quantised models.
        """
        there = [*tensors]
        return cls(
            tensors=len(there),
            numbers=sum(prod(shape) * (_bits(kind) if packed else 1) for kind, shape in there),
            longest=max((max(shape, default=1) for _, shape in there), default=0)
            * (_PACKED if packed else 1),
        )


def check_claims(
    source: Source, config: Mapping[str, Any], stored: Stored, called: str = "config.json"
) -> None:
    """Refuse a config that claims more layers than there are tensors, or the like.

    Args:
        source: how the user named it.
        config: what the config says.
        stored: what is stored.
        called: what the config is called.

    Raises:
        ModelError: naming the field.
    """
    axis = f"no tensor has an axis of more than {stored.longest:,}"
    most = (
        (_LAYERS, stored.tensors + _SHARED, f"there are {stored.tensors:,} tensors"),
        (_PARTS, max(stored.tensors, stored.longest), axis),
        (_VECTORS, _UNUSED * stored.longest, axis),
        (_POSITIONS, _MOST_POSITIONS, "no model reads as many"),
        (_CHUNKS, _MOST_IN_A_CHUNK, "no model reads as many at once"),
        (_LABELS, _MOST_LABELS, "no model of language has as many"),
    )
    listed = stored.tensors + _LISTED
    for name, value in _numbers(config):
        for fields, limit, why in most:
            if fields.search(name) and value > limit:
                raise ModelError(
                    f"{source.text}: {called} claims {_digits(value)} {name}, and {why}."
                    f"{_FIX.format(called)}"
                )
    for name, length in _lengths(config):
        if _LISTS.search(name) and length > listed:
            raise ModelError(
                f"{source.text}: {called} claims {length:,} {name}, and there are "
                f"{stored.tensors:,} tensors.{_FIX.format(called)}"
            )


@contextmanager
def no_larger_than(source: Source, stored: Stored, called: str = "config.json") -> Iterator[None]:
    """While a model is built from a config: it ends as soon as it is larger than what is stored.

    Args:
        source: how the user named it.
        stored: what is stored.
        called: what the config is called.

    Raises:
        ModelError: naming the weight at which that showed.
    """
    from torch.nn.modules import module as hooks

    most = _TWICE * stored.numbers + _NEVER_STORED
    made: dict[tuple[int, str], int] = {}
    total = 0

    def too_large(owner: nn.Module, name: str, size: int) -> ModelError:
        return ModelError(
            f"{source.text}: {called} claims a larger model than there is: its files hold "
            f"{stored.numbers:,} numbers,\n"
            f"and it has more with the {name} of a {type(owner).__name__}, "
            f"which alone has {size:,}.{_FIX.format(called)}"
        )

    def weight(owner: nn.Module, name: str, value: Tensor | None) -> None:
        nonlocal total
        size = 0 if value is None else value.numel()
        # What is put in another's place counts once.
        total += size - made.get((id(owner), name), 0)
        made[id(owner), name] = size
        if total > most:
            raise too_large(owner, name, size)

    def table(owner: nn.Module, name: str, value: Tensor | None) -> None:
        size = 0 if value is None else value.numel()
        if size > max(_TABLES, most):
            raise too_large(owner, name, size)

    added = [
        hooks.register_module_parameter_registration_hook(weight),
        hooks.register_module_buffer_registration_hook(table),
    ]
    try:
        yield
    finally:
        for each in added:
            each.remove()


def _fields(config: object) -> Iterator[tuple[str, object]]:
    """All fields of a config and of its parts, by their names."""
    waiting = [("", config)]
    while waiting:
        name, value = waiting.pop()
        yield name, value
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(name, each) for each in value if isinstance(each, dict)]


def _numbers(config: object) -> Iterator[tuple[str, float]]:
    for name, value in _fields(config):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value


def _lengths(config: object) -> Iterator[tuple[str, int]]:
    for name, value in _fields(config):
        if isinstance(value, list):
            yield name, len(value)


def _digits(number: float) -> str:
    text = f"{number:,}"
    return text if len(text) <= _DIGITS else f"{text[:_DIGITS]}… (of {len(str(number))} digits)"


def _bits(kind: str) -> int:
    found = _BITS.search(kind)
    return int(found[1]) if found else _LEAST_BITS
