"""Findings made by hand: heads with profiles, nulls and the behaviours they serve."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings import (
    Behaviour,
    Canary,
    Direction,
    Finding,
    Head,
    Null,
    Output,
    Role,
)
from pytest_circuits.verdicts import Allowance, Tolerance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: 0.05 for a head, a tenth of a role, 0.15 for a behaviour.
TOLERANCE = Tolerance(
    value=Allowance(floor=0.05, share=0.0),
    role=Allowance(floor=0.1, share=0.1),
    behaviours={
        "repeat_loss": Allowance(floor=0.15, share=0.0, least=0.15),
        "repeat_gain": Allowance(floor=0.15, share=0.0, least=0.15),
        "logit_diff_gap": Allowance(floor=0.2, share=0.05),
    },
    canary=Allowance(floor=0.05, share=0.0),
)

#: Two ways of going through the samples, as unlike as can be, each with mean 0.
UP, DOWN = (-0.1, -0.1, 0.1, 0.1), (0.1, 0.1, -0.1, -0.1)


def around(value: float, shape: Sequence[float] = UP) -> tuple[float, ...]:
    """A profile with that mean."""
    return tuple(value + deviation for deviation in shape)


def role(
    heads: Mapping[str, float | Sequence[float]],
    *,
    shape: tuple[int, int] = (3, 4),
    direction: Direction = Direction.HIGHER,
    threshold: float = 0.4,
    error: float = 0.01,
    nulls: Mapping[str, tuple[float, float]] | None = None,
    outputs: Mapping[str, float | tuple[float, float]] | None = None,
    loss: float = 0.5,
    gain: float = 4.0,
    canary: Canary | None = None,
) -> Finding:
    """A finding with a role.

    Args:
        heads: each head's profile, whose mean is its value; or a value without a profile. The
            other heads are 0.
        shape: layers and heads.
        direction: which way a value gets better.
        threshold: of the role.
        error: every head's standard error.
        nulls: mean and p of heads.
        outputs: mean of what heads write, with an error of 0.01 or with its error.
        loss: the repeat loss.
        gain: the repeat gain, which is vital.
        canary: the loss on a fixed text.
    """
    values = np.zeros(shape)
    for head, profile in heads.items():
        values[Head.parse(head)] = np.mean(profile)
    finding = Finding(
        measure="induction_scores",
        quantity="induction score",
        unit="attention probability",
        direction=direction,
        axes=("layer", "head"),
        values=values,
        errors=np.full(shape, error),
        samples=10,
        clusters=10,
        convention={"block": 16, "seed": 0},
        prompts={"kind": "repeated tokens", "tokens": "aa11"},
        role=Role("induction heads", threshold),
        nulls={head: Null(*null) for head, null in (nulls or {}).items()},
        outputs={
            head: Output(*(written if isinstance(written, tuple) else (written, 0.01)))
            for head, written in (outputs or {}).items()
        },
        companion=(
            Behaviour("repeat_loss", loss, 0.05, 10, Direction.LOWER, "nats"),
            Behaviour("repeat_gain", gain, 0.1, 10, Direction.HIGHER, "nats", vital=True),
        ),
        canary=canary,
    )
    profiles = {
        head: np.array(profile, dtype=np.float64)
        for head, profile in heads.items()
        if not isinstance(profile, float) and abs(np.mean(profile)) >= threshold / 2
    }
    return replace(finding, profiles=profiles)


def sampled(finding):
    """The finding with profiles of as many samples as it says it has: its own, over and over."""
    times = {-(-finding.samples // len(profile)) for profile in finding.profiles.values()}
    if not times:
        return finding
    (count,) = times
    profiles = {head: np.tile(profile, count) for head, profile in finding.profiles.items()}
    samples = max(map(len, profiles.values()))
    return replace(finding, profiles=profiles, samples=samples)


def fractions(
    heads: Mapping[str, float | Sequence[float]], *, gap: float = 4.0, **fields: object
) -> Finding:
    """Fractions of a gap that heads restore; profiles are in logits, as a file keeps them."""
    finding = role(heads, direction=Direction.TWO_SIDED, **fields)
    return replace(
        finding,
        measure="patch",
        quantity="fraction recovered",
        unit="fraction",
        role=Role("heads that restore the answer", 0.1),
        profiles={head: gap * np.array(p) for head, p in heads.items()},
        companion=(
            Behaviour("logit_diff_gap", gap, 0.1, 10, Direction.HIGHER, "logits", vital=True),
        ),
        relative_to="logit_diff_gap",
    )


def number(value: float, *, error: float) -> Finding:
    """A logit difference."""
    return replace(
        role({}),
        measure="logit_diff",
        quantity="logit difference",
        unit="logits",
        axes=(),
        values=np.array(value),
        errors=np.array(error),
        role=None,
        companion=(),
        allowance=Allowance(floor=0.2, share=0.05, least=0.1),
    )


def permuted(finding: Finding, places: Mapping[Head, Head]) -> Finding:
    """The same heads, each in another place."""
    label = {str(old): str(new) for old, new in places.items()}
    values, errors = np.empty_like(finding.values), np.empty_like(finding.errors)
    for old, new in places.items():
        values[new], errors[new] = finding.values[old], finding.errors[old]
    return replace(
        finding,
        values=values,
        errors=errors,
        profiles={label[head]: profile for head, profile in finding.profiles.items()},
        nulls={label[head]: null for head, null in finding.nulls.items()},
    )


def cells(
    values: object,
    axes: Sequence[str],
    labels: Mapping[str, Sequence[str]] | None = None,
    **fields: object,
) -> Finding:
    """Values of cells for which no role is known, in fractions of nothing in particular."""
    array = np.array(values, dtype=np.float64)
    return replace(
        role({}),
        **{
            "measure": "patch",
            "quantity": "recovered",
            "unit": "fraction of the logit difference",
            "direction": Direction.TWO_SIDED,
            "axes": tuple(axes),
            "values": array,
            "errors": np.full(array.shape, 0.01),
            "labels": {axis: tuple(names) for axis, names in (labels or {}).items()},
            "role": None,
            **fields,
        },
    )


def without(finding: Finding, *cells: tuple[int, ...]) -> Finding:
    """The finding of a model that does not have these cells; of a shorter index, none in it."""
    absent = np.zeros(finding.values.shape, dtype=bool)
    for cell in cells:
        absent[cell] = True
    gone = {finding.cell_name(cell) for cell in np.argwhere(absent).tolist()}
    return replace(
        finding,
        values=np.where(absent, np.nan, finding.values),
        errors=np.where(absent, np.nan, finding.errors),
        absent=absent,
        profiles={head: p for head, p in finding.profiles.items() if head not in gone},
        nulls={head: null for head, null in finding.nulls.items() if head not in gone},
    )


def widened(finding: Finding, layers: int, there: Sequence[int]) -> Finding:
    """A finding of so many layers of which only these have what the finding has in order."""
    shape = (layers, *finding.values.shape[1:])
    values, errors = np.full(shape, np.nan), np.full(shape, np.nan)
    values[list(there)], errors[list(there)] = finding.values, finding.errors

    def at(label: str) -> str:
        layer, head = Head.parse(label)
        return str(Head(there[layer], head))

    profiles = {at(head): profile for head, profile in finding.profiles.items()}
    nulls = {at(head): null for head, null in finding.nulls.items()}
    return replace(
        finding, values=values, errors=errors, absent=np.isnan(values), profiles=profiles,
        nulls=nulls,
    )  # fmt: skip


def relabelled(texts: Sequence[str], there: Sequence[int]) -> list[str]:
    """What is said of a finding's heads and layers, of the one that :func:`widened` makes."""

    def at(found: re.Match[str]) -> str:
        return f"{found[1]}{there[int(found[2])]}"

    return [re.sub(r"\b(L|layer )(\d)(?=H|\b)", at, text) for text in texts]
