"""Code, environment and torch's state decide whether a finding is remembered."""

import json
import os
import py_compile
import string  # noqa: F401 — read by what is evaluated
from zipfile import ZipFile

import numpy as np
import pytest
import yaml
from circuit_suites import counts, few
from session.cache_suites import remembered

from pytest_circuits.session.cache_code import read_source
from pytest_circuits.session.cache_environment import Reads
from pytest_circuits.session.cache_keys import UncertainError, is_installed

LOSS = "def test_loss(circuits):\n    circuits.repeat_loss()\n"
TEST = """
import importlib
import pytest
from imported import *
from package.part import number as _
from space.part import number as _
import by_another_test

importlib.import_module("by_" + "name")


@pytest.fixture(autouse=True)
def at_run_time(monkeypatch):
    import in_a_fixture
    from other_test import number
    pytest.importorskip("by_pytest")
    monkeypatch.setattr("by_text.number", 2)


def test_loss(circuits):
    __import__("in_the_test")
    circuits.repeat_loss()
"""
CONFTEST = """
import by_conftest
pytest_plugins = ["own_plugin", "package.plugin"]

def pytest_configure(config):
    config.pluginmanager.import_plugin("late_" + "plugin")
"""
#: The files that the test can reach, and what more they hold than a number.
REACHED = {
    "test_loss.py": TEST,
    "conftest.py": CONFTEST,
    "imported.py": "import by_imported\n",
    "by_imported.py": "",
    "package/__init__.py": "",
    "package/part.py": "from . import beside\nfrom .below.deep import number\n",
    "package/beside.py": "",
    "package/below/__init__.py": "",
    "package/below/deep.py": "from ..above import number\n",
    "package/above.py": "",
    "package/plugin.py": "",
    "space/part.py": "",
    "by_another_test.py": "",
    "by_name.py": "",
    "in_a_fixture.py": "",
    "other_test.py": "",
    "by_pytest.py": "",
    "by_text.py": "",
    "in_the_test.py": "",
    "by_conftest.py": "",
    "own_plugin.py": "import by_own_plugin\n",
    "by_own_plugin.py": "",
    "late_plugin.py": "",
    "named_plugin.py": "import by_named_plugin\n",
    "by_named_plugin.py": "",
}


def edit(suite, name):
    path = suite.path / name
    path.write_text(f"{path.read_text(encoding='utf-8')}# another\n", encoding="utf-8")


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.nightly)])
def test_every_file_that_the_test_can_reach_counts(suite, monkeypatch, every):
    suite.ini(circuits_unjudged="allow")
    monkeypatch.syspath_prepend(suite.path)
    for name, text in REACHED.items():
        suite.write(name, f"{text}\nnumber = 1")
    arguments = ("-p", "named_plugin", "test_loss.py")
    assert remembered(suite, *arguments) == [False]
    assert remembered(suite, *arguments) == [True]
    stale = []
    for name in list(REACHED)[::every]:
        edit(suite, name)
        stale += [name] if remembered(suite, *arguments) != [False] else []
    assert stale == []
    monkeypatch.setenv("CI", "true")
    assert remembered(suite, *arguments) == [True]
    edit(suite, "by_imported.py")
    assert remembered(suite, *arguments) == [False]


def test_what_another_test_reaches_does_not_count(suite, monkeypatch):
    monkeypatch.syspath_prepend(suite.path)
    suite.write("test_a.py", LOSS)
    suite.write("test_b.py", "import helper\n\ndef test_b():\n    pass\n")
    suite.write("helper.py", "import further")
    suite.write("further.py", "")
    assert remembered(suite) == [False]
    for name in ("test_b.py", "helper.py", "further.py"):
        edit(suite, name)
        assert remembered(suite) == [True]
    assert remembered(suite, "test_a.py") == [True]


READ_UNNOTED = {
    "posix": "import posix\nMODE = posix.environ.get(b'MODE')",
    "posix by name": "import importlib\nMODE = importlib.import_module('posix').environ",
    "nt": "def mode():\n    from nt import environ\n    return environ['MODE']",
    "/proc": "MODE = b'MODE=1' in __import__('pathlib').Path('/proc/self/environ').read_bytes()",
    "/proc in parts": "from pathlib import Path\nMODE = Path('/proc') / 'self' / 'environ'",
    "environ()": "import psutil\nMODE = psutil.Process().environ().get('MODE')",
    "putenv": "from os import putenv\nputenv('MODE', '1')",
}


