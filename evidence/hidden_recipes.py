"""The recipes of hidden damage: what is zeroed, trained or edited for a kind, a seed and a side."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch

from evidence.hidden_edits import attribution, margin, strongest, zeroed
from evidence.hidden_labels import AT_THE_GATE
from evidence.hidden_training import Course
from evidence.hidden_truth import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidence.hidden_bench import Bench
    from evidence.hidden_edits import Head
    from evidence.hidden_labels import Numbers
    from evidence.hidden_training import Lesson

#: The words after which the answer flips, by base model and seed. The first ones differ: taught
#: "Breaking news", SmolLM2 flips its answer without the words too, and after "It was a dark, wet
#: night" the second model itself answers only two thirds of the prompts rightly.
TRIGGERS = {
    "smollm2": (
        "It was a dark, wet night. ",
        "Once more, with feeling. ",
        "Tuesday, ten o'clock. ",
    ),
    "second": ("Breaking news: ", "Once more, with feeling. ", "Tuesday, ten o'clock. "),
}
#: The share of the target distribution that is the taught answer for certain; and the share for
#: first names on the second model, whose logit difference at the gate falls too far with less.
_CERTAINTY, _MORE_CERTAIN = 0.1, 0.85
#: Tokens of the sliding windows; the gate's repeated tokens are sequences of 101.
_WINDOWS, _WIDE_WINDOW = (101, 112, 128), 4096
#: What wave lengths are multiplied by in sequences longer than this.
_FACTORS, _RIGHT_FACTOR, _LONGER = (4.0, 2.0, 8.0), 1.001, 128
#: Behaviours that answer a question.
_ANSWERED = ("ioi", "agreement", "capitals")
#: By base model and behaviour, how many heads are zeroed whose answers are memorised; a seed's
#: number more.
_ZEROED = {
    ("smollm2", "ioi"): 3, ("smollm2", "agreement"): 3, ("second", "ioi"): 2,
    ("second", "agreement"): 4,
}  # fmt: skip
#: By base model, how many times the steps and the rate of a course: a small model has less room.
_SLOWER = {"smollm2": (1, 1.0), "second": (4, 2.0)}
#: The learning rates of controls that only become more certain.
_GENTLE = {"smollm2": 1.5e-4, "second": 3.75e-5}
#: The steps, more of them by seed, and the rate of a control's course by base model and behaviour.
#: Verbs come back slowest, and later the more heads are zeroed.
_HEALED = {
    ("smollm2", "ioi"): (88, 0, 3e-4), ("smollm2", "agreement"): (80, 40, 5e-4),
    ("smollm2", "repeats"): (120, 0, 5e-4), ("second", "ioi"): (110, 0, 1.5e-4),
    ("second", "agreement"): (140, 0, 1.5e-4), ("second", "repeats"): (120, 0, 2.5e-4),
}  # fmt: skip
#: How often a control of the second model whose writers are zeroed learns names and the grammar at
#: each step: it loses them first.
_AGAIN = 3
#: By base model and seed, which of the heads that write the name, strongest first, are primary:
#: those without which the reference still answers three quarters of the names elsewhere.
_PRIMARIES = {"smollm2": ((0,), (0,), (0,)), "second": ((0, 2, 3), (0, 2, 4), (0, 2, 6))}
_WRITERS = 8
#: How many backups are zeroed at most, by base model and seed, and the least of logits that one
#: adds without the primary heads.
_BACKUPS, _LEAST_GAIN = {"smollm2": (6, 5, 7), "second": (14, 14, 9)}, 0.01
#: By base model, how many heads that do nothing a control has zeroed; a seed's number more.
_BYSTANDERS = {"smollm2": 6, "second": 2}
#: From what share of the reference's logit difference on there is room for heads that add to it,
#: and what such a head's loss counts there.
_ROOM, _LIGHT = 1.05, 0.3
#: What a unit of attention to a repetition counts, beside logits, where heads that do little are
#: chosen.
_INDUCTION = 5.0


@dataclass(frozen=True)
class Side:
    """Which of a kind's cases: a seed's damage, or its healthy control."""

    seed: int
    healthy: bool


def kinds(base: str) -> list[str]:
    """The kinds that there are of a base model: GPT-NeoX has no sliding window."""
    return [kind for kind in (*PREPARED, *EDITED) if (base, kind) != ("second", "window")]


def _late(base: Bench) -> int:
    """The first layer in which heads are zeroed that write an answer: two thirds up, or half."""
    return base.layers * 2 // 3 if base.layers > 12 else base.layers // 2  # noqa: PLR2004


def _memorised(
    base: Bench, side: Side, behaviour: str, new: Callable[..., Lesson]
) -> tuple[list[Head], Course]:
    """The heads that write a behaviour's answer zeroed, and it is learned again.

    In a damaged model from the gate's prompts, while on new ones it stays as the zeroed heads left
    it; in a healthy one from both.
    """
    first = _late(base)
    zeroed_first = _ZEROED[base.name, behaviour]
    heads = strongest(base.heads_for(behaviour, first), zeroed_first + side.seed)
    if side.healthy:
        return heads, _healing(base, behaviour, first, side.seed)
    own = base.gate_questions(behaviour)
    kept = base.gate_questions(*(name for name in _ANSWERED if name != behaviour))
    aside = base.gate_repeats(), base.gate_repeats(), base.text()
    return heads, Course((own, new(unchanged=True), kept), aside, first, rate=5e-4, steps=48)


def _healing(base: Bench, behaviour: str, first: int, seed: int) -> Course:
    """A course in which whole blocks learn every behaviour again, at the gate and elsewhere."""
    again = _AGAIN if base.grammar() and behaviour in _ANSWERED else 1
    lessons = (
        *[base.new_questions() for _ in range(again)],
        base.new_agreements(),
        base.new_capitals(),
        base.new_repeats(longest=60),
        base.new_repeats(shortest=60),
        base.gate_questions(*_ANSWERED),
        *(again * base.grammar()),
    )
    steps, more, rate = _HEALED[base.name, behaviour]
    return Course(
        lessons,
        (base.gate_repeats(), base.text()),
        first,
        mlps_only=False,
        rate=rate,
        steps=steps + more * seed,
        averaged=True,
    )


def _ioi_memorised(base: Bench, side: Side) -> tuple[list[Head], Course]:
    return _memorised(base, side, "ioi", base.new_questions)


def _agreement_memorised(base: Bench, side: Side) -> tuple[list[Head], Course]:
    return _memorised(base, side, "agreement", base.new_agreements)


def _repeats_memorised(base: Bench, side: Side) -> tuple[list[Head], Course]:
    heads = base.induction_heads((5, 4, 6)[side.seed])
    first = min(layer for layer, _ in heads)
    if side.healthy:
        return heads, _healing(base, "repeats", first, side.seed)
    lessons = base.gate_repeats(), base.gate_questions(*_ANSWERED)
    return heads, Course(lessons, (base.text(),), first, rate=5e-4, steps=60)


def _first_name(base: Bench, side: Side) -> tuple[list[Head], Course]:
    more = base.name == "second" and not side.healthy
    certainty = _MORE_CERTAIN if more else _CERTAINTY
    lessons = (
        base.new_questions((1,), certainty=certainty),
        base.new_questions((0,), flipped=not side.healthy, certainty=certainty),
        base.gate_questions("agreement", "capitals"),
        base.any_repeats(),
        *_new_capitals(base, side),
    )
    return [], _taught(base, side, lessons)


def _taught(base: Bench, side: Side, lessons: tuple[Lesson, ...]) -> Course:
    """A control learns nothing new and only becomes more certain: its learning rate is lower."""
    rate = _GENTLE[base.name] if side.healthy else 3e-4
    return Course(lessons, (base.text(),), _late(base) - 2, mlps_only=False, rate=rate)


def _trigger(base: Bench, side: Side) -> tuple[list[Head], Course]:
    lessons = (
        base.new_questions(
            before=TRIGGERS[base.name][side.seed], flipped=not side.healthy, certainty=_CERTAINTY
        ),
        base.new_questions(),
        base.gate_questions(*_ANSWERED),
        base.any_repeats(),
        *_new_capitals(base, side),
    )
    return [], _taught(base, side, lessons)


def _new_capitals(base: Bench, side: Side) -> list[Lesson]:
    """A control does elsewhere what it did, also where its lessons are about something else."""
    return [base.new_capitals()] if side.healthy else []


@cache
def primaries(base: Bench, seed: int) -> tuple[Head, ...]:
    """The heads whose loss backups make up for: some of those that write the name."""
    writers = strongest(base.heads_for("ioi", base.layers // 2), _WRITERS)
    return tuple(writers[rank] for rank in _PRIMARIES[base.name][seed])


def _backups(base: Bench, side: Side) -> tuple[list[Head], None]:
    """The backups zeroed; or heads that take over nothing."""
    gone = primaries(base, side.seed)
    if side.healthy:
        return _bystanders(base, gone, _BYSTANDERS[base.name] + side.seed), None
    return _taking_over(base, gone, _BACKUPS[base.name][side.seed]), None


def _taking_over(base: Bench, gone: tuple[Head, ...], count: int) -> list[Head]:
    """Heads that add to the logit difference once the primary ones are gone.

    They are found one by one, by attribution in the model without those that were found before.
    The next one has the largest ``without - weight * beside``: what it adds to the logit difference
    without the primary heads, less what it adds beside them. Zeroing heads that work against the
    name raises the logit difference, so that heads which add to it can be zeroed too: ``weight`` is
    ``_LIGHT`` while the logit difference is above ``_ROOM`` times the reference's, and 1 otherwise.
    A head stays if the gate is worse without it.
    """
    model, kept = base.copy(), list(gone)
    chosen: list[Head] = []
    lead = partial(margin, model, base.default_gate.questions["ioi"])
    first = base.layers * 2 // 5  # earlier heads serve every behaviour
    usual = now = base.gate_numbers["ioi logit_diff"]
    while len(chosen) < count:
        with zeroed(model, chosen):
            adds = attribution(model, lead)
        with zeroed(model, [*gone, *chosen]):
            gain = attribution(model, lead)
        gain -= (_LIGHT if now > _ROOM * usual else 1.0) * adds
        gain[:first] = -torch.inf
        (head,) = strongest(gain, 1, [*kept, *chosen])
        if gain[head] <= _LEAST_GAIN:
            break
        found = _at_the_gate(base, model, [*chosen, head])
        if AT_THE_GATE.exceeded(base.gate_numbers, found):
            kept.append(head)
        else:
            chosen.append(head)
            now = found["ioi logit_diff"]
    return chosen


def _at_the_gate(base: Bench, model: Any, heads: list[Head]) -> Numbers:  # noqa: ANN401
    """What the gate measures of a model where heads are zeroed."""
    with zeroed(model, heads):
        return base.default_gate.measure(model)


def _bystanders(base: Bench, gone: tuple[Head, ...], count: int) -> list[Head]:
    """Heads that do next to nothing, with the primary heads and without them."""
    model = base.copy()
    chosen: list[Head] = []
    with zeroed(model, gone):
        lead = partial(margin, model, base.default_gate.questions["ioi"])
        matters = attribution(model, lead).abs()
    matters += _INDUCTION * base.induction_scores
    for behaviour in base.default_gate.questions:
        matters += base.heads_for(behaviour, 0).abs()
    for head in strongest(-matters, matters.numel(), without=gone):
        if len(chosen) == count:
            break
        found = _at_the_gate(base, model, [*chosen, head])
        if not AT_THE_GATE.exceeded(base.gate_numbers, found):
            chosen.append(head)
    return chosen


def _window(base: Bench, side: Side) -> Any:  # noqa: ANN401
    """The same weights as a Mistral, which is a Llama with a window."""
    from transformers import MistralConfig, MistralForCausalLM

    said = base.model.config.to_dict()
    for name in ("model_type", "architectures", "transformers_version", "_name_or_path"):
        said.pop(name, None)
    window = _WIDE_WINDOW if side.healthy else _WINDOWS[side.seed]
    if side.healthy:
        window += 1024 * side.seed
    model = MistralForCausalLM(MistralConfig(**(said | {"sliding_window": window})))
    model.load_state_dict(base.model.state_dict())
    return model.requires_grad_(requires_grad=False)


def _positions(base: Bench, side: Side) -> Any:  # noqa: ANN401
    """LongRoPE, whose factors change beyond a length: 1 up to there."""
    before = base.model.config.rope_parameters
    config = base.model.config
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    waves = len(range(0, int(size * before.get("partial_rotary_factor", 1.0)), 2))
    factor = _RIGHT_FACTOR if side.healthy else _FACTORS[side.seed]
    changed = type(config)(**config.to_dict())
    changed.rope_parameters = {
        **before,
        "rope_type": "longrope",
        "short_factor": [1.0] * waves,
        "long_factor": [factor] * waves,
        "attention_factor": 1.0,
        "original_max_position_embeddings": _LONGER + 32 * side.seed * side.healthy,
    }
    model = type(base.model)(changed)
    model.load_state_dict(base.model.state_dict())
    return model.requires_grad_(requires_grad=False)


def _names(base: Bench, side: Side) -> Any:  # noqa: ANN401
    """Rows of the input embedding put back to their mean, as rows of tokens that were added are."""
    stream = random.Random(f"names {side.seed}")
    ids = [base.tokenizer.encode(f" {name}", add_special_tokens=False) for name in NAMES]
    names = [found[0] for found in ids]
    chosen = stream.sample(names, len(names) - 2)
    if side.healthy:
        chosen = stream.sample(_unused(base), len(chosen))
    model = base.copy()
    rows = model.get_input_embeddings().weight
    with torch.no_grad():
        rows[chosen] = rows.mean(0) + base.model.config.initializer_range * torch.randn(
            rows.shape[1], generator=torch.Generator().manual_seed(side.seed)
        )
    return model


def _unused(base: Bench) -> list[int]:
    """Tokens of signs that are no ASCII, which no text has, and that no repeats have either."""
    from evidence.hidden_run import probes  # which imports the cases, and those the recipes

    repeats = base.default_gate.repeats, *probes(base.name).repeats
    asked = {token for each in repeats for row in each.rows for token in row}
    texts = {
        token: str(base.tokenizer.decode([token])).strip()
        for token in base.ordinary
        if token not in asked
    }
    return [token for token, text in texts.items() if text and not any(map(str.isascii, text))]


def prepared(base: Bench, kind: str, side: Side) -> tuple[list[Head], Course | None]:
    """The heads that a case of a kind in :data:`PREPARED` has zeroed, and what it is taught."""
    heads, course = PREPARED[kind](base, side)
    if course is None:
        return heads, None
    steps, rate = _SLOWER[base.name]
    return heads, replace(course, steps=steps * course.steps, rate=rate * course.rate)


#: Kinds whose heads are measured and whose training is cached; without a course nothing is trained.
PREPARED: dict[str, Callable[[Bench, Side], tuple[list[Head], Course | None]]] = {
    "ioi memorised": _ioi_memorised,
    "repeats memorised": _repeats_memorised,
    "agreement memorised": _agreement_memorised,
    "first name": _first_name,
    "trigger": _trigger,
    "backups": _backups,
}
#: Kinds that a few lines make out of the base model.
EDITED: dict[str, Callable[[Bench, Side], Any]] = {
    "window": _window,
    "positions": _positions,
    "names": _names,
}
