"""What a measure is asked for is checked before the model is run, in one message that names it."""

import math

import numpy as np
import pytest
from measured import CIRCUIT, PAIRS, REPEATED

from pytest_circuits import Circuit, measures
from pytest_circuits.findings import ChoiceError, CircuitError, Head
from pytest_circuits.forward import Runs
from pytest_circuits.prompts import PromptError, RepeatedTokens

NAN, INF = math.nan, math.inf
NOT_WHOLE = [1.5, 2.0, NAN, INF, True, "3", None, [], [1], np.float64(2), np.True_]
NOT_NAMES = ["other", "", None, 1, 1.5, True, [], ["mean"]]
NOT_PAIRS = [None, "text", 3, [], ["a b c"], PAIRS.clean, REPEATED]
NOT_REPEATED = ["text", 3, 0, [], (), False, PAIRS]
NOT_POSITION = [1.5, NAN, True, None, [], ["IO"], b"IO", np.float64(1)]
NOT_POSITIONS = [
    "IO",
    [],
    (),
    1,
    1.5,
    True,
    {"IO"},
    np.array([1]),
    *[[one] for one in NOT_POSITION],
]
NOT_HEADS = [
    "L1H0",
    1,
    1.5,
    True,
    None,
    Head(1, 0),
    (1, 0),
    [None],
    [1.5],
    [True],
    ["1"],
    [b"L1H0"],
]
NOT_HEADS += [[(1.0, 0)], [(True, 0)], [(-1, 0)], [Head(-1, 0)], [(1, 0, 0)], [("1", "0")], [[]]]
NOT_LAYERS = ["0", "every", 1, 1.5, True, None, [1.0], [True], ["0"], [None], [NAN], [-1], [[0]]]
NOT_METRICS = [None, "loss", 1, 1.5, True, [], b"kl", lambda logits, right, wrong: logits[:, 0]]

VALUE = {"value": NOT_NAMES, "seed": NOT_WHOLE, "reference": NOT_PAIRS[1:], "metric": NOT_METRICS}
KNOCKOUT = {
    **VALUE,
    "positions": [*NOT_POSITIONS, "each", None],
    "direction": NOT_NAMES,
    "circuit": [None, "L1H0", ["L1H0"], 3, {"a": ["L1H0"]}, "9.0"],
}
PATCHED = {
    "site": NOT_NAMES,
    "positions": NOT_POSITIONS,
    "direction": NOT_NAMES,
    "metric": NOT_METRICS,
}
ON_REPEATED = ("induction", "previous_token", "duplicate_token", "current_token", "first_token")
ON_PAIRS = ("head_attribution", "component_attribution", "logit_lens", "logit_diff", "accuracy",
            "top_k_accuracy", "answer_probability", "patch", "attribution_patching")  # fmt: skip

#: By measure, the arguments of a call that is right, and what is wrong for each of them.
CASES = {
    **{f"{name}_scores": ({}, {"prompts": NOT_REPEATED}) for name in ON_REPEATED},
    "repeat_loss": ({}, {"prompts": NOT_REPEATED, "alone": ["yes", 1]}),
    **{name: ({"pairs": PAIRS}, {"pairs": NOT_PAIRS}) for name in ON_PAIRS},
    "attention_between": (
        {"pairs": PAIRS, "key": "IO"},
        {"pairs": NOT_PAIRS, "key": NOT_POSITION, "query": NOT_POSITION},
    ),
    "attention_scores": (
        {"prompts": REPEATED, "mask": np.eye(13, k=-1), "name": "back"},
        {
            "prompts": NOT_PAIRS[:-1],
            "mask": [None, 1, 1.5, True, "mask", [], [1], np.eye(13) * NAN, np.eye(13) / 2, {}],
            "name": [None, "", 1, True, ["back"]],
        },
    ),
    "copying_scores": (
        {"pairs": PAIRS},
        {"pairs": NOT_PAIRS, "at": [*NOT_POSITIONS, "each", None], "k": [0, -1, *NOT_WHOLE]},
    ),
    "ablate": (
        {"prompts": PAIRS, "heads": ["L1H0"]},
        {
            **VALUE,
            "prompts": NOT_PAIRS[:-1],
            "heads": NOT_HEADS,
            "mlps": NOT_LAYERS,
            "positions": [*NOT_POSITIONS, "each", None],
        },
    ),
    "faithfulness": (
        {"pairs": PAIRS, "circuit": CIRCUIT},
        {**KNOCKOUT, "pairs": NOT_PAIRS, "ablated": NOT_NAMES, "null": [-1, 1, 18, *NOT_WHOLE]},
    ),
    **{
        name: (
            {"pairs": PAIRS, "circuit": CIRCUIT},
            {**KNOCKOUT, "pairs": NOT_PAIRS, "subsets": [-1, *NOT_WHOLE]},
        )
        for name in ("completeness", "minimality")
    },
    "text_loss": ({"texts": "a b"}, {"texts": [None, 1, True, [], [1], [None], b"a b", {"a": 1}]}),
}
CASES["patch"][1].update(PATCHED)
CASES["attribution_patching"][1].update(PATCHED)
CASES["logit_lens"][1]["read"] = NOT_NAMES
CASES["top_k_accuracy"][1]["k"] = [0, -1, 10**9, *NOT_WHOLE]
WRONG = [
    (name, parameter, given)
    for name, (_, wrong) in CASES.items()
    for parameter, values in wrong.items()
    for given in values
]
#: What a message says of an argument, if not its name.
WORDS = {
    "query": "position",
    "key": "position",
    "at": "position",
    "reference": "pairs",
    "prompts": "this measure takes",
    "site": "can't patch at",
    "circuit": "ircuit",
    "mlps": "layer",
}


