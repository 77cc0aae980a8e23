"""The models on which changes are made, approved once; and the table of what was obtained."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from constructed.changes import Checkpoint, Roles
from constructed.gate import GateSuite
from constructed.subjects import Subject, Wording, ioi, word_recall
from constructed.summary import RESULT, Result, distinct, markdown
from constructed.trials import Reference

#: A path without ending: the table is written there as .md, and what it was made of as .json.
REPORT = "CONSTRUCTED_CHANGES_REPORT"

_RESULTS = pytest.StashKey[list[Result]]()
_BUNDLED = Path(__file__).parents[2] / "pytest_circuits/models/bundled"
_SMOLLM2 = Path("~/.cache/pytest-circuits/SmolLM2-135M-Instruct-Q4_1").expanduser()


def _words(folder: Path) -> list[str]:
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    return [word for word in vocabulary["vocab"] if not word.startswith("<")]


@pytest.fixture(scope="session")
def recall():
    folder = _BUNDLED / "recall"
    return Subject("recall", folder, block=24, task=word_recall(_words(folder)), at_once=5)


@pytest.fixture(scope="session")
def smollm2():
    return Subject("smollm2", _SMOLLM2, block=16, task=ioi, at_once=2, learns=True)


@pytest.fixture(scope="session")
def phi(pytestconfig, tmp_path_factory):
    from constructed.phi import recipe, train

    # Without pytest's cache it is trained in every run.
    cache = getattr(pytestconfig, "cache", None)
    kept = tmp_path_factory.mktemp("phi") if cache is None else cache.mkdir("constructed-phi")
    folder = kept / recipe()
    if not folder.exists():
        train(folder)
    return Subject("phi", folder, block=24, task=word_recall(_words(folder)), at_once=5)


@pytest.fixture(scope="session")
def references():
    """Subjects whose baselines are approved, by name."""
    return {}


@pytest.fixture
def reference(request, pytester, references):
    """A subject with approved baselines; the parameter is the fixture's name."""
    subject = request.getfixturevalue(request.param)
    if subject.name not in references:
        suite = GateSuite(pytester, subject)
        suite.write(subject.folder, Wording())
        approved = suite.approve()
        assert approved.exit == 0, approved.failures
        roles = Roles(
            induction=suite.members("test_induction_heads"),
            previous=suite.members("test_previous_token_heads"),
            attribution=suite.members("test_answer_writers"),
        )
        references[subject.name] = Reference(
            subject, Checkpoint.read(subject.folder), roles, suite.baselines()
        )
    return references[subject.name]


def pytest_configure(config):
    config.stash[_RESULTS] = []
    config.pluginmanager.register(_Gather(config))


class _Gather:
    """Gathers results here or from xdist's workers."""

    def __init__(self, config):
        self._results = config.stash[_RESULTS]

    def pytest_runtest_logreport(self, report):
        if report.when == "teardown":
            self._results += [
                Result.from_json(value) for name, value in report.user_properties if name == RESULT
            ]


def pytest_terminal_summary(terminalreporter, config):
    results = distinct(config.stash[_RESULTS])
    if not results:
        return
    lines = markdown(results)
    terminalreporter.write_sep("=", "constructed changes")
    for line in lines:
        terminalreporter.write_line(line)
    path = os.environ.get(REPORT)
    if path:
        Path(f"{path}.md").write_text("\n".join(lines), encoding="utf-8")
        text = "[\n" + ",\n".join(result.to_json() for result in results) + "\n]\n"
        Path(f"{path}.json").write_text(text, encoding="utf-8")
