"""The methods of ``circuits`` have the arguments, defaults and docstrings of the measures."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap

import pytest

from pytest_circuits import measures
from pytest_circuits.session.circuits import Circuits

#: Methods that are written out: a context manager, and one that takes an alias too.
OWN = {"ablated", "kl_divergence"}
MEASURES = sorted(set(measures.__all__) - {"canary"})
_REPLACED = {"value": "mean", "reference": None, "positions": "all", "seed": 0}
_PATCHED = {
    "site": "head_out", "positions": None, "direction": "denoising", "metric": "logit_diff",
}  # fmt: skip
_CIRCUIT = {**_REPLACED, "direction": "noising", "metric": "logit_diff"}
#: What a call that says less means. Another default is another number under the same baseline.
DEFAULTS = {
    "ablate": {"heads": (), "mlps": (), "metric": "logit_diff", **_REPLACED},
    "ablated": {"heads": (), "mlps": ()},
    "accuracy": {},
    "answer_probability": {},
    "attention_between": {"query": "END"},
    "attention_scores": {},
    "attribution_patching": _PATCHED,
    "completeness": {"subsets": 20, **_CIRCUIT},
    "component_attribution": {},
    "copying_scores": {"at": ("IO", "S1"), "k": 5},
    "current_token_scores": {"prompts": None},
    "duplicate_token_scores": {"prompts": None},
    "faithfulness": {"ablated": "complement", "null": 0, **_CIRCUIT},
    "first_token_scores": {"prompts": None},
    "head_attribution": {},
    "induction_scores": {"prompts": None},
    "kl_divergence": {},
    "logit_diff": {},
    "logit_lens": {"read": "logit_diff"},
    "minimality": {"subsets": 20, **_CIRCUIT},
    "patch": _PATCHED,
    "previous_token_scores": {"prompts": None},
    "repeat_loss": {"prompts": None, "alone": False},
    "text_loss": {},
    "top_k_accuracy": {"k": 5},
}


def parameters(function):
    """What it takes after the model, or after itself."""
    return list(inspect.signature(function).parameters.values())[1:]


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_measure_has_these_defaults(name):
    given = {
        one.name: one.default
        for one in inspect.signature(getattr(measures, name)).parameters.values()
        if one.default is not one.empty
    }
    assert given == DEFAULTS[name]


@pytest.mark.parametrize("name", sorted(set(MEASURES) - OWN))
def test_a_method_has_the_signature_and_the_docstring_of_its_measure(name):
    method, measure = getattr(Circuits, name), getattr(measures, name)

    assert parameters(method) == parameters(measure)
    assert inspect.signature(method).return_annotation == "Finding"
    assert inspect.getdoc(method) == inspect.getdoc(measure)
    assert (method.__name__, method.__qualname__) == (name, f"Methods.{name}")


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_method_that_is_written_out_has_the_measures_names_and_defaults(name):
    def shape(function):
        return [(one.name, one.kind, one.default) for one in parameters(function)]

    assert shape(getattr(Circuits, name)) == shape(getattr(measures, name))


def test_what_a_method_is_given_is_what_is_measured():
    class Recording(measures.Methods):
        def _measure(self, name, /, *arguments, **options):
            return name, arguments, options

    circuits = Recording()

    assert circuits.patch("pairs", site="head_q") == ("patch", ("pairs",), {"site": "head_q"})
    # Without self, as an editor shows it.
    assert list(inspect.signature(circuits.repeat_loss).parameters) == ["prompts", "alone"]
    assert inspect.getdoc(circuits.repeat_loss) == inspect.getdoc(measures.repeat_loss)


def test_help_shows_the_measure(capsys):
    help(Circuits.attention_between)

    shown = capsys.readouterr().out
    assert "attention_between(self, pairs: 'PromptPairs', *, query: 'str | int' = 'END'" in shown
    assert "score = mean over prompts of A[query, key]" in shown


def test_nothing_is_loaded_before_something_is_measured():
    code = """
        import sys
        from pytest_circuits import measures
        from pytest_circuits.session.circuits import Circuits

        Circuits.patch, measures.Methods, dir(measures)
        ours = "pytest_circuits.measures."
        heavy = {"torch", "numpy", "transformer_lens"}
        print([m for m in sys.modules if m in heavy or m.startswith(ours)])
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


TYPED = """
from pytest_circuits import PromptPairs, measures
from pytest_circuits.findings import Finding
from pytest_circuits.session.circuits import Circuits


def check(circuits: Circuits, pairs: PromptPairs) -> None:
    found: Finding = circuits.patch(pairs, site="head_q", direction="noising")
    circuits.kl_divergence(pairs, to="recall")
    circuits.attention_between(pairs, key="IO")
    with circuits.ablated(heads=["L0H0"]) as silent:
        silent.induction_scores()
    circuits.patch(pairs, sites="head_q")  # 13
    circuits.patch(pairs, direction="sideways")  # 14
    circuits.attention_between(pairs)  # 15
    circuits.text_loss(3)  # 16
    wrong: str = circuits.accuracy(pairs)  # 17
    measures.inductive_scores  # 18
"""


@pytest.mark.nightly
def test_a_type_checker_refuses_a_wrong_argument(tmp_path):
    pytest.importorskip("mypy")
    path = tmp_path / "typed.py"
    path.write_text(TYPED)

    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )

    refused = [line for line in ran.stdout.splitlines() if ": error: " in line]
    lines = sorted({int(line.split(":")[1]) for line in refused if "typed.py" in line})
    assert lines == [13, 14, 15, 16, 17, 18], ran.stdout
