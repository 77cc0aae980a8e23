"""Which quantity a finding is: two findings are compared if they are the same one, and only then.

Everything that compares findings goes by this module, so that what is comparable to one of them is
comparable to all.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_circuits.findings.absent import extent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_circuits.findings.behaviour import Behaviour
    from pytest_circuits.findings.finding import Finding

#: What a convention says for the reader alone, and the digest beside it that decides: positions
#: may be called END, -1 or 14, and a mask whatever its author likes.
_WORDS = {"positions": "indices", "name": "mask"}
#: What a chat template adds to messages is in the tokens, which decide.
_CHAT = "chat"
#: What is known of prompts besides, and follows from their tokens.
_COVERED = ("ids", "dropped", "vocabulary")
#: What a behaviour on a prompt that was not touched is called beside others of the same prompts.
_UNTOUCHED = ("clean_", "whole_")
#: Of a convention, what makes a behaviour another one on the same tokens.
_OF_BEHAVIOURS = ("first_token", "metric_code", "without")
#: The model that a divergence is from: it makes that another one, and not the behaviours beside it.
_FROM = "other"
#: What another tokenizer makes of the same prompts.
_OF_TOKENIZER = (
    "convention.first_token", "convention.positions", "convention.indices", "labels.position",
    "prompts.tokens", "prompts.corrupted_tokens", "prompts.first_token", "prompts.predicted",
)  # fmt: skip
#: What is called so that differs where those do, and the prompts are the same.
TOKENIZER = "tokenizer"
#: Cells of an axis that are named where their names differ.
_NAMES_SHOWN = 2


def deciding(finding: Finding) -> dict[str, object]:
    """What two findings have in common if their values are of the same quantity, by field.

    The shape of the values and the behaviours beside them decide too: see :func:`differing`.
    """
    convention = finding.convention
    return {
        "measure": finding.measure,
        "unit": finding.unit,
        "direction": finding.direction.value,
        "relative_to": finding.relative_to,
        "axes": " × ".join(finding.axes),
        **{
            f"labels.{axis}": list(names)
            for axis, names in finding.labels.items()
            if not (axis == "position" and "indices" in convention)
        },
        **{
            f"convention.{name}": value
            for name, value in convention.items()
            if _WORDS.get(name) not in convention and name != _CHAT
        },
        **{
            f"prompts.{name}": value
            for name, value in finding.prompts.items()
            if name not in _COVERED
        },
    }


def identity(finding: Finding, behaviour: Behaviour) -> str:
    """By what a behaviour is known as the same one beside other findings of the same model.

    Its name and a digest of unit, prompts and metric. The logit difference on the clean prompts is
    the same behaviour whether it is a finding, or stands beside an attribution, a patch, or a
    circuit's faithfulness. Empty for one number that no other finding has beside it: a fraction, or
    the harm of an ablation.
    """
    own = not finding.axes and behaviour.name == finding.measure
    if own and (finding.relative_to is not None or finding.direction == "two-sided"):
        return ""
    name = behaviour.name
    for prefix in _UNTOUCHED:
        name = name.removeprefix(prefix)
    other = [finding.convention[_FROM]] if own and _FROM in finding.convention else []
    return f"{name}:{_digest([behaviour.unit, *_asked(finding), *other])}"


def prompts_identity(finding: Finding) -> str:
    """A digest of a finding's prompts, equal for two findings on the same prompts."""
    return f"prompts:{_digest(_asked(finding))}"


def _asked(finding: Finding) -> list[object]:
    return [
        finding.prompts.get("tokens"),
        finding.prompts.get("texts"),
        *(finding.convention.get(part) for part in _OF_BEHAVIOURS),
    ]


