"""Where reports go: a folder for all of them, or a file for each; and whether GitHub is told."""

import itertools

import pytest
from circuit_suites import RECALL

KINDS = ["html", "markdown", "json"]
#: A test that measures nothing takes no time, and its run is reported all the same.
LIGHT = "def test_light(circuit_source):\n    pass"


@pytest.fixture
def light(suite):
    suite.write("test_light.py", LIGHT)
    return suite


def header(result):
    return [line for line in result.stdout.lines if line.startswith("circuits: ") and "rep" in line]


def written(suite):
    return sorted(
        path.relative_to(suite.path).as_posix()
        for path in suite.path.rglob("*")
        if path.suffix in (".html", ".md", ".json") and ".pytest_cache" not in path.parts
    )


def test_a_folder_gets_every_report(light):
    assert light.run("--circuits", "--circuits-report=out").ret == 0
    assert written(light) == ["out/report.html", "out/report.json", "out/report.md"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "given",
    [given for given in itertools.product([False, True], repeat=3) if any(given)],
    ids=lambda given: "".join("lei"[place] for place in range(3) if given[place]),
)
def test_a_report_has_a_file_of_its_own(light, monkeypatch, kind, given):
    (line, environment, ini), arguments, keys = given, [], {}
    if line:
        arguments = [f"--circuits-{kind}=from-line.{kind}"]
    if environment:
        monkeypatch.setenv(f"PYTEST_CIRCUITS_{kind.upper()}", f"from-environment.{kind}")
    if ini:
        keys = {f"circuits_{kind}": f"from-ini.{kind}"}
    light.ini(RECALL, **keys)
    origin = (
        "from-line (command line)"
        if line
        else f"from-environment (PYTEST_CIRCUITS_{kind.upper()})"
        if environment
        else "from-ini (pytest.ini)"
    )
    name, _, where = origin.partition(" ")
    result = light.run("--circuits", *arguments)
    assert header(result) == [f"circuits: {kind} report {name}.{kind} {where}"]
    assert [path.name for path in light.path.glob("from-*")] == [f"{name}.{kind}"]
    result.stdout.fnmatch_lines([f"report: {name}.{kind}"])


def test_a_file_of_its_own_takes_a_report_out_of_the_folder(light):
    light.run("--circuits", "--circuits-report=out", "--circuits-json=mine.json")
    assert written(light) == ["mine.json", "out/report.html", "out/report.md"]


def test_what_the_ini_names_starts_from_the_inis_folder(light, monkeypatch):
    light.ini(RECALL, circuits_json="reports/all.json")
    (light.path / "sub").mkdir()
    monkeypatch.chdir(light.path / "sub")
    light.run("--circuits", "--rootdir", light.path, "-c", light.path / "pytest.ini", light.path)
    assert written(light) == ["reports/all.json"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_no_file_for_a_report(light, kind):
    (light.path / "there").mkdir()
    result = light.run("--circuits", f"--circuits-{kind}=there")
    assert result.ret == 4
    assert [line for line in result.stderr.lines if line] == [
        f"ERROR: circuits: {kind} report there (command line) is a folder: name a file for it"
    ]


def test_a_file_is_no_folder_for_a_file(light):
    light.write("there", "")
    result = light.run("--circuits", "--circuits-json=there/report.json")
    assert result.ret == 4
    assert [line for line in result.stderr.lines if line] == [
        (
            "ERROR: circuits: json report there/report.json (command line) lies in a file: "
            "name a file for it"
        )
    ]


@pytest.mark.parametrize(
    ("option", "what"),
    [
        ("--circuits-html=x", "reports"),
        ("--circuits-markdown=x", "reports"),
        ("--circuits-json=x", "reports"),
        ("--circuits-pending", "leaves pending files of"),
        ("--circuits-verbose", "tells more of"),
    ],
)
def test_without_circuits_there_is_nothing_to_report(light, option, what):
    result = light.run(option)
    assert result.ret == 4
    assert [line for line in result.stderr.lines if line] == [
        f"ERROR: {option.partition('=')[0]} {what} a run with --circuits: add --circuits"
    ]
    assert written(light) == []


def test_a_way_to_tell_github_that_is_none_is_refused(light):
    result = light.run("--circuits", "--circuits-github=always")
    assert result.ret == 4
    assert [line for line in result.stderr.lines if line] == [
        "ERROR: circuits: github 'always' (command line) is not one of auto, never"
    ]
