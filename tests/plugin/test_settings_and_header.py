"""Settings: command line > environment > ini > default, and the header says which won."""

import itertools

import pytest
from circuit_suites import CHILD, ONE_TEST, OTHER, RECALL, copy_of_recall, counts

#: A value of every setting from every origin, and the option, variable and key that carry it.
VALUES = {
    "model": ("a=bundled:recall", "b=bundled:recall", "c = bundled:recall"),
    "device": ("cpu", "cuda:1", "mps"),
    "dtype": ("float64", "bfloat16", "float16"),
    "gate": ("never", "change", "regression"),
}
DEFAULTS = {"device": "auto", "dtype": "auto", "gate": "regression"}


def header(result):
    return [line for line in result.stdout.lines if line.startswith("circuits: ")]


@pytest.mark.parametrize(
    ("line", "environment", "ini"),
    list(itertools.product([False, True], repeat=3)),
    ids=lambda given: "given" if given else "unset",
)
def test_the_header_says_each_value_and_where_it_came_from(
    suite, monkeypatch, line, environment, ini
):
    arguments = []
    keys = {}
    for name, (from_line, from_environment, from_ini) in VALUES.items():
        if line:
            arguments += [f"--circuits-{name}", from_line]
        if environment:
            monkeypatch.setenv(f"PYTEST_CIRCUITS_{name.upper()}", from_environment)
        if ini and name != "model":
            keys[f"circuits_{name}"] = from_ini
    suite.ini(VALUES["model"][2], **keys)
    suite.write("test_heads.py", ONE_TEST)

    def shown(name):
        if line:
            return f"{VALUES[name][0]} (command line)"
        if environment:
            return f"{VALUES[name][1]} (PYTEST_CIRCUITS_{name.upper()})"
        return f"{VALUES[name][2]} (pytest.ini)" if ini else f"{DEFAULTS[name]} (default)"

    models = shown("model") if line or environment else "c=bundled:recall (pytest.ini)"
    assert header(suite.run("--circuits", "--collect-only", *arguments)) == [
        f"circuits: {models}",
        f"circuits: baselines of c (pytest.ini), gate {shown('gate')}",
        f"circuits: device {shown('device')}, dtype {shown('dtype')}",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "pytest.ini",
            """[pytest]
circuits_models =
    # the reference
    recall = bundled:recall
    tuned = bundled:recall-finetuned < recall
circuits_device = cpu
circuits_gate = change
""",
        ),
        (
            "pyproject.toml",
            """[tool.pytest]
circuits_models = ["recall = bundled:recall", "tuned = bundled:recall-finetuned < recall"]
circuits_device = "cpu"
circuits_gate = "change"
""",
        ),
        (
            "pyproject.toml",
            """[tool.pytest.ini_options]
circuits_models = ["recall = bundled:recall", "tuned = bundled:recall-finetuned < recall"]
circuits_device = "cpu"
circuits_gate = "change"
""",
        ),
        (
            "pyproject.toml",
            '''[tool.pytest.ini_options]
circuits_models = """
    recall = bundled:recall
    tuned = bundled:recall-finetuned < recall
"""
circuits_device = "cpu"
circuits_gate = "change"
''',
        ),
        (
            "pytest.toml",
            """[pytest]
circuits_models = ["recall = bundled:recall", "tuned = bundled:recall-finetuned < recall"]
circuits_device = "cpu"
circuits_gate = "change"
""",
        ),
        (
            "tox.ini",
            """[pytest]
circuits_models =
    recall = bundled:recall
    tuned = bundled:recall-finetuned < recall
circuits_device = cpu
circuits_gate = change
""",
        ),
    ],
    ids=["pytest.ini", "tool.pytest", "ini_options list", "ini_options text", "pytest.toml", "tox"],
)
def test_every_kind_of_ini_means_the_same(suite, name, text):
    (suite.path / "pytest.ini").unlink()
    suite.write(name, text)
    suite.write("test_heads.py", ONE_TEST)
    result = suite.run("--circuits", "--circuits-model", "tuned", "--circuits-model", "recall")
    assert result.ret == 1
    assert header(result) == [
        "circuits: tuned=bundled:recall-finetuned, recall=bundled:recall (command line)",
        f"circuits: baselines of tuned else recall; recall ({name}), gate change ({name})",
        f"circuits: device cpu ({name}), dtype auto (default)",
    ]
    assert counts(result) == {"failed": 2}


def test_without_circuits_the_header_says_nothing(one_test):
    assert header(one_test.run()) == []


def test_several_models_stand_on_lines_of_the_environment(one_test, monkeypatch):
    monkeypatch.setenv("PYTEST_CIRCUITS_MODEL", "recall\na=bundled:recall-finetuned\n\n")
    result = one_test.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 2})
    assert header(result)[0] == (
        "circuits: recall=bundled:recall, a=bundled:recall-finetuned (PYTEST_CIRCUITS_MODEL)"
    )