@pytest.mark.parametrize("way", READ_UNNOTED)
def test_what_reads_the_environment_unnoted_is_not_known(way):
    said = f"uses {way.split()[0]}: what that has of the environment can't be noted"
    assert read_source(READ_UNNOTED[way].encode(), "").unknown == said


def test_what_only_looks_as_if_it_did_is_known():
    plain = "import os\nnt = os.name == 'posix'\nopen('/proc/meminfo')\nos.environ['MODE']\n"
    assert read_source(plain.encode(), "").unknown == ""


def test_a_helper_that_reads_the_environment_unnoted_is_not_remembered(suite, monkeypatch):
    monkeypatch.syspath_prepend(suite.path)
    suite.write("helper.py", READ_UNNOTED["/proc"])
    suite.write("test_loss.py", f"import helper\n{LOSS}")
    assert remembered(suite) == [False]
    assert remembered(suite) == [False]
    said = "not remembered (1 test): helper.py uses /proc: what that has of the environment *"
    suite.run("--circuits").stdout.fnmatch_lines([said])


RUN_CODE = {
    "exec": "exec(Path(__file__).with_name('text.txt').read_text())",
    "run_path": "import runpy\nrunpy.run_path(Path(__file__).with_name('text.txt'))",
    "spec_from_file_location": "from importlib import util\n"
    "spec = util.spec_from_file_location('text', Path(__file__).with_name('text.txt'))",
}


@pytest.fixture(autouse=True)
def _a_wide_terminal(monkeypatch):
    """Reasons stand on one line each."""
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.parametrize("word", few(RUN_CODE, 1))
def test_code_that_lies_in_no_module_is_not_known(suite, monkeypatch, word):
    monkeypatch.syspath_prepend(suite.path)
    suite.write("text.txt", "number = 1")
    suite.write("helper.py", f"from pathlib import Path\n{RUN_CODE[word]}")
    suite.write("test_loss.py", f"import helper\n{LOSS}")
    assert remembered(suite) == [False]
    assert remembered(suite) == [False]
    suite.run("--circuits").stdout.fnmatch_lines(
        [f"not remembered (1 test): helper.py uses {word}: what code that runs can't be known"]
    )


def test_a_file_that_changes_during_the_run_is_not_known(suite):
    touching = "import os\ndef test_a():\n    os.utime(__file__)\n"
    suite.write("test_loss.py", f"{touching}{LOSS}")
    assert remembered(suite) == [False]
    assert remembered(suite) == [False]


@pytest.fixture
def archive(suite, monkeypatch):
    """A helper in an archive, which a conftest file puts on the path."""

    def write(text):
        with ZipFile(suite.path / "helpers.zip", "w") as file:
            file.writestr("helper.py", text)

    write("number = 1")
    monkeypatch.syspath_prepend(suite.path / "helpers.zip")
    suite.write("test_loss.py", f"import helper\n{LOSS}")
    return write


def test_a_helper_in_an_archive_is_not_known(suite, archive):
    assert remembered(suite) == [False]
    archive("number = 2")
    assert remembered(suite) == [False]
    said = "not remembered (1 test): helpers.zip/helper.py was imported, but is no file now (*"
    suite.run("--circuits").stdout.fnmatch_lines([said])


def test_a_helper_that_deletes_itself_is_not_known(suite, monkeypatch):
    monkeypatch.syspath_prepend(suite.path)
    suite.write("test_loss.py", f"import helper\n{LOSS}")
    for number in (1, 2):
        suite.write("helper.py", f"import os\nos.remove(__file__)\nnumber = {number}")
        assert remembered(suite) == [False]


def test_code_that_is_compiled_is_not_known(suite, monkeypatch):
    monkeypatch.syspath_prepend(suite.path)
    py_compile.compile(str(suite.write("helper.py", "number = 1")), suite.path / "helper.pyc")
    (suite.path / "helper.py").unlink()
    suite.write("test_loss.py", f"import helper\n{LOSS}")
    assert remembered(suite) == [False]
    assert remembered(suite) == [False]
    said = "not remembered (1 test): helper.pyc is no Python source (compiled code, perhaps)*"
    suite.run("--circuits").stdout.fnmatch_lines([said])


