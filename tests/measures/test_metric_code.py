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
from pytest_circuits.verdicts.judging import differences

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


def own(text):
    """The module of a metric, with more text at its end."""
    return METRIC + textwrap.indent(textwrap.dedent(text), "    ")


def reading(expression):
    return BODY, f"return {expression} * chosen(logits, answers) + k"


CLASSES = own("""
    import abc, dataclasses, enum
    from typing import Generic, NamedTuple, TypeVar
    NUMBER = 1.0
    class Base:
        below = 1.0
    class Config(Base):
        scale = 1.0
        class Inner:
            part = 1.0
        def method(self):
            return self.scale * max(1.0, 2.0)
        @property
        def half(self):
            return self.scale / 2
        @staticmethod
        def fixed():
            return 1.0
        @classmethod
        def made(cls):
            return cls.scale
        @functools.cached_property
        def kept(self):
            return 3.0
    def make(factor):
        class Scale:
            by = factor
        return Scale
    Scale = make(1.0)
    if NUMBER == 1.0:
        class Which:
            def value(self):
                return 1.0
    else:
        class Which:
            def value(self):
                return 2.0
    class Meta(type):
        def __call__(cls):
            return 1.0
    class WithMeta(metaclass=Meta):
        pass
    @dataclasses.dataclass(frozen=True)
    class Data:
        first: float = 1.0
        second: list = dataclasses.field(default_factory=lambda: [1.0])
    class Point(NamedTuple):
        x: float
        y: float = 1.0
        def total(self):
            return self.x + self.y
    POINT = Point(1.0)
    class Level(enum.Enum):
        LOW = 1.0
        @classmethod
        def _missing_(cls, value):
            return cls.LOW
    class Abstract(abc.ABC):
        @abc.abstractmethod
        def value(self): ...
    T = TypeVar("T")
    class Typed(Abstract, Generic[T]):
        __slots__ = ("slot",)
        def value(self):
            return 1.0
""").replace("import math", "import math, functools")


@pytest.mark.parametrize(
    ("read", "change"),
    [
        ("Config.scale", "Config.scale = 3.0"),
        ("Config.below", "Base.below = 3.0"),
        ("Config.Inner.part", "Config.Inner.part = 3.0"),
        ("Config().method()", "Config.method = lambda self: 3.0"),
        ("Config().method()", "def max(*given): return 3.0"),
        ("Config().half", "Config.half = property(lambda self: 3.0)"),
        ("Config.fixed()", "Config.fixed = staticmethod(lambda: 3.0)"),
        ("Config.made()", "Config.made = classmethod(lambda cls: 3.0)"),
        ("Config().kept", "Config.kept.func = lambda self: 4.0"),
        ("Scale.by", "Scale = make(3.0)"),
        ("WithMeta()", "Meta.__call__ = lambda cls: 3.0"),
        ("Data().first", "@dataclasses.dataclass\nclass Data:\n    first: float = 3.0"),
        ("Data().first", "Data.__init__ = lambda self: None"),
        ("len(dataclasses.fields(Data))", "del Data.__dataclass_fields__['second']"),
        ("POINT.total()", "Point.total = lambda self: 3.0"),
        ("POINT.x", "POINT = Point(3.0)"),
        ("POINT.x", "POINT = NamedTuple('Point', [('y', float), ('x', float)])(1.0, 1.0)"),
        ("Level(7).value", "Level._missing_ = classmethod(lambda cls, value: cls.LOW)"),
        ("len(vars(Level.LOW))", "Level.LOW.more = 3.0"),
        ("Typed().value()", "Typed.value = lambda self: 3.0"),
    ],
)
def test_a_class_is_told_by_what_it_holds_now(module, code, read, change):
    first = code(module(reading(read), text=CLASSES).metric)
    assert code(module(reading(read), text=CLASSES).metric) == first
    changed = CLASSES + textwrap.indent(f"\n{change}\n", "    ")
    assert code(module(reading(read), text=changed).metric) != first


def test_of_two_classes_of_one_name_the_one_that_is_there_counts(module, code):
    first = code(module(reading("Which().value()"), text=CLASSES).metric)
    other = module(reading("Which().value()"), ("NUMBER = 1.0", "NUMBER = 2.0"), text=CLASSES)
    assert code(other.metric) != first


def test_a_class_that_is_written_otherwise_is_the_same(module, code):
    first = code(module(reading("Data().first + Config().method()"), text=CLASSES).metric)
    for change in (
        ("class Config(Base):", 'class Config(Base):\n    """Some words."""'),
        ("first: float", "first: int"),
        ("scale = 1.0", "scale = 2 / 2  # a comment"),
    ):
        same = module(reading("Data().first + Config().method()"), change, text=CLASSES)
        assert code(same.metric) == first