@pytest.mark.parametrize(
    ("models", "asked", "baselines"),
    [
        ([RECALL, OTHER], "tuned", "tuned"),
        ([RECALL, CHILD], "tuned", "tuned else recall"),
        (
            [RECALL, CHILD, "third = bundled:recall < tuned"],
            "third",
            "third else tuned else recall",
        ),
        ([RECALL, OTHER], "bundled:recall", "recall"),
        ([RECALL, OTHER], "tuned=bundled:recall", "tuned"),
    ],
)
def test_the_header_says_whose_baselines_serve(suite, models, asked, baselines):
    suite.ini(*models)
    result = suite.run("--circuits", "--circuits-model", asked, "--collect-only")
    assert header(result)[1] == (
        f"circuits: baselines of {baselines} (pytest.ini), gate regression (default)"
    )


# What can't be


@pytest.fixture
def no_hub(monkeypatch):
    """What the hub is asked for, which it doesn't give."""
    asked = []

    def snapshot_download(name, **_):
        asked.append(name)
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return asked


def usage_error(result):
    assert result.ret == 4
    text = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text
    return [line for line in result.stderr.lines if line]


@pytest.mark.parametrize(
    "line",
    [
        "recall",
        "= bundled:recall",
        "re call = x",
        "recall =",
        "ä = x",
        ".. = x",
        "con = x",
        "a. = x",
    ],
)
def test_a_line_that_is_no_model_is_quoted(suite, line):
    suite.ini(line)
    assert usage_error(suite.run("--circuits")) == [
        (
            f"ERROR: pytest.ini: circuits_models has {line!r}; a line is `alias = source`, perhaps "
            f"with ` < parent`, and an alias is made of letters, digits, '.', '_' and '-', "
            f"and can be a folder's name"
        )
    ]


@pytest.mark.parametrize("alias", ["recall", "Recall"])
def test_two_models_of_one_alias_are_refused(suite, alias):
    suite.ini(RECALL, f"{alias} = bundled:recall-finetuned")
    assert usage_error(suite.run("--circuits")) == [
        f"ERROR: pytest.ini: circuits_models names {alias!r} twice"
    ]


@pytest.mark.parametrize("parent", ["nobody", "tuned", "later"])
def test_a_parent_that_no_line_above_declares_is_refused(suite, parent):
    suite.ini(RECALL, f"tuned = bundled:recall < {parent}", "later = bundled:recall")
    assert usage_error(suite.run("--circuits")) == [
        (
            f"ERROR: pytest.ini: circuits_models gives 'tuned' the parent {parent!r}, which no "
            f"line above it declares"
        )
    ]


def test_two_candidates_without_an_alias_are_refused(suite):
    result = suite.run(
        "--circuits", "--circuits-model", "bundled:recall",
        "--circuits-model", "bundled:recall-finetuned",
    )  # fmt: skip
    assert usage_error(result) == [
        (
            "ERROR: two models are called 'candidate' (command line): give each an alias of its "
            "own, as in alias=source"
        )
    ]


def test_two_candidates_of_one_alias_in_the_environment_are_refused(suite, monkeypatch):
    monkeypatch.setenv("PYTEST_CIRCUITS_MODEL", "a=bundled:recall\nA=bundled:recall")
    assert usage_error(suite.run("--circuits")) == [
        (
            "ERROR: two models are called 'A' (PYTEST_CIRCUITS_MODEL): give each an alias of its "
            "own, as in alias=source"
        )
    ]


def test_a_candidate_needs_an_alias_where_the_ini_declares_that_name(suite):
    suite.ini(RECALL, "candidate = bundled:recall-finetuned")
    result = suite.run("--circuits", "--circuits-model", "bundled:recall-regressed")
    assert usage_error(result) == [
        (
            "ERROR: 'bundled:recall-regressed' (command line) needs an alias, because the ini "
            "declares 'candidate': write alias=bundled:recall-regressed"
        )
    ]


@pytest.mark.parametrize("name", ["chatt", "caht", "Chat"])
def test_a_mistyped_alias_is_asked_about_and_no_hub_is(suite, no_hub, name):
    suite.ini(RECALL, "chat = bundled:recall-finetuned")
    suite.write("test_heads.py", ONE_TEST)
    result = suite.run("--circuits", "--circuits-model", name)
    assert usage_error(result) == [
        f"ERROR: no model is called {name!r} (command line): did you mean 'chat'?",
        f"A model of the hub whose name is like a declared one's needs an alias: alias={name}",
    ]
    assert no_hub == []


@pytest.mark.parametrize("named", ["gpt2", "other=chatt", "chatt/chatt"])
def test_a_name_that_is_no_mistyped_alias_is_a_hubs(suite, no_hub, named):
    suite.ini(RECALL, "chat = bundled:recall-finetuned")
    suite.write("test_heads.py", ONE_TEST)
    suite.run("--circuits", "--circuits-model", named)
    assert set(no_hub) == {named.partition("=")[2] or named}


def test_a_folder_whose_name_is_like_an_alias_is_a_folder(suite, no_hub):
    suite.ini(RECALL, "chat = bundled:recall-finetuned")
    suite.write("test_heads.py", ONE_TEST)
    suite.path.joinpath("chatt").mkdir()
    result = suite.run("--circuits", "--circuits-model", "chatt")
    result.stdout.fnmatch_lines(["*chatt: there is no config.json, so this is no checkpoint."])
    assert no_hub == []