# Libraries


@pytest.fixture
def installed(suite, monkeypatch):
    """A distribution that the test imports, installed from somebody's folder."""
    folder = suite.path / "site-packages"
    monkeypatch.syspath_prepend(folder)
    suite.write("site-packages/theirs.py", "number = 1")
    suite.write("site-packages/theirs-1.0.dist-info/RECORD", "theirs.py,sha256=1,10")
    suite.write("site-packages/theirs-1.0.dist-info/direct_url.json", '{"dir_info": {}}')
    suite.write("test_loss.py", f"import theirs\n{LOSS}")
    assert remembered(suite) == [False]
    assert remembered(suite) == [True]
    return folder


def test_another_version_of_a_library_counts(suite, installed):
    (installed / "theirs-1.0.dist-info").rename(installed / "theirs-1.1.dist-info")
    assert remembered(suite) == [False]


def test_a_library_that_was_installed_again_from_a_folder_counts(suite, installed):
    record = installed / "theirs-1.0.dist-info/RECORD"
    record.write_text("theirs.py,sha256=2,10")
    assert remembered(suite) == [False]


@pytest.mark.parametrize("distribution", [True, False], ids=["copied library", "helper"])
def test_a_folder_that_has_the_name_of_one_for_libraries_counts(suite, monkeypatch, distribution):
    folder = suite.path / "vendor/site-packages"
    monkeypatch.syspath_prepend(folder)
    suite.write("vendor/site-packages/helper.py", "number = 1")
    if distribution:
        suite.write("vendor/site-packages/helper-1.0.dist-info/RECORD", "helper.py,sha256=1,10")
    suite.write("test_loss.py", f"import helper\n{LOSS}")
    assert remembered(suite) == [False]
    assert remembered(suite) == [True]
    edit(suite, "vendor/site-packages/helper.py")
    assert remembered(suite) == [False]


def test_in_the_libraries_folder_only_what_a_distribution_brought_is_one(tmp_path, monkeypatch):
    (tmp_path / "pyvenv.cfg").touch()
    folder = tmp_path / "lib/python3/site-packages"
    (folder / "Their.Name-1.0.dist-info").mkdir(parents=True)
    record = "theirs/__init__.py,,\n_compiled.cpython-313-darwin.so,,\nsingle.py,,\n"
    (folder / "Their.Name-1.0.dist-info/RECORD").write_text(record)
    monkeypatch.syspath_prepend(folder)
    brought = ("theirs/part.py", "_compiled.cpython-313-darwin.so", "single.py", "their_name/a.py")
    for name in brought:
        assert is_installed(f"{folder}{os.sep}{name}")
    for name in ("helper.py", "their.py", "the/irs.py", "__init__.py"):
        assert not is_installed(f"{folder}{os.sep}{name}")
    for library in (pytest, yaml, np):
        assert is_installed(library.__file__)


# The environment

READ = [
    "os.environ['MODE']", "os.environ.get('MODE')", "os.getenv('MODE')", "os.getenvb(b'MODE')",
    "'MODE' in os.environ", "os.environb[b'MODE']", "os.path.expandvars('$MODE')",
    "os.environ.setdefault('MODE', '1')", "os.environ.pop('MODE', '1')",
    "string.Template('$MODE').substitute(os.environ)", "list(map(os.environ.get, ['MODE']))",
]  # fmt: skip
WHOLE = [
    "os.environ.copy()", "dict(os.environ)", "list(os.environ.items())", "{**os.environ}",
    "os.environ | {'A': '1'}", "repr(os.environ)", "dict(os.environb)", "len(os.environ)",
    "os.environ == {}",
]  # fmt: skip


@pytest.fixture
def reads(monkeypatch):
    """Notes what this file reads."""
    monkeypatch.setenv("MODE", "1")
    noted = Reads()
    yield noted
    noted.stop()


@pytest.mark.parametrize("expression", READ)
def test_every_way_to_read_a_variable_is_noted(reads, expression):
    assert reads.of({__file__}, ())["declared"] == {}
    eval(expression)  # noqa: S307 — one of those above
    with pytest.raises(UncertainError, match=r":\d+ reads MODE from the environment, which"):
        reads.of({__file__}, ["OTHER"])
    assert reads.of({"another.py"}, ())["declared"] == {}
    assert "1" in reads.of({__file__}, ["MODE"])["declared"]["MODE"]