@pytest.mark.parametrize(
    ("read", "more", "held"),
    [
        (
            "Odd().value()",
            "class Odd:\n    kept = random.Random(0)",
            r"Odd\.kept holds can't be told",
        ),
        ("Late().f()", "class Late:\n    def f(self):\n        import beside", "imports beside"),
        ("globals()['SCALE']", "", "metric reads globals"),
        ("eval('SCALE')", "", "metric reads eval"),
        ("compile('SCALE', '', 'eval')", "", "metric reads compile"),
        ("__import__('beside').f()", "", "metric reads __import__"),
        ("importlib.import_module('beside').f()", "import importlib", "metric reads import_module"),
        (
            "load('beside').f()",
            "from importlib import import_module as load",
            "metric reads import_module",
        ),
        ("sys.modules['beside'].f()", "import sys", "metric reads sys.modules"),
        ("getattr(sys, 'modules')['beside']", "import sys", "metric reads sys"),
        ("builtins.eval('SCALE')", "import builtins", "metric reads eval"),
        ("look()['SCALE']", "look = globals", "metric reads globals"),
        ("look('SCALE')", "look = functools.partial(eval)", "look reads eval"),
        ("chosen.__globals__['SCALE']", "", "metric reads __globals__"),
        ("look()", "def look():\n    import sys\n    return sys.modules", "look imports sys"),
        ("Reader().f()", "class Reader:\n    def f(self):\n        return eval('1')", "reads eval"),
    ],
)
def test_what_reaches_code_by_name_is_refused(module, perfect, read, more, held):
    text = own(f"import functools\n{more}\n")
    metric = module(reading(read), text=text).metric
    with pytest.raises(ChoiceError, match=f"^metric metric: .*{held}"):
        measures.patch(perfect, PAIRS, metric=metric)


@pytest.mark.parametrize(
    "read", ["torch.nn.Identity().eval()(1)", "len(re.compile('a').pattern)", "len(locals())"]
)
def test_what_only_has_such_a_name_is_not_refused(module, code, read):
    text = own("import re\n")
    assert code(module(reading(read), text=text).metric) != code(module(text=text).metric)


def test_code_that_runs_counts_where_its_file_has_been_edited(module, code):
    before = module()
    first = code(before.metric)
    module(("SCALE *", "SCALE -"), ("[:, 0]", "[:, -1]"))  # the file has other code now
    edited = code(before.metric)
    assert edited not in (first, code(sys.modules["own_metrics"].metric))
    module()
    assert code(before.metric) == first


def test_bytecode_has_how_arguments_are_taken(code):
    def made(arguments):
        namespace = {}
        exec(f"def metric({arguments}):\n    return logits[:, 0]", namespace)  # noqa: S102
        return namespace["metric"]

    assert code(made("logits, answers, wrong")) != code(made("logits, answers, *wrong"))


def test_a_metric_with_an_assertion_that_pytest_rewrote_is_told_by_its_source(code):
    def metric(logits, answers, wrong_answers):
        assert logits.ndim == 2, "one row per prompt"
        return logits[:, 0]

    def other(logits, answers, wrong_answers):
        assert logits.ndim == 2, "one row per prompt"
        return logits[:, 1]

    assert any(name.startswith("@") for name in metric.__code__.co_names)
    assert code(metric) != code(other)


@pytest.mark.parametrize("name", ["__file__", "__name__", "__doc__", "__spec__", "__loader__"])
def test_where_a_module_lies_is_no_part_of_its_code(module, code, name):
    def measured(called):
        return code(module(reading(f"len(str({name}))"), name=called).metric)

    assert measured("own_metrics") == measured("own_metrics_elsewhere")


def test_names_with_two_underscores_that_one_gave_oneself_do_count(module, code):
    text = own("__scale__ = 1.0\n")
    first = code(module(reading("__scale__"), text=text).metric)
    other = module(reading("__scale__"), ("__scale__ = 1.0", "__scale__ = 2.0"), text=text)
    assert code(other.metric) != first


def test_what_running_keeps_in_classes_is_no_change(module, code):
    text = own("""
        import enum
        from typing import Protocol
        class Valued(Protocol):
            def value(self): ...
        class One(Valued):
            def value(self): return 1
        class Flags(enum.IntFlag):
            A, B = 1, 2
    """)
    metric = module(reading("One().value() * (Flags.A | Flags.B)"), text=text).metric
    assert code(metric) == code(metric)  # it has run by then