@pytest.fixture(scope="module")
def runs(perfect):
    return Runs(perfect)


def test_every_argument_of_every_measure_is_in_the_table():
    import inspect

    for name in set(measures.__all__) - {"canary", "ablated", "kl_divergence"}:
        _, *arguments = inspect.signature(getattr(measures, name)).parameters
        assert set(arguments) == set(CASES[name][1]), name


@pytest.mark.filterwarnings("ignore::pytest_circuits.prompts.PromptWarning")
@pytest.mark.parametrize("name", CASES)
def test_the_calls_of_the_table_are_right(runs, name):
    assert getattr(measures, name)(runs, **CASES[name][0]).measure == name


@pytest.mark.parametrize(("name", "parameter", "given"), WRONG)
def test_what_is_no_argument_is_refused(runs, name, parameter, given):
    with pytest.raises((ChoiceError, PromptError)) as raised:
        getattr(measures, name)(runs, **{**CASES[name][0], parameter: given})
    said = str(raised.value)
    assert WORDS.get(parameter, parameter.removesuffix("s")) in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"heads": ["9.0"]}, "has no head L9H0: its last one is L1H1"),
        ({"heads": [(0, 3)]}, "has no head L0H3: its last one is L1H1"),
        ({"mlps": [0]}, "has no MLP of layer 0: it has none"),
        ({"heads": []}, "there is nothing to ablate: name heads or mlps"),
    ],
)
def test_what_the_model_does_not_have_can_not_be_ablated(runs, options, said):
    with pytest.raises(ChoiceError, match=said):
        measures.ablate(runs, PAIRS, **options)
    with pytest.raises(ChoiceError, match=said), measures.ablated(runs, **options):
        pass


@pytest.mark.parametrize("measure", ["faithfulness", "completeness", "minimality"])
def test_a_circuit_of_another_model_is_refused_by_its_head(runs, measure):
    with pytest.raises(ChoiceError, match="has no head L9H0: its last one is L1H1"):
        getattr(measures, measure)(runs, PAIRS, Circuit({"a": ["9.0"]}))


@pytest.mark.parametrize("heads", NOT_HEADS)
def test_a_circuit_is_of_heads(heads):
    with pytest.raises(CircuitError):
        Circuit(heads)
    with pytest.raises(CircuitError):
        Circuit({"a": heads})


@pytest.mark.parametrize("layers", NOT_LAYERS)
def test_a_circuits_mlps_are_layers(layers):
    with pytest.raises(CircuitError, match="mlps is 'all' or a list of layers"):
        Circuit(["L0H0"], mlps=layers)


@pytest.mark.parametrize("parameter", ["batch", "block", "seed"])
@pytest.mark.parametrize("given", [one for one in NOT_WHOLE if one is not None])
def test_repeated_tokens_are_drawn_by_whole_numbers(parameter, given):
    with pytest.raises(PromptError, match=f"{parameter} is a whole number"):
        RepeatedTokens(**{parameter: given})


def test_a_seed_of_nothing_is_no_seed():
    with pytest.raises(PromptError, match="seed is a whole number, not None"):
        RepeatedTokens(seed=None)


@pytest.mark.parametrize("to", ["bundled:recall", None, 3])
def test_another_model_is_a_model(runs, to):
    with pytest.raises(ChoiceError, match="takes a hooked model"):
        measures.kl_divergence(runs, PAIRS, to=to)
    with pytest.raises(ChoiceError, match="takes a hooked model"):
        measures.logit_diff(to, PAIRS)


@pytest.mark.filterwarnings("ignore::pytest_circuits.prompts.PromptWarning")
def test_numbers_of_numpy_and_pairs_of_layer_and_head_are_arguments(runs):
    whole, heads = np.int64, [(np.int64(1), 0), [0, 0], "0.1"]
    for found, same in (
        (
            measures.ablate(runs, PAIRS, heads=heads, seed=whole(1), positions=[whole(2)]),
            measures.ablate(runs, PAIRS, heads=["L0H0", "L0H1", "L1H0"], positions=["IO"]),
        ),
        (
            measures.faithfulness(runs, PAIRS, Circuit({"a": heads}, mlps=[]), null=whole(0)),
            measures.faithfulness(runs, PAIRS, Circuit(["L0H0", "L0H1", "L1H0"])),
        ),
        (
            measures.completeness(runs, PAIRS, CIRCUIT, subsets=whole(2), seed=whole(3)),
            measures.completeness(runs, PAIRS, CIRCUIT, subsets=2, seed=3),
        ),
        (
            measures.top_k_accuracy(runs, PAIRS, k=whole(2)),
            measures.top_k_accuracy(runs, PAIRS, k=2),
        ),
        (
            measures.copying_scores(runs, PAIRS, at=(whole(1), "IO"), k=whole(2)),
            measures.copying_scores(runs, PAIRS, at=[1, 2], k=2),
        ),
        (
            measures.induction_scores(runs, RepeatedTokens(whole(4), whole(6), whole(1))),
            measures.induction_scores(runs, RepeatedTokens(4, 6, 1)),
        ),
    ):
        assert found.equals(same)