@pytest.mark.parametrize("expression", WHOLE)
def test_every_way_to_read_them_all_is_noted(reads, expression):
    eval(expression)  # noqa: S307 — one of those above
    with pytest.raises(UncertainError, match=r":\d+ reads all of the environment"):
        reads.of({__file__}, ["MODE"])


def test_of_a_variable_that_is_missing_it_is_noted_that_it_is(reads, monkeypatch):
    monkeypatch.delenv("MODE")
    os.environ.get("MODE")
    os.environ["MODE"] = "2"
    assert reads.of({__file__}, ["MODE"])["declared"] == {"MODE": ["2", None]}


WHERE = {
    "the test": ("test_loss.py", LOSS.replace("circuits.", "os.getenv('MODE'); circuits."), 4),
    "its module": ("test_loss.py", f"environ.get('MODE')\n{LOSS}", 3),
    "a fixture": (
        "conftest.py",
        "@pytest.fixture(autouse=True)\ndef mode():\n    environ.get('MODE')\n",
        5,
    ),
    "conftest": ("conftest.py", "os.getenv('MODE')\n", 3),
    "helper": ("helper.py", "os.getenv('MODE')\n", 3),
}


@pytest.mark.parametrize("where", WHERE)
def test_what_is_read_from_the_environment_is_declared_or_nothing_is_remembered(
    suite, monkeypatch, where
):
    monkeypatch.syspath_prepend(suite.path)
    file, text, line = WHERE[where]
    suite.write("test_loss.py", f"import helper\n{LOSS}")
    suite.write("helper.py", "")
    suite.write(file, f"import os, pytest, helper\nfrom os import environ\n{text}")
    assert remembered(suite) == [False]
    assert list(suite.path.glob(".pytest_cache/d/circuits/findings/*")) == []
    said = f"not remembered (1 test): {file}:{line} reads MODE from the environment, which *"
    suite.run("--circuits").stdout.fnmatch_lines([said])


