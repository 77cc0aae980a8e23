"""A model whose attention looks less far back than its baseline's asks for longer prompts."""

from dataclasses import replace

import pytest
from verdicts.handmade import TOLERANCE, around, role

from pytest_circuits.verdicts import Kind, headline, judge


def seeing(window=None, value=0.9):
    provenance = {} if window is None else {"attention_window": window}
    return replace(role({"L0H0": around(value)}), provenance=provenance)


@pytest.mark.parametrize(("before", "after"), [(None, 64), (512, 64)])
def test_a_window_that_is_new_or_shorter_asks_for_new_prompts(before, after):
    verdict = judge(seeing(after), seeing(before), TOLERANCE)

    assert verdict.kind is Kind.PRESERVED
    assert verdict.asks
    assert headline(verdict) == f"attention window narrowed: {before or 'none'} → {after}"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([512, 0], 512, " of 1 of 2 layers narrowed: none → 512"),
        ([512, 64], [512, 16], " of 1 of 2 layers narrowed: 64 → 16"),
        ([512, 0], [64, 128], " narrowed: 512 → 64"),
        (None, [0, 64, 0], " of 1 of 3 layers narrowed: none → 64"),
    ],
)
def test_so_does_one_of_some_layers(before, after, said):
    verdict = judge(seeing(after), seeing(before), TOLERANCE)

    assert verdict.asks
    assert headline(verdict) == f"attention window{said}"


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, None), (64, 64), (64, 512), (64, None), ([64, 0], [64, 0]), ([64, 32], [64, 0])],
)
def test_no_other_window_does(before, after):
    verdict = judge(seeing(after), seeing(before), TOLERANCE)

    assert (verdict.kind, verdict.reasons, verdict.asks) == (Kind.PRESERVED, (), False)