@pytest.mark.parametrize("model", ["a b=bundled:recall", "=bundled:recall", "a="])
def test_an_alias_that_is_none_is_refused(suite, model):
    result = suite.run("--circuits", "--circuits-model", model)
    assert usage_error(result) == [
        (
            f"ERROR: {model!r} (command line) names no model: write alias=source, and an alias is "
            f"made of letters, digits, '.', '_' and '-', and can be a folder's name"
        )
    ]


@pytest.mark.parametrize(
    "setting",
    [
        ("device", "gpu", "auto, cpu, mps, cuda, cuda:N, cuda:N,cuda:M, balanced"),
        ("device", "cuda:", "auto, cpu, mps, cuda, cuda:N, cuda:N,cuda:M, balanced"),
        ("dtype", "int8", "auto, float32, bfloat16, float16, float64"),
        ("gate", "strict", "behaviour, regression, change, never"),
    ],
)
@pytest.mark.parametrize("origin", ["command line", "environment", "pytest.ini"])
def test_a_value_that_cannot_be_is_refused_with_its_origin_and_the_choices(
    suite, monkeypatch, setting, origin
):
    name, value, allowed = setting
    arguments = []
    if origin == "command line":
        arguments = [f"--circuits-{name}", value]
    elif origin == "environment":
        origin = f"PYTEST_CIRCUITS_{name.upper()}"
        monkeypatch.setenv(origin, value)
    else:
        suite.ini(**{f"circuits_{name}": value})
    assert usage_error(suite.run("--circuits", *arguments)) == [
        f"ERROR: circuits: {name} {value!r} ({origin}) is not one of {allowed}"
    ]


@pytest.mark.parametrize("file", ["pytest.ini", None])
def test_without_a_reference_the_ini_that_was_read_is_named(suite, file):
    if file:
        suite.write("pytest.ini", "[pytest]")
    else:
        (suite.path / "pytest.ini").unlink()
    suite.write("test_heads.py", ONE_TEST)
    arguments = ("--circuits-model", "bundled:recall")
    assert usage_error(suite.run("--circuits", *arguments)) == [
        (
            f"ERROR: --circuits needs a reference model, and circuits_models is not set "
            f"({file or 'no ini file'}):"
        ),
        "  circuits_models =",
        "      reference = path/to/checkpoint",
    ]
    plain = suite.run()
    assert (plain.ret, counts(plain)) == (0, {"skipped": 1})


def test_a_models_folder_after_a_space_hides_the_ini_and_the_error_says_so(one_test):
    folder = one_test.path.parent / f"{one_test.path.name}-candidate"
    copy_of_recall(folder)
    (*_, hint) = usage_error(one_test.run("--circuits", "--circuits-model", f"../{folder.name}"))
    assert hint.startswith(f"Where that is set, write --circuits-model=../{folder.name}: after a ")
    assert one_test.run("--circuits", f"--circuits-model=../{folder.name}").ret == 0


def test_circuits_without_syrupy_is_a_usage_error(one_test):
    result = one_test.run("--circuits", "-p", "no:syrupy")
    assert usage_error(result) == [
        "ERROR: --circuits keeps its baselines with syrupy, which is switched off (-p no:syrupy)"
    ]


def test_without_syrupy_circuit_tests_are_skipped_as_ever(one_test):
    result = one_test.run("-p", "no:syrupy")
    assert (result.ret, counts(result)) == (0, {"skipped": 1})


@pytest.mark.parametrize("flags", [(), ("--circuits",)])
def test_strict_configurations_know_every_marker_and_key(suite, flags):
    suite.ini(
        strict="true",
        circuits_device="cpu",
        circuits_dtype="float32",
        circuits_memory="8GB",
        circuits_gate="change",
    )
    suite.write(
        "test_heads.py",
        "import pytest\n\n@pytest.mark.circuits\ndef test_marked():\n    pass\n"
        "\ndef test_it(circuits):\n    circuits.repeat_loss()",
    )
    result = suite.run(*flags, "--strict-markers", "--strict-config")
    assert (result.ret, counts(result)) == (0, {"passed" if flags else "skipped": 2})


def test_the_header_says_what_else_is_set_and_nothing_of_what_is_not(suite, monkeypatch):
    assert len(header(suite.run("--circuits", "--collect-only"))) == 3
    suite.ini(
        circuits_isolation="fail", circuits_cpu_fallback="true", circuits_env="MODE, LEVEL MODE"
    )
    assert header(suite.run("--circuits", "--collect-only"))[3:] == [
        "circuits: isolation fail (pytest.ini)",
        "circuits: CPU fallback (pytest.ini)",
        "circuits: tests may read MODE, LEVEL (pytest.ini)",
    ]
    monkeypatch.setenv("PYTEST_CIRCUITS_ISOLATION", "warn")
    assert "circuits: isolation warn (PYTEST_CIRCUITS_ISOLATION)" in header(
        suite.run("--circuits", "--collect-only")
    )
