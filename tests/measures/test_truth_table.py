"""Every cell of patching on a circuit whose weights were set by hand, derived on paper.

The model has two heads that work (:func:`pytest_circuits.testing.perfect_induction_model`). L0H0
looks at the position before and writes its token into "previous token". L1H0 looks for the key
whose previous token is the query's own token, and copies that key's token; where there is none it
rests on <bos> and copies nothing. L0H1 and L1H1 look everywhere alike and write nothing. There are
no norms and no MLPs: a copied token has logit 20, any other one 0.

On "a b c d a", L1H0 at the end looks for previous token a, finds b, and says b:

    position          0      1  2  3  4  5
    token           <bos>    a  b  c  d  a
    previous token  <bos> <bos> a  b  c  d
    L1H0 at 5 reads             b

So patching can only matter through
    the token at 2 (the value),
    the previous token at 2 (the key), which L0H0 took from the token at 1,
    the token at 5 (the query).

In the tables a dot is 0; columns are positions by themselves, then all of them at once; "pattern"
is by query position. A pattern and an output of L1H0 are read at 5 alone. L0H0 looks by position,
so that its queries, keys and pattern are the same in all prompts.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from pytest_circuits import measures
from pytest_circuits.findings import Head
from pytest_circuits.forward import Runs
from pytest_circuits.prompts import PromptPairs
from pytest_circuits.testing import COPIED_LOGIT

LAYER_SITES = ("resid_pre", "attn_out", "resid_post")
HEAD_SITES = ("out", "q", "k", "v", "pattern")
LAYERS, HEADS, POSITIONS = 2, 2, 6
_NUMBERS = {".": 0.0, "½": 0.5, "1": 1.0, "-1": -1.0, "2": 2.0}


@dataclass(frozen=True)
class Corruption:
    """What is changed in the prompt, and what patching should say of it.

    Attributes:
        clean, corrupted, answer, wrong: a pair.
        says: logit(answer) − logit(wrong) on both.
        denoising: the table of what is recovered.
        noising: the table of what is removed; empty where it is the same.
    """

    clean: str
    corrupted: str
    answer: str
    wrong: str
    says: tuple[float, float]
    denoising: str
    noising: str = ""

    def pairs(self) -> PromptPairs:
        """Two pairs: as it stands, and in other letters."""
        other = str.maketrans("abcdkxy", "mnopstu")
        columns = (self.clean, self.corrupted, self.answer, self.wrong)
        return PromptPairs(*([text, text.translate(other)] for text in columns))

    def table(self, direction: str) -> dict[str, list[float]]:
        """Fractions by row: one for each position, and for all at once."""
        text = self.noising if direction == "noising" and self.noising else self.denoising
        rows = [line.split("#")[0].split() for line in text.strip().splitlines()]
        return {f"{place} {site}": [_NUMBERS[entry] for entry in row] for place, site, *row in rows}


CORRUPTIONS = {
    # x is found in b's place and said: 20 against −20. Its token at 2 is all that matters; L0H0
    # carries it to 3, as a previous token that nobody looks for.
    "value": Corruption(
        "a b c d a",
        "a x c d a",
        answer="b",
        wrong="x",
        says=(1, -1),
        denoising="""
            L0   resid_pre    .  .  1  .  .  .    1
            L0   attn_out     .  .  .  .  .  .    .    # differs at 3
            L0   resid_post   .  .  1  .  .  .    1
            L1   resid_pre    .  .  1  .  .  .    1
            L1   attn_out     .  .  .  .  .  1    1
            L1   resid_post   .  .  .  .  .  1    1
            L0H0 out          .  .  .  .  .  .    .    # differs at 3
            L0H0 q            .  .  .  .  .  .    .
            L0H0 k            .  .  .  .  .  .    .
            L0H0 v            .  .  .  .  .  .    .    # differs at 2
            L0H0 pattern      .  .  .  .  .  .    .
            L1H0 out          .  .  .  .  .  1    1
            L1H0 q            .  .  .  .  .  .    .    # differs at 2
            L1H0 k            .  .  .  .  .  .    .    # differs at 3
            L1H0 v            .  .  1  .  .  .    1
            L1H0 pattern      .  .  .  .  .  .    .
        """,
    ),
    # No previous token is a: nothing is found, 20 against 0. The token at 1 matters until L0H0
    # has taken it to 2; from there on, the previous token at 2 does.
    "key": Corruption(
        "a b c d a",
        "x b c d a",
        answer="b",
        wrong="c",
        says=(1, 0),
        denoising="""
            L0   resid_pre    .  1  .  .  .  .    1
            L0   attn_out     .  .  1  .  .  .    1
            L0   resid_post   .  .  1  .  .  .    1
            L1   resid_pre    .  .  1  .  .  .    1
            L1   attn_out     .  .  .  .  .  1    1
            L1   resid_post   .  .  .  .  .  1    1
            L0H0 out          .  .  1  .  .  .    1
            L0H0 q            .  .  .  .  .  .    .
            L0H0 k            .  .  .  .  .  .    .
            L0H0 v            .  1  .  .  .  .    1
            L0H0 pattern      .  .  .  .  .  .    .
            L1H0 out          .  .  .  .  .  1    1
            L1H0 q            .  .  .  .  .  .    .    # differs at 1
            L1H0 k            .  .  1  .  .  .    1
            L1H0 v            .  .  .  .  .  .    .    # differs at 1
            L1H0 pattern      .  .  .  .  .  1    1
        """,
    ),
    # c is looked for, and d found: 20 against −20. The token at 5 is all that matters.
    "query": Corruption(
        "a b c d a",
        "a b c d c",
        answer="b",
        wrong="d",
        says=(1, -1),
        denoising="""
            L0   resid_pre    .  .  .  .  .  1    1
            L0   attn_out     .  .  .  .  .  .    .
            L0   resid_post   .  .  .  .  .  1    1
            L1   resid_pre    .  .  .  .  .  1    1
            L1   attn_out     .  .  .  .  .  1    1
            L1   resid_post   .  .  .  .  .  1    1
            L0H0 out          .  .  .  .  .  .    .
            L0H0 q            .  .  .  .  .  .    .
            L0H0 k            .  .  .  .  .  .    .
            L0H0 v            .  .  .  .  .  .    .    # differs at 5
            L0H0 pattern      .  .  .  .  .  .    .
            L1H0 out          .  .  .  .  .  1    1
            L1H0 q            .  .  .  .  .  1    1
            L1H0 k            .  .  .  .  .  .    .
            L1H0 v            .  .  .  .  .  .    .    # differs at 5
            L1H0 pattern      .  .  .  .  .  1    1
        """,
    ),
    # Nothing is found: 20 against 0, y being the wrong answer. Here the directions part. Denoising
    # the key alone finds y, −20, which is −1 of the gap; denoising the value alone finds nothing.
    # Noising the key alone finds nothing, 1; noising the value alone finds y, −20, which is 2.
    "key and value": Corruption(
        "a b c d a",
        "x y c d a",
        answer="b",
        wrong="y",
        says=(1, 0),
        denoising="""
            L0   resid_pre    . -1  .  .  .  .    1
            L0   attn_out     .  . -1  .  .  .   -1
            L0   resid_post   .  .  1  .  .  .    1    # key and value stand at 2
            L1   resid_pre    .  .  1  .  .  .    1
            L1   attn_out     .  .  .  .  .  1    1
            L1   resid_post   .  .  .  .  .  1    1
            L0H0 out          .  . -1  .  .  .   -1
            L0H0 q            .  .  .  .  .  .    .
            L0H0 k            .  .  .  .  .  .    .
            L0H0 v            . -1  .  .  .  .   -1    # differs at 2, too
            L0H0 pattern      .  .  .  .  .  .    .
            L1H0 out          .  .  .  .  .  1    1
            L1H0 q            .  .  .  .  .  .    .
            L1H0 k            .  . -1  .  .  .   -1    # differs at 3, too
            L1H0 v            .  .  .  .  .  .    .    # differs at 1 and 2
            L1H0 pattern      .  .  .  .  . -1   -1
        """,
        noising="""
            L0   resid_pre    .  1  2  .  .  .    1
            L0   attn_out     .  .  1  .  .  .    1
            L0   resid_post   .  .  1  .  .  .    1
            L1   resid_pre    .  .  1  .  .  .    1
            L1   attn_out     .  .  .  .  .  1    1
            L1   resid_post   .  .  .  .  .  1    1
            L0H0 out          .  .  1  .  .  .    1
            L0H0 q            .  .  .  .  .  .    .
            L0H0 k            .  .  .  .  .  .    .
            L0H0 v            .  1  .  .  .  .    1
            L0H0 pattern      .  .  .  .  .  .    .
            L1H0 out          .  .  .  .  .  1    1
            L1H0 q            .  .  .  .  .  .    .
            L1H0 k            .  .  1  .  .  .    1
            L1H0 v            .  .  2  .  .  .    2
            L1H0 pattern      .  .  .  .  .  1    1
        """,
    ),
    # a was before b twice, so L1H0 looks at 2 and at 4 by halves: b and b, or x and x, 20 against
    # −20. One of each gives both 10, which is 0: half of the way.
    "two values": Corruption(
        "a b a b a",
        "a x a x a",
        answer="b",
        wrong="x",
        says=(1, -1),
        denoising="""
            L0   resid_pre    .  .  ½  .  ½  .    1
            L0   attn_out     .  .  .  .  .  .    .
            L0   resid_post   .  .  ½  .  ½  .    1
            L1   resid_pre    .  .  ½  .  ½  .    1
            L1   attn_out     .  .  .  .  .  1    1
            L1   resid_post   .  .  .  .  .  1    1
            L0H0 out          .  .  .  .  .  .    .    # differs at 3 and 5
            L0H0 q            .  .  .  .  .  .    .
            L0H0 k            .  .  .  .  .  .    .
            L0H0 v            .  .  .  .  .  .    .
            L0H0 pattern      .  .  .  .  .  .    .
            L1H0 out          .  .  .  .  .  1    1
            L1H0 q            .  .  .  .  .  .    .
            L1H0 k            .  .  .  .  .  .    .    # differs at 3 and 5
            L1H0 v            .  .  ½  .  ½  .    1
            L1H0 pattern      .  .  .  .  .  .    .
        """,
    ),
}

# k is looked for, and nothing found: 20 against 0. The same cells.
CORRUPTIONS["query that does not repeat"] = replace(
    CORRUPTIONS["query"], corrupted="a b c d k", says=(1, 0)
)

each_corruption = pytest.mark.parametrize("what", CORRUPTIONS)
both_directions = pytest.mark.parametrize("direction", ["denoising", "noising"])


@pytest.fixture(scope="module")
def runs(perfect):
    runs = Runs(perfect)
    with runs.untouched():
        yield runs


def patched(runs, what, **options):
    return measures.patch(runs, CORRUPTIONS[what].pairs(), **options)


@each_corruption
@both_directions
@pytest.mark.parametrize("site", LAYER_SITES)
def test_what_layers_carry_by_position_and_in_all(runs, what, direction, site):
    table = CORRUPTIONS[what].table(direction)
    expected = np.array([table[f"L{layer} {site}"] for layer in range(LAYERS)])

    by_position = patched(runs, what, site=site, direction=direction)
    at_once = patched(runs, what, site=site, direction=direction, positions="all")

    assert (by_position.axes, at_once.axes) == (("layer", "position"), ("layer",))
    np.testing.assert_allclose(by_position.values, expected[:, :-1], atol=1e-6)
    np.testing.assert_allclose(at_once.values, expected[:, -1], atol=1e-6)


@each_corruption
@both_directions
@pytest.mark.parametrize("site", HEAD_SITES)
def test_what_heads_carry_by_position_and_in_all(runs, what, direction, site):
    table = CORRUPTIONS[what].table(direction)
    expected = np.zeros((LAYERS, HEADS, POSITIONS + 1))  # L0H1 and L1H1 write nothing
    for layer in range(LAYERS):
        expected[layer, 0] = table[f"L{layer}H0 {site}"]

    options = {"site": f"head_{site}", "direction": direction}
    by_position = patched(runs, what, positions="each", **options)
    at_once = patched(runs, what, **options)

    assert by_position.axes == ("layer", "head", "position")
    np.testing.assert_allclose(by_position.values, expected[..., :-1], atol=1e-6)
    np.testing.assert_allclose(at_once.values, expected[..., -1], atol=1e-6)
    np.testing.assert_allclose(at_once.errors, np.zeros((LAYERS, HEADS)), atol=1e-6)
    assert set(at_once.members()) == {
        Head(*map(int, cell)) for cell in np.argwhere(expected[..., -1])
    }


@each_corruption
def test_what_is_said_on_clean_and_corrupted_prompts(runs, what):
    found = patched(runs, what)

    clean, corrupted = (COPIED_LOGIT * times for times in CORRUPTIONS[what].says)
    said = {b.name: b.value for b in found.companion}
    assert said == pytest.approx(
        {
            "clean_logit_diff": clean,
            "corrupted_logit_diff": corrupted,
            "logit_diff_gap": clean - corrupted,
        },
        abs=1e-5,
    )
    np.testing.assert_allclose(found.raw["clean"], [clean] * 2, atol=1e-5)
    np.testing.assert_allclose(found.raw["corrupted"], [corrupted] * 2, atol=1e-5)


@each_corruption
@both_directions
def test_a_table_has_every_cell(what, direction):
    table = CORRUPTIONS[what].table(direction)

    layers = {f"L{layer} {site}" for layer in range(LAYERS) for site in LAYER_SITES}
    heads = {f"L{layer}H0 {site}" for layer in range(LAYERS) for site in HEAD_SITES}
    assert set(table) == layers | heads
    assert {len(row) for row in table.values()} == {POSITIONS + 1}
    # What a layer leaves behind is what the next one finds.
    assert table["L0 resid_post"] == table["L1 resid_pre"]
