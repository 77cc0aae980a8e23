"""Reports read back: the same again, or one clear error."""

import json
from dataclasses import replace

import pytest
from handmade_rows import failed, left, row, run
from report.whole_findings import every_row, full_run

from pytest_circuits.report import (
    ReportError,
    document,
    json_report,
    read_report,
    terminal_lines,
)
from pytest_circuits.report.markdown import markdown_report
from pytest_circuits.report.run import Model

HOSTILE = "a|b`c\n<script>@x #1 \"'\\ \u202e"


def stored(tmp_path, text):
    path = tmp_path / "report.json"
    path.write_text(text, encoding="utf-8")
    return path


def again(tmp_path, made):
    """The report of a run that was read from its report."""
    return json_report(read_report(stored(tmp_path, json_report(made))))


@pytest.mark.parametrize("kind", list(every_row()))
def test_every_kind_of_row_comes_back_as_it_was(kind, tmp_path):
    made = run(every_row()[kind], exit_status=1)
    assert again(tmp_path, made) == json_report(made)


def test_a_run_of_everything_comes_back_as_it_was(tmp_path):
    made = full_run()
    assert again(tmp_path, made) == json_report(made)


@pytest.mark.parametrize(
    "made",
    [
        run(),
        run(models=["recall"], unfinished=left(3), exit_status=2),
        run(models=["recall"], exit_status=None),
        run(compared=("main", "working tree")),
        run(row(), row(alias="b"), row(alias="c", verdict="lost"), gate="change"),
        run(*[row("not judged")] * 3),
        run(row(test="t.py::test_x[a-b]", alias="b"), failed=(failed(alias=""), failed("t.py::u"))),
        run(row(test=f"t.py::test[{HOSTILE}]", headline=HOSTILE, measure=HOSTILE, name=HOSTILE)),
        run(row(waiver="until x", waived=True, redundant=True, own_tolerance=True, pending=True)),
    ],
    ids=[
        "empty",
        "unfinished",
        "begun",
        "compared",
        "models",
        "unnamed",
        "parameters",
        "hostile",
        "facts",
    ],
)
def test_other_runs_come_back_as_they_were(made, tmp_path):
    assert again(tmp_path, made) == json_report(made)
    assert again(tmp_path, made).encode() == (tmp_path / "report.json").read_bytes()


def test_models_come_back_with_all_that_is_known_of_them(tmp_path):
    model = Model(
        "b", "./ckpt", ("b", "recall"), declared=False, options=("--circuits-device=cpu",)
    )
    made = replace(run(row(alias="b")), models=(model,))
    assert read_report(stored(tmp_path, json_report(made))).models == (model,)


def test_rows_come_back_equal(tmp_path):
    rows = {row.test: row for row in every_row().values()}
    read = read_report(stored(tmp_path, json_report(full_run())))
    for each in read.rows:
        assert each.verdict == rows[each.test].verdict
        assert each.failure == rows[each.test].failure
        assert each.line == rows[each.test].line


# Damage


def problem(tmp_path, text):
    with pytest.raises(ReportError) as caught:
        read_report(stored(tmp_path, text))
    first, *others = str(caught.value).splitlines()
    assert first.startswith(f"{tmp_path / 'report.json'}: ")
    assert others == ["Name a report.json that `pytest --circuits --circuits-report=DIR` wrote."]
    return first.removeprefix(f"{tmp_path / 'report.json'}: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON ("),
        ("{", "is not JSON ("),
        ("nonsense", "is not JSON ("),
        ('{"a": NaN}', "holds NaN, which is no JSON"),
        ("[" * 100_000, "is nested more than 64 levels deep"),
    ],
)
def test_what_is_no_json_is_said(text, said, tmp_path):
    assert problem(tmp_path, text).startswith(f"line 1: {said}")


@pytest.mark.parametrize(
    ("text", "version"), [("[]", "None"), ("{}", "None"), ('{"schema_version": 1}', "1"),
                          ('{"schema_version": 2.0}', "2.0"), ('{"schema_version": "2"}', "'2'"),
                          ('{"schema_version": 99}', "99")],
)  # fmt: skip
def test_another_version_is_said(text, version, tmp_path):
    assert problem(tmp_path, text) == (
        f"schema version {version}, and this pytest-circuits reads reports of version 4."
    )


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ReportError, match=r"missing\.json: can't be read \(No such file"):
        read_report(tmp_path / "missing.json")
    with pytest.raises(ReportError, match="can't be read"):
        read_report(tmp_path)


