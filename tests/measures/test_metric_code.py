"""A metric of the caller's own is told from another one by its code, whatever it is called."""

import functools
import importlib
import sys
import textwrap

import numpy as np
import pytest
import torch
from measured import PAIRS

from pytest_circuits import measures
from pytest_circuits.findings import ChoiceError
from pytest_circuits.forward import Runs
from pytest_circuits.verdicts.comparable import differences

METRIC = """
    import math, random
    import torch
    import torch.nn.functional as F
    import numpy as np
    from torch import Tensor

    SCALE = 2.0
    WEIGHTS = torch.tensor([1.0, 2.0])
    TABLE = {"a": [1, 2], "b": {3}}

    def chosen(logits, answers):
        return logits.gather(1, answers[:, None])[:, 0]

    def metric(logits, answers, wrong_answers, *, k=1):
        return SCALE * chosen(logits, answers) + k
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module of a text, with some of it replaced, and gives it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = []

    def make(*changes, text=METRIC, name="own_metrics"):
        text = textwrap.dedent(text)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / f"{name}.py").write_text(text)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        made.append(name)
        return importlib.import_module(name)

    yield make
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def code(perfect):
    """The digest that the convention has of a metric."""
    runs = Runs(perfect)
    return lambda metric: measures.patch(runs, PAIRS, metric=metric).convention["metric_code"]


def test_two_functions_of_one_name_are_two_quantities_and_the_code_is_what_differs(perfect, module):
    first = measures.patch(perfect, PAIRS, metric=module().metric)
    again = measures.patch(perfect, PAIRS, metric=module().metric)
    other = measures.patch(perfect, PAIRS, metric=module(("SCALE *", "SCALE +")).metric)

    assert first.convention["metric"] == "function metric, last position"
    assert not differences(again, first)
    assert [reason.subject for reason in differences(other, first)] == ["convention.metric_code"]
    assert "metric_code" not in measures.patch(perfect, PAIRS).convention


BODY = "return SCALE * chosen(logits, answers) + k"


@pytest.mark.parametrize(
    "change",
    [
        ("return SCALE", "# a comment\n    return SCALE"),
        (BODY, f'"""What it is."""\n    {BODY}'),
        (BODY, "return (\n        SCALE*chosen( logits, answers )+k\n    )"),
        ("answers, wrong_answers, *", "answers: Tensor, wrong_answers, *"),
        ("k=1):", "k=1) -> Tensor:"),
        ("k=1):", "k=2 - 1):"),
        ("\ndef chosen", '\n\n\nUNUSED = 3\n\ndef other():\n    return "x"\n\n\ndef chosen'),
        ("def chosen(logits, answers):", 'def chosen(logits, answers):\n    """The answers."""'),
        ("SCALE = 2.0", "SCALE = 4 / 2"),
    ],
)
def test_what_changes_nothing_keeps_the_digest(module, code, change):
    assert code(module(change).metric) == code(module().metric)


@pytest.mark.parametrize(
    "change",
    [
        ("+ k", "- k"),
        ("k=1", "k=2"),
        ("SCALE = 2.0", "SCALE = 3.0"),
        ("[:, 0]", "[:, -1]"),  # of a function that it calls
        ("return SCALE * chosen", "return TABLE['a'][0] * chosen"),
        ("return SCALE", "return math.e * SCALE"),
    ],
)
def test_what_changes_numbers_changes_the_digest(module, code, change):
    assert code(module(change).metric) != code(module().metric)


@pytest.mark.parametrize(
    ("read", "change"),
    [
        ("WEIGHTS.sum()", ("[1.0, 2.0]", "[1.0, 2.5]")),
        ("WEIGHTS.sum()", ("2.0])", "2.0], dtype=torch.bfloat16)")),
        ("np.sum(ARRAY)", ("np.eye(2)", "np.eye(2) * 2")),
        ("TABLE['a'][0]", ('"a": [1', '"a": [3')),
        ("len(TABLE['b'])", ("{3}", "{4}")),
        ("PART()", ("PART, 1", "PART, 2")),
        ("closed()", ("make(1)", "make(2)")),
        ("Thing(1).value()", ("self.held + 1", "self.held + 2")),
        ("THING.value()", ("THING = Thing(5)", "THING = Thing(6)")),
        ("Kind.LOW.value", ("LOW = 1", "LOW = 2")),
        ("wrapped()", ("inner = 1", "inner = 2")),
        ("without_gradient()", ("inner = 3", "inner = 4")),
        ("metric.weight", ("metric.weight = 1", "metric.weight = 2")),
        ("even(3)", ("else odd", "else 1 + odd")),
        ("odd(3)", ("else odd", "else 1 + odd")),
        ("shift(1)", ("x + 1", "x + 2")),
    ],
)
def test_all_that_the_code_reads_is_part_of_it(module, code, read, change):
    more = METRIC + textwrap.indent(
        textwrap.dedent("""
        import enum, functools
        ARRAY = np.eye(2)
        PART = functools.partial(lambda PART: PART, 1)
        def make(number):
            def closed():
                return number
            return closed
        closed = make(1)
        class Thing:
            def __init__(self, held):
                self.held = held
            def value(self):
                return self.held + 1
        THING = Thing(5)
        class Kind(enum.Enum):
            LOW = 1
        def decorator(function):
            @functools.wraps(function)
            def call():
                return function()
            return call
        @decorator
        def wrapped():
            inner = 1
            return inner
        @torch.no_grad()
        def without_gradient():
            inner = 3
            return inner
        metric.weight = 1
        def even(n):
            return n if n < 1 else odd(n - 1)
        def odd(n):
            return n if n < 1 else even(n - 1)
        shift = lambda x: x + 1
        """),
        "    ",
    )
    reading = (BODY, f"return {read} * chosen(logits, answers) + k")

    assert code(module(reading, text=more).metric) == code(module(reading, text=more).metric)
    first = code(module(reading, text=more).metric)
    assert code(module(reading, change, text=more).metric) != first
    # What is not read is no part of it; a function's own attributes always are.
    unread = code(module(change, text=more).metric) == code(module(text=more).metric)
    assert unread is (read != "metric.weight")


def test_of_a_module_of_ones_own_what_is_read_of_it_counts_and_nothing_else(module, code):
    def measured(*changes):
        module(*changes, name="own_helpers", text="def f(x):\n    return x\nOTHER = 1\n")
        using = (BODY, "return own_helpers.f(chosen(logits, answers)) + k")
        return code(module(("import math", "import own_helpers\nimport math"), using).metric)

    first = measured()
    assert measured(("OTHER = 1", "OTHER = 2")) == first
    assert measured(("return x", "return 2 * x")) != first


def test_a_metric_may_be_a_partial_a_method_or_an_object_that_is_called(perfect, module, code):
    text = METRIC + textwrap.indent(
        textwrap.dedent("""
        class Scaled:
            def __init__(self, scale):
                self.scale = scale
            def __call__(self, logits, answers, wrong_answers):
                return self.scale * chosen(logits, answers)
            def method(self, logits, answers, wrong_answers):
                return self(logits, answers, wrong_answers)
        """),
        "    ",
    )
    own = module(text=text)
    for one, same, other in (
        (functools.partial(own.metric, k=2), functools.partial(own.metric, k=2), own.metric),
        (own.Scaled(1), own.Scaled(1), own.Scaled(2)),
        (own.Scaled(1).method, own.Scaled(1).method, own.Scaled(2).method),
    ):
        assert code(one) == code(same)
        assert code(one) != code(other)
    named = measures.patch(perfect, PAIRS, metric=own.Scaled(1)).convention["metric"]
    assert named == "function Scaled, last position"


def test_code_without_source_is_told_by_its_bytecode(code):
    def made(text):
        namespace = {}
        exec(text, namespace)  # noqa: S102
        return namespace["metric"]

    text = "def metric(logits, answers, wrong):\n    'Words.'\n    return logits[:, 0] * {}\n"
    assert code(made(text.format(2))) == code(made(text.format(2).replace("Words", "Others")))
    assert code(made(text.format(2))) != code(made(text.format(3)))


@pytest.mark.parametrize(
    ("read", "held"),
    [
        ("STREAM.random()", r"STREAM holds can't be told \(a Random\)"),
        ("LINEAR(1)", r"LINEAR holds can't be told \(a Linear\)"),
        ("len(ENDLESS)", r"ENDLESS holds can't be told \(a list\)"),
        ("own.f(1)", "own_metrics holds can't be told|own holds can't be told"),
        ("first(1)", "first is one of several lambdas in a line"),
    ],
)
def test_what_can_not_be_told_is_refused_by_its_name(module, perfect, read, held):
    more = METRIC + textwrap.indent(
        textwrap.dedent("""
        import sys
        STREAM = random.Random(0)
        LINEAR = torch.nn.Linear(1, 1)
        ENDLESS = []
        ENDLESS.append(ENDLESS)
        own = [sys.modules[__name__]]
        first, second = lambda x: x, lambda x: 2 * x
        """),
        "    ",
    )
    metric = module((BODY, f"return {read} * chosen(logits, answers) + k"), text=more).metric
    with pytest.raises(ChoiceError, match=f"^metric metric: .*({held})"):
        measures.patch(perfect, PAIRS, metric=metric)


def test_a_library_is_known_by_its_names(code):
    def metric(logits, answers, wrong_answers):
        mean = np.mean([1.0]) * torch.nn.functional.relu(torch.log(torch.ones(1)))
        return logits[:, 0] + mean + np.log(2)

    other = functools.wraps(metric)(lambda *given: metric(*given))  # noqa: PLW0108
    assert code(metric) == code(metric)
    assert code(other) != code(metric)
