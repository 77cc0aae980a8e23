"""Repeated tokens as long as those of the baseline that a finding is going to be held against.

By default their lengths follow from the model: its context, its attention windows, and the memory
that there is. A candidate that has other ones is measured at the lengths that its baseline has, or
the two would be different quantities.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_circuits.prompts import RepeatedTokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_circuits.session.measuring import Measurement


def as_stored(measurement: Measurement, stored: Iterator[Mapping[str, Any]]) -> Measurement:
    """A measurement at the lengths of what is stored for its test, if its own lengths are open.

    Args:
        measurement: what a test asks for.
        stored: the documents of the test's baselines, nearest owner first.
    """
    arguments, options = list(measurement.arguments), dict(measurement.options)
    asked = arguments[0] if arguments else options.get("prompts")
    if not (asked is None or (isinstance(asked, RepeatedTokens) and asked.block is None)):
        return measurement
    wanted = asked or RepeatedTokens()
    block = next((block for one in stored if (block := _block(one, measurement, wanted))), None)
    if block is None:
        return measurement
    prompts = replace(wanted, block=block)
    if arguments:
        arguments[0] = prompts
    else:
        options["prompts"] = prompts
    return measurement._replace(arguments=tuple(arguments), options=options)


def _block(
    stored: Mapping[str, Any], measurement: Measurement, wanted: RepeatedTokens
) -> int | tuple[int, int] | None:
    """The lengths of a baseline's repeated tokens, if it is one of the same measure and draw."""
    convention = stored["convention"]
    same = (
        stored["measure"] == measurement.measure
        and stored["prompts"].get("kind") == "repeated tokens"
        and convention.get("seed") == wanted.seed
        and convention.get("batch") == wanted.batch
    )
    if not same:
        return None
    block: int | list[int] = convention["block"]
    return (block[0], block[1]) if isinstance(block, list) else block
