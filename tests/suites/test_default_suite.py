"""The default suite: what is in it is decided by the model that owns the baselines."""

from functools import cache

import pytest
from circuit_suites import copy_of_recall, counts, in_fresh_python

from pytest_circuits import suites
from pytest_circuits.models import load, parse_source

MODULE = """
from pytest_circuits import suites

TestCircuits = suites.default({options})
"""
#: What the bundled model can have, whose tokenizer knows neither names nor a sentence of English.
FIT = ["induction_heads", "previous_tokens", "repeat_loss"]
LEFT_OUT = [
    "agreement", "agreement_writers", "capitals", "indirect_object", "name_movers", "text_loss",
]  # fmt: skip
REASONS = f"without={dict.fromkeys(LEFT_OUT, 'no such words')!r}"
BASELINES = [f"recall/test_default/TestCircuits.test_{name}.json" for name in FIT]
REGRESSED = ("--circuits", "--circuits-model", "candidate=bundled:recall-regressed")


@pytest.fixture
def default(suite):
    """A suite whose one module is the default suite."""
    suite.write("test_default.py", MODULE.format(options=""))
    return suite


@pytest.fixture(scope="module")
def stored():
    """The files of the suite's baselines, approved once."""
    return {}


@pytest.fixture
def approved(default, stored):
    if not stored:
        stored.update(
            {path.relative_to(default.path): path.read_text() for path in approve(default)}
        )
    for path, text in stored.items():
        default.write(path, text.removesuffix("\n"))
    return default


def approve(suite):
    return suite.approve().values()


@cache
def recall():
    return load(parse_source("bundled:recall"), device="cpu").bridge


def silent(tensors):
    """No attention writes anything in the second layer."""
    for name, tensor in tensors.items():
        if "blocks.1.attn" in name or "layers.1.attn" in name:
            tensor[:] = 0.0


def skipped(result):
    """Why each check is left out."""
    lines = [line for line in result.stdout.lines if line.startswith("SKIPPED")]
    words = (line.partition(".py:")[2].partition(": ")[2] for line in lines)
    return {name: why for name, _, why in (text.partition(" is left out: ") for text in words)}


# What is in it


def test_each_check_has_a_test_and_a_baseline_of_its_own(default):
    assert sorted(default.approve()) == BASELINES
    result = default.run("--circuits", "-ra")
    assert counts(result) == {"passed": 3, "skipped": 6}
    assert sorted(skipped(result)) == LEFT_OUT
    assert (
        skipped(result)["text_loss"]
        == "the text has words that this model's tokenizer doesn't know"
    )
    assert skipped(result)["name_movers"].startswith("ioi(n=16, seed=0) leaves out 16 names")
    result.stdout.fnmatch_lines(["preserved *induction_heads *recall 4 heads, *"])


def test_its_tests_are_chosen_as_others_are(approved):
    result = approved.run("--circuits", "-k", "induction or repeat")
    assert counts(result) == {"passed": 2, "deselected": 7}


def test_without_circuits_all_are_skipped(default):
    result = default.run()
    assert counts(result) == {"skipped": 9}
    assert result.ret == 0


def test_tests_of_ones_own_stand_beside_it(approved):
    approved.write(
        "test_default.py",
        "from pytest_circuits import assert_behaviour, suites\n"
        "class TestCircuits(suites.default()):\n"
        "    def test_own(self, circuits):\n"
        "        assert_behaviour(circuits.repeat_loss(), at_most=0.1)\n",
    )
    assert counts(approved.run("--circuits")) == {"passed": 4, "skipped": 6}


# A candidate has no say in it


def test_a_candidate_that_lost_something_fails(approved):
    result = approved.run(*REGRESSED, "-ra")
    assert counts(result) == {"failed": 3, "skipped": 6}
    assert sorted(skipped(result)) == LEFT_OUT
    assert all(why.startswith("recall: ") for why in skipped(result).values())
    result.stdout.fnmatch_lines(
        ["lost: repeat loss rose *; L1H3 0.97→0.00 +3", "  no induction heads left (4 before)"]
    )
    assert "suites.py" not in result.stdout.str().partition("short test summary")[0]


def test_what_only_a_candidate_has_is_not_in_it(suite):
    copy_of_recall(suite.path / "silent", silent)
    suite.ini("silent = ./silent")
    suite.write("test_default.py", MODULE.format(options=REASONS))
    assert suite.approve() == {}
    result = suite.run("--circuits", "--circuits-model", "better=bundled:recall", "-ra")
    assert counts(result) == {"skipped": 9}
    assert skipped(result)["induction_heads"].startswith("silent: repeat gain is ")
    result.stdout.fnmatch_lines(["*nothing was judged*"])