def _digest(said: Sequence[object]) -> str:
    text = json.dumps(said, sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()[:8]


def differing(found: Finding, approved: Finding) -> dict[str, tuple[object, object]]:
    """The fields that make two findings different quantities; empty if they are the same.

    Args:
        found: what was measured. It may have more behaviours beside its values than the other one.
        approved: what it is held against.

    Returns:
        what the approved one and the other one have, by field.
    """
    before, after = deciding(approved), deciding(found)
    pairs = {name: (before.get(name), after.get(name)) for name in {**before, **after}}
    pairs["shape"] = _shapes(approved, found)
    pairs |= _of_companion(found, approved)
    pairs = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if "measure" in pairs:  # then of course
        return {
            name: pair
            for name, pair in pairs.items()
            if not name.startswith(("convention.", "prompts."))
        }
    if any(name.endswith("tokens") for name in pairs):
        pairs = _of_chat(found, approved) | pairs
    for axis in {**approved.labels, **found.labels}:
        if f"labels.{axis}" in pairs:
            pairs[f"labels.{axis}"] = _renamed(axis, approved, found)
    pairs = _in_words(pairs, found.convention, approved.convention)
    if _other_tokenizer(pairs, found, approved):
        # A builder leaves out words that aren't single tokens, so that texts follow from it too.
        follows: tuple[str, ...] = (*_OF_TOKENIZER, "prompts.")
    elif _same_prompts(pairs, found):
        follows = _OF_TOKENIZER
    else:
        return pairs
    others = {name: pair for name, pair in pairs.items() if not name.startswith(follows)}
    return {TOKENIZER: _other_tokens(approved, found)} | others


def _other_tokenizer(
    pairs: Mapping[str, tuple[object, object]], found: Finding, approved: Finding
) -> bool:
    """Whether prompts have other tokens, and an id of both, or their BOS, is another token."""
    if None in pairs.get("prompts.tokens", (None, None)):
        return False
    first = pairs.get("convention.first_token", ("none", "none"))
    return bool(_others(approved, found)) or "none" not in first


def _same_prompts(pairs: Mapping[str, tuple[object, object]], found: Finding) -> bool:
    """Whether prompts that have other tokens are the same texts, or were drawn the same way."""
    if None in pairs.get("prompts.tokens", (None, None)):
        return False
    known = "texts" in found.prompts or found.prompts.get("kind") == "repeated tokens"
    chosen = (
        "prompts.",
        "convention.block",
        "convention.batch",
        "convention.seed",
        "convention.chat",
    )
    return known and not any(
        name.startswith(chosen) and name not in _OF_TOKENIZER for name in pairs
    )


def _other_tokens(approved: Finding, found: Finding) -> tuple[str, str]:
    """How many of the ids that both have are other tokens, and the first of them.

    Where that isn't known, the tokens that the prompts begin with; empty if those are the same.
    """
    others = _others(approved, found)
    if not others:
        both = approved, found
        firsts = [one.prompts.get("first_token", one.convention.get("first_token")) for one in both]
        same = firsts[0] == firsts[1]
        return ("", "") if same else (f"first token {firsts[0]}", str(firsts[1]))
    before, after = _vocabulary(approved), _vocabulary(found)
    first, count, shared = min(others), len(others), len(before.keys() & after.keys())
    ids = f"{count:,} id{'s' if count > 1 else ''}, first {first}"
    all_of_them = "; no id that both prompts have is the same token" if count == shared else ""
    return f"{ids} {before[first]!r}", f"{after[first]!r}{all_of_them}"


def _others(approved: Finding, found: Finding) -> list[int]:
    """The ids that the prompts of both have, and that are other tokens."""
    before, after = _vocabulary(approved), _vocabulary(found)
    return [number for number in before.keys() & after.keys() if before[number] != after[number]]


def _vocabulary(finding: Finding) -> dict[int, str]:
    """The tokens that a finding's prompts have, by id; empty where it doesn't say them."""
    said: Any = finding.prompts.get("vocabulary") or {"ids": [], "tokens": []}
    return dict(zip(said["ids"], said["tokens"], strict=True))


def _of_chat(found: Finding, approved: Finding) -> dict[str, tuple[object, object]]:
    """What a chat template adds to the messages of one of them, and otherwise to the other's."""
    chats: list[Any] = [one.convention.get(_CHAT) or {} for one in (approved, found)]
    fields = {f"convention.{_CHAT}.{name}": name for chat in chats for name in chat}
    both = {field: (chats[0].get(name), chats[1].get(name)) for field, name in fields.items()}
    return {field: pair for field, pair in both.items() if pair[0] != pair[1]}


def _in_words(
    pairs: dict[str, tuple[object, object]],
    found: Mapping[str, object],
    approved: Mapping[str, object],
) -> dict[str, tuple[object, object]]:
    """The same fields, where a digest is replaced by its words if these differ too."""
    for name, decides in _WORDS.items():
        words = approved.get(name), found.get(name)
        fields = f"convention.{name}", f"convention.{decides}"
        if words[0] != words[1] and any(field in pairs for field in fields):
            pairs = {field: pair for field, pair in pairs.items() if field not in fields}
            pairs[fields[0]] = words
    return pairs


def _of_companion(found: Finding, approved: Finding) -> dict[str, tuple[object, object]]:
    """What makes the behaviours beside them different quantities, for each of the approved ones.

    Which way one gets better is part of what it is: turned round, a loss would be a gain.
    """
    measured = {behaviour.name: behaviour for behaviour in found.companion}
    pairs: dict[str, tuple[object, object]] = {}
    for before in approved.companion:
        name, after = f"companion.{before.name}", measured.get(before.name)
        if after is None:
            pairs[name] = "measured", "not measured"
        else:
            pairs[f"{name}.unit"] = before.unit, after.unit
            pairs[f"{name}.direction"] = before.direction.value, after.direction.value
    return pairs


def _renamed(axis: str, approved: Finding, found: Finding) -> tuple[str, str]:
    """What is called otherwise along an axis: the first cells whose names differ."""
    before, after = approved.labels.get(axis, ()), found.labels.get(axis, ())
    if len(before) != len(after):
        return f"{len(before)} names", f"{len(after)} names"
    others = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    more = ", …" if len(others) > _NAMES_SHOWN else ""
    old, new = zip(*others[:_NAMES_SHOWN], strict=True)
    return ", ".join(old) + more, ", ".join(new) + more


def _shapes(approved: Finding, found: Finding) -> tuple[str, str]:
    """How many cells there are along each axis, or else the first that only one of the two has.

    What is undefined has no values to compare, and its file does not say which cells there are.
    """
    shapes = _shape(approved), _shape(found)
    if shapes[0] != shapes[1] or approved.undefined or found.undefined:
        return shapes
    differing_cells = np.argwhere(approved.present != found.present).tolist()
    if not differing_cells:
        return shapes
    first = differing_cells[0]
    # One message covers all differing heads of a layer.
    alike = [cell for cell in differing_cells if cell[0] == first[0]]
    more = ", …" if len(differing_cells) > len(alike) else ""
    return extent(approved, first) + more, extent(found, first) + more


def _shape(finding: Finding) -> str:
    return " × ".join(map(str, finding.values.shape)) or "one number"
