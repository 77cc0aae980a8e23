"""Findings as JSON documents and back, with numbers rounded to what matters."""

from __future__ import annotations

import json
import math
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from pytest_circuits.findings.absent import without_value
from pytest_circuits.findings.allowance import Allowance
from pytest_circuits.findings.behaviour import Behaviour, Direction
from pytest_circuits.findings.digits import DECIMALS, places
from pytest_circuits.findings.finding import (
    Canary,
    Finding,
    Json,
    Null,
    Output,
    Role,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from pytest_circuits.findings.circuit import Head


def _number(value: float, digits: int = DECIMALS) -> float | None:
    # Adding 0.0 turns −0.0 into 0.0, which would otherwise be a diff without a change.
    return round(float(value), digits) + 0.0 if math.isfinite(value) else None


def _numbers(values: NDArray[np.float64], digits: int) -> Json:
    if values.ndim == 0:
        return _number(float(values), digits)
    return [_numbers(row, digits) for row in values]


def _array(numbers: Json) -> NDArray[np.float64]:
    # numpy reads None as NaN when it is asked for floats.
    return np.array(numbers, dtype=np.float64)


def encode(finding: Finding, followed: Collection[Head] | None = None) -> dict[str, Json]:
    """The finding as a JSON document (rounded; NaN becomes null).

    All that is in the finding's unit has the digits that its largest value is stored with, and a
    behaviour's numbers have those of its value: what is small beside them is rounding noise.

    Args:
        finding: the finding.
        followed: of a role, the heads whose samples are kept; by default those that have it.
    """
    digits = places(finding.values, finding.unit)
    members = finding.members()
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
    if finding.chance is not None:
        document["chance"] = _number(finding.chance)
    if finding.allowance is not None:
        document["allowance"] = list(astuple(finding.allowance))
    if finding.canary is not None:
        document["canary"] = {
            "loss": _number(finding.canary.loss),
            "kind": finding.canary.kind,
            "tokens": finding.canary.tokens,
        }
    if finding.role is not None:
        document["role"] = {
            "name": finding.role.name,
            "threshold": _number(finding.role.threshold, digits),
            "members": {str(head): _number(v, digits) for head, v in members.items()},
        }
        document["profiles"] = {
            str(head): _numbers(finding.profiles[str(head)], digits)
            for head in sorted(members if followed is None else followed)
            if str(head) in finding.profiles
        }
    elif finding.profiles:
        document["profiles"] = {name: _numbers(p, digits) for name, p in finding.profiles.items()}
    if finding.nulls:
        document["nulls"] = {
            head: {"mean": _number(null.mean, digits), "p": _number(null.p)}
            for head, null in finding.nulls.items()
        }
    if finding.outputs:
        document["outputs"] = {
            head: {"mean": _number(output.mean), "error": _number(output.error)}
            for head, output in finding.outputs.items()
        }
    document["axes"] = list(finding.axes)
    if finding.labels:
        document["labels"] = {axis: list(names) for axis, names in finding.labels.items()}
    document["values"] = _numbers(finding.values, digits)
    document["errors"] = _numbers(finding.errors, digits)
    document["recorded_with"] = dict(finding.provenance)
    return document


def _encode_behaviour(behaviour: Behaviour) -> Json:
    digits = places(behaviour.value, behaviour.unit)
    document: dict[str, Json] = {
        "value": _number(behaviour.value, digits),
        "error": _number(behaviour.error, digits),
        "clusters": behaviour.clusters,
        "direction": behaviour.direction.value,
        "unit": behaviour.unit,
        "vital": behaviour.vital,
        "judged": behaviour.judged,
    }
    if behaviour.chance is not None:
        document["chance"] = _number(behaviour.chance)
    if behaviour.interval is not None:
        document["interval"] = [_number(bound, digits) for bound in behaviour.interval]
    if behaviour.profile is not None:
        document["profile"] = _numbers(behaviour.profile, digits)
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
    role, canary, chance = (document.get(name) for name in ("role", "canary", "chance"))
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
        "outputs": {
            head: Output(float(output["mean"]), float(_array(output["error"])))
            for head, output in document.get("outputs", {}).items()
        },
        "chance": None if chance is None else float(chance),
        "companion": tuple(
            _decode_behaviour(name, behaviour) for name, behaviour in document["companion"].items()
        ),
        "canary": None
        if canary is None
        else Canary(float(canary["loss"]), canary["kind"], canary["tokens"]),
    }


def _decode_behaviour(name: str, document: Mapping[str, Any]) -> Behaviour:
    interval, profile, chance = (document.get(name) for name in ("interval", "profile", "chance"))
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
        chance=None if chance is None else float(chance),
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
    digits = places(finding.values, finding.unit)
    values = _rounded(finding.values, digits)
    return finding.derived(
        **json.loads(json.dumps(chosen, allow_nan=False)),
        axes=tuple(finding.axes),
        labels={axis: tuple(names) for axis, names in finding.labels.items()},
        samples=int(finding.samples),
        clusters=int(finding.clusters),
        values=values,
        absent=without_value(values),
        errors=_rounded(finding.errors, digits),
        role=role and Role(role.name, _rounded_number(role.threshold, digits)),
        profiles={head: _rounded(profile, digits) for head, profile in finding.profiles.items()},
        nulls={
            name: Null(_rounded_number(null.mean, digits), _rounded_number(null.p))
            for name, null in finding.nulls.items()
        },
        outputs={
            head: Output(_rounded_number(output.mean), _rounded_number(output.error))
            for head, output in finding.outputs.items()
        },
        chance=None if finding.chance is None else _rounded_number(finding.chance),
        companion=tuple(
            _decode_behaviour(b.name, cast("dict[str, Any]", _encode_behaviour(b)))
            for b in finding.companion
        ),
        canary=canary and Canary(_rounded_number(canary.loss), canary.kind, canary.tokens),
        raw={},
        screen=False,
    )


def _rounded(values: NDArray[np.float64], digits: int) -> NDArray[np.float64]:
    return _array(_numbers(values, digits))


def _rounded_number(value: float, digits: int = DECIMALS) -> float:
    return float(_array(_number(value, digits)))


__all__ = ["decode", "decode_measured", "encode", "rounded"]