def test_a_baseline_that_is_gone_is_a_finding_without_one(approved, monkeypatch):
    (approved.path / "__circuits__" / BASELINES[0]).unlink()
    monkeypatch.setenv("CI", "1")
    result = approved.run(*REGRESSED, "-k", "induction")
    assert counts(result) == {"failed": 1, "deselected": 8}
    result.stdout.fnmatch_lines(["new: *"])


def test_so_it_is_where_the_owner_cannot_be_asked(default, monkeypatch):
    default.write("broken/config.json", "{}")
    default.ini("recall = ./broken")
    monkeypatch.setenv("CI", "1")
    arguments = ("--circuits", "--circuits-model", "candidate=bundled:recall", "-k", "induction")
    result = default.run(*arguments)
    assert counts(result) == {"failed": 1, "deselected": 8}
    result.stdout.fnmatch_lines(["new: *"])


def test_a_model_that_is_not_there_fails_all(default):
    default.write("broken/config.json", "{}")
    default.ini("recall = ./broken")
    assert counts(default.run("--circuits")) == {"failed": 9}


def test_a_damaged_baseline_fails_its_test(approved):
    (approved.path / "__circuits__" / BASELINES[0]).write_text("{")
    assert counts(approved.run("--circuits", "-k", "induction")) == {"failed": 1, "deselected": 8}


# Left out by name


def test_what_is_left_out_by_name_asks_no_model(approved):
    approved.write("test_default.py", MODULE.format(options=REASONS))
    approved.write("broken/config.json", "{}")
    approved.ini("recall = ./broken")
    result = approved.run("--circuits", "-ra", "-k", " or ".join(LEFT_OUT))
    assert counts(result) == {"skipped": 6, "deselected": 3}
    assert skipped(result) == dict.fromkeys(LEFT_OUT, "no such words")


def test_what_has_a_baseline_cannot_be_left_out(approved):
    approved.write("test_default.py", MODULE.format(options="without={'induction_heads': 'slow'}"))
    result = approved.run("--circuits", "-k", "induction")
    assert counts(result) == {"failed": 1, "deselected": 8}
    result.stdout.fnmatch_lines(
        [
            "induction_heads is left out (slow), and has a baseline:",
            "*TestCircuits.test_induction_heads.json",
            "Delete that file, or take 'induction_heads' out of `without`.",
        ]
    )


@pytest.mark.parametrize(
    ("without", "text"),
    [
        ({"induction": "slow"}, "there is no check 'induction' here; there are text_loss, "),
        ({"induction_heads": ""}, "without gives 'induction_heads' a reason, in words, not ''"),
        ({"induction_heads": None}, "without gives 'induction_heads' a reason, in words, not None"),
        (["induction_heads"], "without gives each check a reason, as in "),
    ],
)
def test_what_cannot_be_left_out_is_refused(without, text):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 — the text is held
        suites.default(without=without)
    assert str(raised.value).startswith(text)


# Told of a model


def test_it_says_what_fits_a_model_and_why_the_rest_does_not():
    made = suites.default(recall())
    assert sorted(made.left_out) == LEFT_OUT
    lines = made.summary().splitlines()
    assert lines[0] == "3 of 9 checks"
    assert lines[1].split()[0] == "repeat_loss"
    assert lines[4] == "left out"
    assert len(lines) == 11


def test_a_model_may_be_named():
    assert sorted(suites.default("bundled:recall").left_out) == LEFT_OUT


def test_its_source_is_a_module_with_the_same_tests(approved):
    source = suites.default(recall()).source()
    approved.write("test_own.py", source)
    result = approved.run("--circuits", "test_own.py")
    assert counts(result) == {"passed": 3}
    values = [line.split("recall ")[1] for line in result.stdout.lines if line.startswith("new ")]
    result = approved.run("--circuits", "test_default.py")
    kept = [line for line in result.stdout.lines if line.startswith("preserved ")]
    assert [line.split("recall ")[1] for line in kept] == values
    assert len(values) == 3


def test_the_source_of_all_of_it_names_what_it_needs(suite):
    suite.write("test_own.py", suites.default().source())
    result = suite.run("--collect-only", "-q")
    tests = [line.partition("::test_")[2].partition("[")[0] for line in result.stdout.lines]
    assert sorted(filter(None, tests)) == sorted([*FIT, *LEFT_OUT])


def test_the_text_has_as_many_tokens_as_its_tolerance_is_for():
    words = suites.TEXT.replace(",", " ,").replace(".", " .").split()
    assert len(words) > 252


def test_to_import_it_loads_no_torch_and_no_numpy():
    code = (
        "import sys\nfrom pytest_circuits import suites\nsuites.default()\n"
        "print({'torch', 'numpy', 'transformers'} & set(sys.modules))"
    )
    assert in_fresh_python(code) == "set()\n"