def test_why_nothing_is_remembered_is_folded_to_the_terminal(suite, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    suite.write("test_loss.py", f"import os\nos.environ.get('MODE')\n{LOSS}")
    lines = suite.run("--circuits").stdout.lines
    begin = next(at for at, line in enumerate(lines) if line.startswith("not remembered (1 test)"))
    assert max(map(len, lines[begin : begin + 4])) <= 60
    assert "which circuits_env doesn't declare" in " ".join(map(str.strip, lines[begin:]))


def test_a_declared_variable_counts_by_its_value(suite, monkeypatch):
    suite.ini(circuits_env="MODE,\n    # another\n    OTHER")
    suite.write("test_loss.py", f"import os\nos.environ['MODE']\n{LOSS}")
    for mode, known in (("1", False), ("1", True), ("2", False), ("1", True)):
        monkeypatch.setenv("MODE", mode)
        assert remembered(suite) == [known]
    # Also one that only a process reads that the test starts.
    monkeypatch.setenv("OTHER", "1")
    assert remembered(suite) == [False]


@pytest.mark.parametrize("name", few(["CI", "BUILD_NUMBER", "GITHUB_ACTIONS"], 1))
def test_whether_it_runs_in_ci_counts_without_being_declared(suite, monkeypatch, name):
    suite.ini(circuits_unjudged="allow")
    suite.write("conftest.py", f"import os\nMODE = os.environ.get('{name}')\n")
    suite.write("test_loss.py", LOSS)
    monkeypatch.delenv(name, raising=False)
    assert remembered(suite) == [False]
    assert remembered(suite) == [True]
    monkeypatch.setenv(name, "true")
    assert remembered(suite) == [False]
    assert remembered(suite) == [True]


def test_a_value_counts_as_it_was_read(suite, monkeypatch):
    suite.ini(circuits_env="MODE")
    suite.write(
        "conftest.py",
        "import os, pytest\n"
        "MODE = os.environ['MODE']\n"
        "@pytest.fixture(autouse=True)\n"
        "def same(monkeypatch):\n"
        "    monkeypatch.setenv('MODE', 'same')\n",
    )
    suite.write("test_loss.py", LOSS)
    for mode, known in (("1", False), ("1", True), ("2", False), ("1", True)):
        monkeypatch.setenv("MODE", mode)
        assert remembered(suite) == [known]


def test_what_libraries_read_needs_no_declaration(suite, monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    suite.write(
        "test_loss.py",
        "import os, shutil\n"
        "os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')\n"
        "from pathlib import Path\n"
        "from unittest import mock\n"
        "def test_loss(circuits, monkeypatch, tmp_path):\n"
        "    monkeypatch.setenv('MODE', '1')\n"
        "    os.environ['MODE'] = '2'\n"
        "    with mock.patch.dict(os.environ, {'MODE': '3'}):\n"
        "        Path.home(), shutil.which('python'), os.path.expanduser('~')\n"
        "    circuits.repeat_loss()\n",
    )
    assert remembered(suite) == [False]
    assert remembered(suite) == [True]
    # And what they compute with is known by its name.
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert remembered(suite) == [False]
    assert remembered(suite) == [True]


def test_a_library_variable_that_a_test_sets_counts(suite):
    suite.write(
        "test_loss.py",
        "from pathlib import Path\n"
        "MODE = Path(__file__).with_name('mode.txt')\n"
        "def test_loss(circuits, monkeypatch):\n"
        "    monkeypatch.setenv('OMP_DYNAMIC', MODE.read_text())\n"
        "    circuits.repeat_loss()\n",
    )
    for mode, known in (("1", False), ("1", True), ("2", False), ("1", True)):
        (suite.path / "mode.txt").write_text(mode)
        assert remembered(suite) == [known]


def test_the_environment_is_pythons_own_again_after_the_run(suite):
    before = os.environ, os.environb
    suite.write("test_loss.py", LOSS)
    assert remembered(suite) == [False]
    assert os.environ is before[0]
    assert os.environb is before[1]


def test_a_plugin_that_reads_before_anybody_can_note_it_is_not_remembered(suite, monkeypatch):
    monkeypatch.syspath_prepend(suite.path)
    suite.write("mine.py", "import os\nMODE = os.environ.get('MODE')")
    suite.write("test_loss.py", LOSS)
    assert remembered(suite, "-p", "mine") == [False]
    assert remembered(suite, "-p", "mine") == [False]
    suite.run("--circuits", "-p", "mine").stdout.fnmatch_lines(
        ["not remembered (1 test): mine.py may have read the environment before that could *"]
    )


# torch's state

PATCHED = """
import contextlib
import json
import pytest
from pathlib import Path


def linear(function):
    return lambda *arguments: function(*arguments) * 1.5


@contextlib.contextmanager
def state(name, monkeypatch):
    import torch
    from torch.nn.modules import module

    if name == "global hook":
        handle = module.register_module_forward_hook(lambda *args: args[-1] * 1.1
            if isinstance(args[0], torch.nn.LayerNorm) else None)
        yield
        handle.remove()
    elif name == "global pre-hook":
        handle = module.register_module_forward_pre_hook(lambda *args: None)
        yield
        handle.remove()
    elif name == "autocast":
        with torch.autocast("cpu", torch.bfloat16):
            yield
    elif name == "default dtype":
        torch.set_default_dtype(torch.float64)
        yield
        torch.set_default_dtype(torch.float32)
    elif name == "patched function":
        monkeypatch.setattr(torch.nn.functional, "softmax", linear(torch.nn.functional.softmax))
        yield
    elif name == "patched forward":
        monkeypatch.setattr(torch.nn.Linear, "forward", linear(torch.nn.Linear.forward))
        yield
    elif name == "patched class of transformers":
        from transformers.models.gpt2 import modeling_gpt2
        monkeypatch.setattr(modeling_gpt2.GPT2MLP, "forward", lambda self, stream: stream)
        yield
    elif name == "patched numpy":
        import numpy as np
        monkeypatch.setattr(np, "mean", linear(np.mean))
        yield
    elif name == "patched measure":
        from pytest_circuits import measures
        monkeypatch.setattr(measures, "repeat_loss", measures.text_loss)
        monkeypatch.setattr(measures, "repeat_loss", linear(measures.repeat_loss))
        yield
    elif name == "mocked measure":
        from unittest import mock
        from pytest_circuits import measures
        monkeypatch.setattr(measures, "repeat_loss", mock.Mock(wraps=measures.repeat_loss))
        yield
    elif name == "class of our own":
        from pytest_circuits.forward import runs
        class Mine(runs.Runs):
            pass
        monkeypatch.setattr(runs, "Runs", Mine)
        yield
    elif name == "patched prompts":
        from pytest_circuits.prompts import pairs
        monkeypatch.setattr(pairs.PromptPairs, "check", linear(pairs.PromptPairs.check))
        yield
    else:
        yield


HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def of_the_file(monkeypatch):
    with state(json.loads((HERE / "state.json").read_text()), monkeypatch):
        yield
"""
STATES = {
    "global hook": "torch's global forward hooks: 1 hook",
    "global pre-hook": "torch's global forward pre hooks: 1 hook",
    "autocast": "*autocast*",
    "default dtype": "*default dtype*float64",
    "patched function": "torch.nn.functional.softmax was replaced",
    "patched forward": "torch.nn.*Linear.forward was replaced",
    "patched class of transformers": "transformers.*GPT2MLP.forward was replaced",
    "patched numpy": "numpy.mean was replaced",
    "patched measure": "pytest_circuits.measures.repeat_loss was replaced",
    "mocked measure": "pytest_circuits.measures.repeat_loss was replaced",
    "class of our own": "pytest_circuits.forward.runs.Runs was replaced",
    "patched prompts": "pytest_circuits.prompts.pairs.PromptPairs.check was replaced",
}


@pytest.mark.parametrize("state", few(STATES, 2))
def test_nothing_is_remembered_while_what_computes_is_not_its_librarys(suite, state):
    suite.write("conftest.py", PATCHED)
    suite.write("test_loss.py", LOSS)
    suite.write("state.json", "null")
    assert remembered(suite) == [False]
    suite.write("state.json", json.dumps(state))
    result = suite.run("--circuits")
    result.stdout.fnmatch_lines([f"not remembered (1 test): {STATES[state]}"])
    assert "1 remembered" not in result.stdout.str()
    assert len(list(suite.path.glob(".pytest_cache/d/circuits/findings/*"))) == 1


def test_a_change_that_comes_with_the_measuring_is_noticed_too(suite):
    suite.write(
        "conftest.py",
        "import pytest\n"
        "from pytest_circuits.session.measuring import ModelMeasurer\n"
        "@pytest.fixture(autouse=True)\n"
        "def late(monkeypatch):\n"
        "    import torch\n"
        "    measure, softmax = ModelMeasurer.measure, torch.nn.functional.softmax\n"
        "    def changing(*args):\n"
        "        mine = lambda *args, **more: softmax(*args, **more) * 1.5\n"
        "        monkeypatch.setattr(torch.nn.functional, 'softmax', mine)\n"
        "        return measure(*args)\n"
        "    monkeypatch.setattr(ModelMeasurer, 'measure', changing)\n",
    )
    suite.write("test_loss.py", LOSS)
    assert remembered(suite) == [False]
    assert list(suite.path.glob(".pytest_cache/d/circuits/findings/*")) == []


def test_passes_are_not_shared_between_states_of_torch(suite):
    suite.write(
        "test_loss.py",
        "import pytest, torch\n"
        "from torch.nn.modules import module\n"
        "numbers = {}\n"
        "@pytest.mark.parametrize('factor', [1.0, 1.5, 2.0, 1.0])\n"
        "def test_loss(circuits, factor):\n"
        "    def scaled(part, given, got):\n"
        "        return factor * got if isinstance(part, torch.nn.Linear) else None\n"
        "    if factor != 1:\n"
        "        handle = module.register_module_forward_hook(scaled)\n"
        "    try:\n"
        "        loss = float(circuits.repeat_loss())\n"
        "    finally:\n"
        "        if factor != 1:\n"
        "            handle.remove()\n"
        "    assert numbers.setdefault(factor, loss) == loss\n"
        "    assert len(set(numbers.values())) == len(numbers)\n",
    )
    result = suite.run("--circuits", "--circuits-fresh")
    assert counts(result) == {"passed": 4}
    result.stdout.fnmatch_lines(["not remembered (2 tests): torch's global forward hooks: 1 hook"])
