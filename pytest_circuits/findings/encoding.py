"""Findings as JSON documents and back, with numbers rounded to what matters."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from pytest_circuits.findings.absent import without_value
from pytest_circuits.findings.finding import (
    Allowance,
    Behaviour,
    Canary,
    Direction,
    Finding,
    Json,
    Null,
    Role,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Decimals kept. Benign changes (another BLAS, bf16) move values by 1e-3 and more.
DECIMALS = 4


def _number(value: float) -> float | None:
    # Adding 0.0 turns −0.0 into 0.0, which would otherwise be a diff without a change.
    return round(float(value), DECIMALS) + 0.0 if math.isfinite(value) else None


def _numbers(values: NDArray[np.float64]) -> Json:
    if values.ndim == 0:
        return _number(float(values))
    return [_numbers(row) for row in values]


def _array(numbers: Json) -> NDArray[np.float64]:
    # numpy reads None as NaN when it is asked for floats.
    return np.array(numbers, dtype=np.float64)


def encode(finding: Finding) -> dict[str, Json]:
    """The finding as a JSON document (rounded; NaN becomes null)."""
    document: dict[str, Json] = {
        "measure": finding.measure,
        "quantity": finding.quantity,
        "unit": finding.unit,
        "direction": finding.direction.value,
        "convention": dict(finding.convention),
        "prompts": dict(finding.prompts),
        "samples": finding.samples,
        "clusters": finding.clusters,
        "companion": {b.name: _encode_behaviour(b) for b in finding.companion},
    }
    if finding.relative_to is not None:
        document["relative_to"] = finding.relative_to
    if finding.allowance is not None:
        document["allowance"] = [finding.allowance.floor, finding.allowance.share]
    if finding.canary is not None:
        document["canary"] = {
            "loss": _number(finding.canary.loss),
            "kind": finding.canary.kind,
            "tokens": finding.canary.tokens,
        }
    if finding.role is not None:
        document["role"] = {
            "name": finding.role.name,
            "threshold": _number(finding.role.threshold),
            "members": {str(head): _number(v) for head, v in finding.members().items()},
        }
        document["profiles"] = {
            str(head): _numbers(finding.profiles[str(head)])
            for head in sorted(finding.members())
            if str(head) in finding.profiles
        }
    elif finding.profiles:
        document["profiles"] = {name: _numbers(p) for name, p in finding.profiles.items()}
    if finding.nulls:
        document["nulls"] = {
            head: {"mean": _number(null.mean), "p": _number(null.p)}
            for head, null in finding.nulls.items()
        }
    document["axes"] = list(finding.axes)
    if finding.labels:
        document["labels"] = {axis: list(names) for axis, names in finding.labels.items()}
    document["values"] = _numbers(finding.values)
    document["errors"] = _numbers(finding.errors)
    document["recorded_with"] = dict(finding.provenance)
    return document


def _encode_behaviour(behaviour: Behaviour) -> Json:
    document: dict[str, Json] = {
        "value": _number(behaviour.value),
        "error": _number(behaviour.error),
        "clusters": behaviour.clusters,
        "direction": behaviour.direction.value,
        "unit": behaviour.unit,
        "vital": behaviour.vital,
        "judged": behaviour.judged,
    }
    if behaviour.interval is not None:
        document["interval"] = [_number(bound) for bound in behaviour.interval]
    if behaviour.profile is not None:
        document["profile"] = _numbers(behaviour.profile)
    return document


def decode(document: Mapping[str, Any]) -> Finding:
    """The finding in a document that :func:`encode` made.

    Raises:
        KeyError, TypeError, ValueError: if the document is no finding; the caller knows the
            file and says where.
    """
    allowance = document.get("allowance")
    return Finding(
        measure=document["measure"],
        quantity=document["quantity"],
        unit=document["unit"],
        direction=Direction(document["direction"]),
        axes=tuple(document["axes"]),
        samples=int(document["samples"]),
        clusters=int(document["clusters"]),
        convention=document["convention"],
        prompts=document["prompts"],
        relative_to=document.get("relative_to"),
        provenance=document["recorded_with"],
        labels={axis: tuple(names) for axis, names in document.get("labels", {}).items()},
        allowance=None if allowance is None else Allowance(*map(float, allowance)),
        **decode_measured(document),
    )


def decode_measured(document: Mapping[str, Any]) -> dict[str, Any]:
    """What was measured, by the finding's fields; all other fields were chosen.

    (A role's threshold may be a share of a behaviour; its members follow from the values.)
    """
    role, canary = document.get("role"), document.get("canary")
    values = _array(document["values"])
    return {
        "values": values,
        "absent": without_value(values),
        "errors": _array(document["errors"]),
        "role": None if role is None else Role(role["name"], float(role["threshold"])),
        "profiles": {name: _array(p) for name, p in document.get("profiles", {}).items()},
        "nulls": {
            head: Null(float(null["mean"]), float(null["p"]))
            for head, null in document.get("nulls", {}).items()
        },
        "companion": tuple(
            _decode_behaviour(name, behaviour) for name, behaviour in document["companion"].items()
        ),
        "canary": None
        if canary is None
        else Canary(float(canary["loss"]), canary["kind"], canary["tokens"]),
    }


def _decode_behaviour(name: str, document: Mapping[str, Any]) -> Behaviour:
    interval = document.get("interval")
    profile = document.get("profile")
    return Behaviour(
        name=name,
        value=float(_array(document["value"])),
        error=float(_array(document["error"])),
        clusters=int(document["clusters"]),
        direction=Direction(document["direction"]),
        unit=document["unit"],
        vital=bool(document["vital"]),
        judged=bool(document["judged"]),
        interval=None if interval is None else (float(interval[0]), float(interval[1])),
        profile=None if profile is None else _array(profile),
    )


def rounded(finding: Finding) -> Finding:
    """The finding as it would come back from its file, so that like is compared with like.

    It keeps all of its profiles, where the file has the members' alone, and knows the values and
    the clusters of its samples, which no file does.

    Raises:
        TypeError, ValueError: if its convention, prompts or provenance hold what JSON doesn't have.
    """
    chosen = {
        "convention": dict(finding.convention),
        "prompts": dict(finding.prompts),
        "provenance": dict(finding.provenance),
    }
    role, canary = finding.role, finding.canary
    values = _rounded(finding.values)
    return finding.derived(
        **json.loads(json.dumps(chosen, allow_nan=False)),
        axes=tuple(finding.axes),
        labels={axis: tuple(names) for axis, names in finding.labels.items()},
        samples=int(finding.samples),
        clusters=int(finding.clusters),
        values=values,
        absent=without_value(values),
        errors=_rounded(finding.errors),
        role=role and Role(role.name, _rounded_number(role.threshold)),
        profiles={head: _rounded(profile) for head, profile in finding.profiles.items()},
        nulls={
            name: Null(_rounded_number(null.mean), _rounded_number(null.p))
            for name, null in finding.nulls.items()
        },
        companion=tuple(
            _decode_behaviour(b.name, cast("dict[str, Any]", _encode_behaviour(b)))
            for b in finding.companion
        ),
        canary=canary and Canary(_rounded_number(canary.loss), canary.kind, canary.tokens),
        raw={},
        screen=False,
    )


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return _array(_numbers(values))


def _rounded_number(value: float) -> float:
    return float(_array(_number(value)))


__all__ = ["DECIMALS", "decode", "decode_measured", "encode", "rounded"]
