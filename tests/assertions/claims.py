"""Findings that claims are made of, and what a failed claim says."""

import numpy as np

from pytest_circuits.findings import Behaviour, Direction, Finding, Role

#: Of measures whose helper or null goes by more than their name.
FACTS = {
    "attention_between": {"unit": "attention probability"},
    "first_token_scores": {"unit": "attention probability"},
    "previous_token_scores": {"unit": "attention probability"},
    "induction_scores": {"null_takes": "that takes five sequences or more"},
    "faithfulness": {"null_takes": "ask for one (null=200)"},
}
#: Heads L0H0, L0H1, L1H0, L1H1.
VALUES = [[0.1, -0.9], [0.8, 0.5]]


def finding(measure="induction_scores", values=VALUES, *, errors=0.05, gain=4.0, **fields):
    """What a measure found: of heads, unless it is of another shape; other fields as given."""
    values = np.array(values, dtype=float)
    axes = fields.pop("axes", ("layer", "head")[: values.ndim])
    clusters = fields.get("clusters", 10)
    about = {
        "quantity": measure.replace("_", " "),
        "unit": "units",
        "direction": Direction.HIGHER,
        "errors": np.full_like(values, errors),
        "samples": 10,
        "clusters": clusters,
        "convention": {},
        "prompts": {},
        "role": Role("good heads", 0.4) if axes == ("layer", "head") else None,
        **FACTS.get(measure, {}),
        "companion": (
            Behaviour("repeat_loss", 0.25, 0.01, clusters, Direction.LOWER, "nats"),
            Behaviour("repeat_gain", gain, 0.1, clusters, Direction.HIGHER, "nats", vital=True),
        ),
    }
    return Finding(measure=measure, axes=axes, values=values, **about | fields)


def named(measure, axis, **values):
    """A finding along one axis whose cells have names."""
    return finding(measure, list(values.values()), axes=(axis,), labels={axis: tuple(values)})


def message(raised):
    """The lines of what was raised."""
    return str(raised.value).splitlines()
