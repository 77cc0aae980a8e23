"""Packages load their public names when they are first used."""

from __future__ import annotations

import pytest
from circuit_suites import in_fresh_python

from pytest_circuits import forward, models, prompts, report


@pytest.mark.parametrize("face", [forward, models, prompts, report])
def test_every_public_name_is_there_and_no_other(face):
    assert [name for name in face.__all__ if getattr(face, name) is None] == []
    assert dir(face) == sorted(face.__all__)
    with pytest.raises(AttributeError, match=f"{face.__name__} .*other"):
        _ = face.other


@pytest.mark.parametrize(
    ("face", "name", "modules"),
    [
        (
            "findings",
            "Finding",
            {
                "absent",
                "behaviour",
                "choices",
                "circuit",
                "digits",
                "finding",
                "statistics",
                "strict_json",
            },
        ),
        ("prompts", "PromptPairs", {"pairs", "tokens"}),
        ("verdicts", "Kind", {"verdict"}),
    ],
)
def test_a_name_loads_what_it_needs_alone(face, name, modules):
    code = f"""
import sys
from pytest_circuits.{face} import {name}
print(*(module for module in sys.modules if module.startswith("pytest_circuits.{face}.")))
"""
    assert set(in_fresh_python(code).split()) == {f"pytest_circuits.{face}.{m}" for m in modules}