def test_a_file_that_is_no_text_is_said(tmp_path):
    (tmp_path / "report.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(ReportError, match="line 1: is not UTF-8"):
        read_report(tmp_path / "report.json")


def test_half_a_character_is_damage(tmp_path):
    made = report()
    made["models"][0]["source"] = "a\ud800"
    assert problem(tmp_path, json.dumps(made)).startswith("line 1: holds half a character")


def report():
    return json.loads(json_report(full_run()))


def paths(part, path=()):
    if isinstance(part, dict):
        for name, inner in part.items():
            yield (*path, name)
            yield from paths(inner, (*path, name))
    elif isinstance(part, list):
        yield from paths(part[0], (*path, 0)) if part else ()


#: What follows from the rest, and is written again and not read.
DERIVED = {"text", "members", "at_most", "left_out"}
#: Objects that may hold anything, or nothing.
FREE = {
    "summary",
    "verdicts",
    "convention",
    "prompts",
    "recorded_with",
    "companion",
    "versions",
    "profiles",
}


def test_whatever_is_missing_or_strange_gives_no_traceback(tmp_path):
    whole = report()
    whole["tests"] = [test for test in whole["tests"] if test["verdicts"]["recall"]["reasons"]][:1]
    found, silent = 0, []
    for path in list(paths(whole)):
        for value in ("missing", None, [["L9999999999999999999H1"]]):
            part = broken = json.loads(json.dumps(whole))
            for name in path[:-1]:
                part = part[name]
            if value == "missing":
                del part[path[-1]]
            else:
                part[path[-1]] = value
            file = stored(tmp_path, json.dumps(broken))
            try:
                # What is read can be told.
                read = read_report(file)
                json_report(read), markdown_report(read), terminal_lines(read, 80)
            except ReportError:
                found += 1
            else:
                if value == "missing" and not FREE & set(path[:-1]) and path[-1] not in DERIVED:
                    silent.append(path)
    assert found > 200
    silent = [path for path in silent if path[:3] != ("models", 0, "canary")]
    # What a finding may be without, by the schema of baselines.
    optional = {"relative_to", "canary", "role", "profiles", "nulls", "labels", "interval", "scope"}
    assert [path for path in silent if path[-1] not in optional] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.pop("gate"), "is damaged (gate is missing)."),
        (lambda r: r.update(gate="no"), "gate is not one of behaviour, regression, change, never"),
        (lambda r: r["models"].append(r["models"][0]), "models has two of one alias"),
        (lambda r: r["models"].clear(), "models has no 'recall'"),
        (lambda r: r.update(compared=["a"]), "compared names two states"),
        (lambda r: r["models"][0].update(owners="recall"), "models[0]: owners is not a list of"),
        (lambda r: r["failed"][0].update(line="x"), "failed[0]: line is not a count or null"),
        (
            lambda r: verdict(r).update(verdict="fine"),
            "on recall: verdict is not one of unreadable",
        ),
        (lambda r: verdict(r).pop("details"), "on recall: details is missing"),
        (lambda r: verdict(r)["details"].pop("found"), "on recall: found is missing"),
        (lambda r: verdict(r)["details"]["found"].pop("name"), "on recall: name is missing"),
        (lambda r: verdict(r)["details"]["found"].pop("axes"), "axes is missing"),
        (lambda r: verdict(r)["details"].update(found=None), "on recall: found is not an object"),
        (lambda r: verdict(r)["reasons"][0].pop("text"), "on recall, reasons[0]: text is missing"),
        (lambda r: verdict(r).update(verdit="lost"), "on recall: verdit is there, and there is no"),
        (lambda r: r["failed"].append(1), "]: it is not an object"),
        (lambda r: r["summary"].update(failing=-1), "summary: failing is less than 0"),
    ],
)
def test_the_first_thing_that_is_wrong_is_named(change, words, tmp_path):
    damaged = report()
    change(damaged)
    assert words in problem(tmp_path, json.dumps(damaged))


def verdict(made):
    return next(t["verdicts"]["recall"] for t in made["tests"] if t["test"].endswith("test_it[1]"))


def test_the_document_that_is_read_is_the_one_that_was_written():
    assert report() == json.loads(json.dumps(document(full_run())))
