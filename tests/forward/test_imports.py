"""Only what is asked for is imported."""

import pytest
from circuit_suites import in_fresh_python

REPEATED = """
import sys
from pytest_circuits.forward import Runs, run_control, run_repeated
from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import RepeatedTokens

runs = Runs(load(parse_source("bundled:recall"), device="cpu").bridge)
drawn = RepeatedTokens(batch=1, block=5).draw(runs.tokenizer, context=49, vocabulary=65)
run_repeated(runs, drawn), run_control(runs, drawn)
print(*sorted(name for name in sys.modules if name.startswith("pytest_circuits.forward")))
"""


@pytest.mark.nightly
def test_attention_on_repeated_tokens_needs_nothing_of_sweeps():
    imported = in_fresh_python(REPEATED).split()
    assert not {"replay", "blocks", "patching"} & {name.rpartition(".")[2] for name in imported}
    assert len(imported) <= 10


def test_the_face_imports_nothing():
    code = """
import sys
import pytest_circuits.forward
print(sorted(name for name in sys.modules if name.startswith("pytest_circuits.forward.")))
print("torch" in sys.modules)
"""
    assert in_fresh_python(code).splitlines() == ["[]", "False"]


@pytest.mark.nightly  # it imports everything
def test_every_name_of_the_face_is_there():
    code = """
from pytest_circuits import forward, models
for face in (forward, models):
    print([name for name in face.__all__ if getattr(face, name) is None])
    print(set(face.__all__) - set(dir(face)))
    try:
        face.nothing
    except AttributeError as error:
        print(error)
"""
    assert in_fresh_python(code).splitlines() == [
        "[]",
        "set()",
        "No pytest_circuits.forward attribute nothing",
        "[]",
        "set()",
        "No pytest_circuits.models attribute nothing",
    ]
