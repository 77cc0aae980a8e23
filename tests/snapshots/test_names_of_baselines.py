"""Every test has a file of its own, whatever its name and its parameters' ids."""

import pytest
from circuit_suites import counts

COMPARE = "assert circuits.repeat_loss() == circuit_snapshot"
TEMPLATE = """
import pytest


@pytest.mark.parametrize("word", {words!r})
def test_heads(circuits, circuit_snapshot, word):
    assert circuits.repeat_loss() == circuit_snapshot
"""


def files(suite):
    return [name.removeprefix("recall/test_heads/") for name in suite.baseline_files()]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["a", "A"], id="case"),
        pytest.param(["a/b", "a:b", "a?b", "a*b", "a_b", 'a"b', "a<b", "a|b"], id="illegal"),
        pytest.param(
            ["a\\b", "a b", "a\tb"], id="blanks and backslashes", marks=pytest.mark.nightly
        ),
        pytest.param(["über", "uber"], id="umlauts", marks=pytest.mark.nightly),
        pytest.param(["x" * 300, "x" * 301], id="long", marks=pytest.mark.nightly),
        pytest.param(["a::b", "a"], id="colons", marks=pytest.mark.nightly),
        pytest.param(["recall", "recall-recall", "-recall", "recall-", "-"], id="the alias"),
        pytest.param(["../../up", "."], id="folders"),
    ],
)
def test_tests_that_differ_only_in_their_parameters_have_files_that_differ_in_more_than_case(
    suite, words
):
    suite.write("test_heads.py", TEMPLATE.format(words=words))
    names = [name.rpartition("/")[2] for name in suite.approve()]
    assert len(names) == len(words)
    assert len({name.casefold() for name in names}) == len(words)
    assert max(len(name.encode()) for name in names) <= 205
    assert not any(set(name) & set('\\/?*:|"<>\t') for name in names)
    assert all(path.parent.name == "test_heads" for path in suite.baseline_files().values())
    before = suite.age()
    result = suite.run("--circuits", "--snapshot-update")
    assert (result.ret, counts(result)) == (0, {"passed": len(words)})
    assert suite.stamps() == before


def test_a_parameter_that_reads_like_the_alias_stays_in_the_name(suite):
    suite.write("test_heads.py", TEMPLATE.format(words=["recall", "recalls", "recall-"]))
    suite.approve()
    assert files(suite) == [
        "test_heads[recall-].json",
        "test_heads[recall].json",
        "test_heads[recalls].json",
    ]


def test_the_alias_is_a_folder_and_no_part_of_the_name(suite):
    suite.ini("recall-1 = bundled:recall", "1 = bundled:recall-finetuned")
    suite.write("test_heads.py", TEMPLATE.format(words=["recall", "x"]))
    suite.approve("--circuits-model", "recall-1", "--circuits-model", "1")
    assert list(suite.baseline_files()) == [
        f"{alias}/test_heads/test_heads[{word}].json"
        for alias in ("1", "recall-1")
        for word in ("recall", "x")
    ]


def test_tests_of_classes_carry_their_classes_names(suite):
    suite.write(
        "test_heads.py",
        """
import pytest


class TestOuter:
    def test_heads(self, circuits, circuit_snapshot):
        assert circuits.repeat_loss() == circuit_snapshot

    class TestInner:
        @pytest.mark.parametrize("word", ["x"])
        def test_heads(self, circuits, circuit_snapshot, word):
            assert circuits.repeat_loss() == circuit_snapshot


def test_heads(circuits, circuit_snapshot):
    assert circuits.repeat_loss() == circuit_snapshot
""",
    )
    suite.approve()
    assert files(suite) == [
        "TestOuter.TestInner.test_heads[x].json",
        "TestOuter.test_heads.json",
        "test_heads.json",
    ]


def test_parametrised_fixtures_are_part_of_the_name(suite):
    suite.write(
        "test_heads.py",
        """
import pytest


@pytest.fixture(scope="session", params=["long", "short"])
def prompts(request):
    return request.param


def test_heads(circuits, circuit_snapshot, prompts):
    assert circuits.repeat_loss() == circuit_snapshot
""",
    )
    suite.approve()
    assert files(suite) == ["test_heads[long].json", "test_heads[short].json"]


def test_modules_of_one_name_in_two_folders_have_baselines_of_their_own(suite):
    text = f"def test_heads(circuits, circuit_snapshot):\n    {COMPARE}"
    for folder in ("one", "two"):
        suite.write(f"{folder}/__init__.py", "")
        suite.write(f"{folder}/test_heads.py", text)
    suite.approve()
    found = sorted(
        path.relative_to(suite.path).as_posix() for path in suite.path.rglob("test_heads.json")
    )
    assert found == [
        "one/__circuits__/recall/test_heads/test_heads.json",
        "two/__circuits__/recall/test_heads/test_heads.json",
    ]


def test_functions_whose_names_differ_in_case_only_have_files_that_differ_in_more(suite):
    body = f"(circuits, circuit_snapshot):\n    {COMPARE}\n"
    suite.write("test_heads.py", f"def test_heads{body}\n\ndef test_Heads{body}")
    suite.approve()
    assert len({name.casefold() for name in files(suite)}) == 2


def test_classes_whose_names_differ_in_case_only_are_refused_and_nothing_is_written(suite):
    body = f"(self, circuits, circuit_snapshot):\n        {COMPARE}\n"
    suite.write(
        "test_heads.py",
        f"class TestHeads:\n    def test{body}\n\nclass TestHEADS:\n    def test{body}\n"
        f"    def test_other{body}",
    )
    result = suite.run("--circuits", "--snapshot-update")
    assert (result.ret, counts(result)) == (1, {"passed": 1, "errors": 2})
    line = (
        "test_heads.py::TestHeads::test[recall] and test_heads.py::TestHEADS::test[recall] differ "
        "only in case, and so would their baselines' files: rename one of them"
    )
    assert result.stdout.lines.count(line) == 2
    (written,) = files(suite)
    assert written.startswith("TestHEADS.test_other")
