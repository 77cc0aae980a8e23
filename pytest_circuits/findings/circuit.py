"""Attention heads and their labels; circuits, which are the heads and MLPs said to do a job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from pytest_circuits.findings.choices import is_whole
from pytest_circuits.findings.strict_json import parse_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.findings.finding import Json

_LABEL = re.compile(r"L(?P<layer>\d+)H(?P<index>\d+)|(?P<layer2>\d+)\.(?P<index2>\d+)", re.ASCII)
_FIELDS = ("name", "heads", "mlps")
#: What the one group is called of a circuit whose heads are a plain list.
UNNAMED = "heads"


class Head(NamedTuple):
    """One attention head: its layer and its index in the layer, both from 0."""

    layer: int
    head_index: int

    def __str__(self) -> str:
        return f"L{self.layer}H{self.head_index}"

    @classmethod
    def parse(cls, label: HeadLike) -> Head:
        """Read ``L5H1`` (as transformer-lens writes it), ``5.1`` or ``(5, 1)`` (as papers do).

        A pair may be a list, as in JSON, and its numbers numpy's. A head is such a pair.

        Raises:
            ValueError: if it is none of these.
        """
        if isinstance(label, str) and (match := _LABEL.fullmatch(label.strip())):
            layer = match["layer"] or match["layer2"]
            index = match["index"] or match["index2"]
            return cls(int(layer), int(index))
        pair: Sequence[Any] = label if isinstance(label, list | tuple) else ()
        if len(pair) == len(cls._fields) and all(is_whole(n) and n >= 0 for n in pair):
            return cls(*map(int, pair))
        raise ValueError(f"{label!r} is no head label: write L5H1, 5.1 or (5, 1)")


#: A head, its label, or the pair of its layer and its index.
HeadLike: TypeAlias = "str | Head | Sequence[int]"


class CircuitError(ValueError):
    """A circuit can't be what it is written as; the message says why."""


@dataclass(frozen=True, init=False)
class Circuit:
    """Heads and MLPs of a model, the heads perhaps in named groups.

    Example:
        >>> ioi = Circuit(
        ...     {"name movers": ["L9H9", "9.6", "10.0"], "S-inhibition": ["L7H3", "L7H9"]},
        ...     mlps="all",
        ... )
        >>> len(ioi.heads), ioi.groups["name movers"][1]
        (5, Head(layer=9, head_index=6))

    Attributes:
        groups: heads by the group's name, in the order they were given; a plain list of heads is
            one group named ``heads``.
        mlps: layers whose MLP belongs to the circuit, or ``"all"``.
        name: what it is called.
    """

    groups: Mapping[str, tuple[Head, ...]]
    mlps: tuple[int, ...] | Literal["all"]
    name: str

    def __init__(
        self,
        heads: Sequence[HeadLike] | Mapping[str, Sequence[HeadLike]],
        mlps: Sequence[int] | Literal["all"] = "all",
        name: str = "circuit",
    ) -> None:
        groups = heads if isinstance(heads, Mapping) else {UNNAMED: heads}
        parsed = {str(group): _heads(group, labels) for group, labels in groups.items()}
        seen: dict[Head, str] = {}
        for group, members in parsed.items():
            for head in members:
                if head in seen:
                    raise CircuitError(f"{name}: {head} is in {seen[head]!r} and in {group!r}")
                seen[head] = group
        if mlps != "all" and not (
            isinstance(mlps, list | tuple) and all(is_whole(m) and m >= 0 for m in mlps)
        ):
            raise CircuitError(f"{name}: mlps is 'all' or a list of layers, not {mlps!r}")
        layers: tuple[int, ...] | Literal["all"] = (
            "all" if mlps == "all" else tuple(sorted(set(map(int, mlps))))
        )
        if not seen and not layers:
            raise CircuitError(f"{name}: a circuit has a head or an MLP at least")
        object.__setattr__(self, "groups", parsed)
        object.__setattr__(self, "mlps", layers)
        object.__setattr__(self, "name", name)

    def __hash__(self) -> int:
        return hash((tuple(self.groups.items()), self.mlps, self.name))

    @property
    def heads(self) -> tuple[Head, ...]:
        """Every head, lowest layer first."""
        return tuple(sorted(head for members in self.groups.values() for head in members))

    @classmethod
    def from_json(cls, path: str | Path) -> Circuit:
        """Read a circuit from a JSON file.

        An object with ``heads`` (a list of labels, or lists by group name), and perhaps ``mlps``
        (a list of layers, or ``"all"``) and ``name``.

        Raises:
            CircuitError: if the file is anything else; the message names it.
        """
        path = Path(path)
        try:
            document: Any = parse_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise CircuitError(f"{path}: can't be read as JSON ({error})") from error
        if not isinstance(document, dict) or "heads" not in document:
            raise CircuitError(f"{path}: holds no circuit, which is an object with heads")
        unknown = sorted(set(document) - set(_FIELDS))
        if unknown:
            raise CircuitError(
                f"{path}: has unknown {', '.join(unknown)}; a circuit has {', '.join(_FIELDS)}"
            )
        try:
            return cls(
                document["heads"],
                mlps=document.get("mlps", "all"),
                name=str(document.get("name") or path.stem),
            )
        except CircuitError as error:
            raise CircuitError(f"{path}: {error}") from None

    def to_json(self) -> dict[str, Json]:
        """The circuit as a JSON document, as :meth:`from_json` reads it."""
        return {
            "name": self.name,
            "heads": {group: [str(head) for head in heads] for group, heads in self.groups.items()},
            "mlps": self.mlps if self.mlps == "all" else list(self.mlps),
        }


def _heads(group: str, labels: object) -> tuple[Head, ...]:
    if not isinstance(labels, list | tuple) or isinstance(labels, Head):
        raise CircuitError(f"{group}: heads is a list of labels such as L5H1, not {labels!r}")
    try:
        return tuple(Head.parse(label) for label in labels)
    except ValueError as error:
        raise CircuitError(f"{group}: {error}") from None
