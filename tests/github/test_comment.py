"""The comment on a pull request: one, ours, kept up to date, and never too long."""

import json
import shutil
import sys

import cmarkgfm
import pytest

COMMENT = ("circuits-comment", "comment.sh")
MARKER = "<!-- pytest-circuits: default -->"
BOT = "github-actions[bot]"
#: A gh that serves comments by the page and writes down what it was asked to do.
GH = """
import json, pathlib, re, sys
told = json.loads(pathlib.Path("told.json").read_text())
with open("calls.jsonl", "a") as calls:
    body = json.load(sys.stdin)["body"] if "--input" in sys.argv else None
    calls.write(json.dumps([sys.argv[1:], body]) + "\\n")
if told["error"]:
    sys.exit(told["error"])
if "GET" in sys.argv:
    page = int(re.search("[?&]page=([0-9]+)", sys.argv[-1])[1])
    print(json.dumps(told["comments"][100 * (page - 1) : 100 * page]))
else:
    print(json.dumps({"html_url": "https://github.example/comment"}))
"""


def comment(number, body, author=BOT):
    return {"id": number, "body": body, "user": {"login": author} if author else None}


class PullRequest:
    """A pull request with comments, and what the action does to it."""

    def __init__(self, runner):
        self.runner = runner
        runner.tool("gh", GH)
        self.report = runner.workspace / "report.md"
        self.report.write_text("# red\n", encoding="utf-8")

    def run(self, *comments, error="", **given):
        told = {"comments": comments, "error": error}
        (self.runner.workspace / "told.json").write_text(json.dumps(told))
        return self.runner.run(*COMMENT, **({"report": "report.md"} | given))

    @property
    def calls(self):
        """What gh was asked to do: method, path, body."""
        file = self.runner.workspace / "calls.jsonl"
        found = []
        for line in file.read_text().splitlines() if file.exists() else []:
            arguments, body = json.loads(line)
            assert arguments[:2] == ["api", "--method"]
            found.append((arguments[2], arguments[3], body))
        return found

    @property
    def body(self):
        """The body that was sent last."""
        return self.calls[-1][2]


@pytest.fixture
def pull_request(runner):
    return PullRequest(runner)


def test_the_first_run_comments(pull_request):
    result = pull_request.run(comment(1, "Nice work"))
    assert result.returncode == 0, result.stderr
    assert pull_request.calls == [
        ("GET", "repos/us/models/issues/7/comments?per_page=100&page=1", None),
        ("POST", "repos/us/models/issues/7/comments", f"{MARKER}\n# red"),
    ]
    assert result.stdout == "commented: https://github.example/comment\n"


def test_a_later_run_updates_its_comment(pull_request):
    result = pull_request.run(comment(1, "Nice work"), comment(23, f"{MARKER}\n# green"))
    assert result.returncode == 0, result.stderr
    assert pull_request.calls[1:] == [
        ("PATCH", "repos/us/models/issues/comments/23", f"{MARKER}\n# red")
    ]


@pytest.mark.parametrize("author", ["mallory", "github-actions", None])
def test_a_comment_of_somebody_else_with_our_marker_is_left_alone(pull_request, author):
    pull_request.run(comment(1, f"{MARKER}\n# green", author), comment(2, f"{MARKER}\nold"))
    assert pull_request.calls[-1][1] == "repos/us/models/issues/comments/2"
    pull_request.run(comment(1, f"{MARKER}\n# green", author))
    assert pull_request.calls[-1][0] == "POST"


def test_another_author_can_be_named(pull_request):
    pull_request.run(comment(1, MARKER), comment(2, MARKER, "our-bot"), author="our-bot")
    assert pull_request.calls[-1][1] == "repos/us/models/issues/comments/2"


def test_every_suite_has_a_comment_of_its_own(pull_request):
    others = comment(1, MARKER), comment(2, f"see {MARKER}"), comment(3, None)
    pull_request.run(*others, key="big.model_2")
    assert pull_request.calls[-1][0] == "POST"
    assert pull_request.body.startswith("<!-- pytest-circuits: big.model_2 -->\n")


@pytest.mark.parametrize(("others", "pages"), [(99, 1), (100, 2), (150, 2), (250, 3)])
def test_its_comment_is_found_on_a_later_page(pull_request, others, pages):
    talk = [comment(number, "talk", "someone") for number in range(others)]
    pull_request.run(*talk, comment(999, MARKER))
    assert [method for method, _, _ in pull_request.calls] == ["GET"] * pages + ["PATCH"]
    assert pull_request.calls[-1][1].endswith("/999")


@pytest.mark.parametrize("others", [100, 200])
def test_a_last_page_that_is_full_is_no_endless_search(pull_request, others):
    pull_request.run(*[comment(number, "talk", "someone") for number in range(others)])
    assert pull_request.calls[-1][0] == "POST"


def test_the_whole_report_is_linked(pull_request):
    pull_request.run(report_url="https://github.example/artifact")
    assert pull_request.body.endswith("\n\n[The whole report](https://github.example/artifact)")


def test_a_report_that_fits_to_the_byte_is_not_cut(pull_request):
    room = 65536 - len(f"{MARKER}\n")
    pull_request.report.write_text("é" * (room // 2), encoding="utf-8")
    pull_request.run()
    assert "goes on" not in pull_request.body
    pull_request.report.write_text("é" * (room // 2) + "\nxx", encoding="utf-8")
    pull_request.run()
    assert "goes on" in pull_request.body


@pytest.mark.parametrize(
    "line",
    [
        "| a | 1 |",
        "é" * 40,
        "x" * 9000,
        "",
        "<details><summary>a</summary>\n\n```\nb\n```\n\n</details>",
    ],
    ids=["table", "wide", "long", "empty", "folded"],
)
def test_a_long_report_is_cut_between_two_lines(pull_request, line):
    text = "first" + f"\n{line}" * (200_000 // (len(line) + 1))
    pull_request.report.write_text(f"{text}\nlast", encoding="utf-8")
    result = pull_request.run(report_url="https://github.example/artifact")
    assert result.returncode == 0, result.stderr
    body = pull_request.body
    assert 50_000 < len(body.encode()) <= 65536
    assert body.startswith(f"{MARKER}\nfirst")
    assert "*The report goes on: this is what a comment can hold.*\n\n[The whole report](" in body
    rendered = cmarkgfm.markdown_to_html(body)
    assert rendered.count("<details") == rendered.count("</details>")


@pytest.mark.parametrize("fence", ["```", "````text", "~~~"])
def test_nothing_is_left_open_where_it_is_cut(pull_request, fence):
    opened = (
        f"# red\n\n<details><summary>more</summary>\n\n<details><summary>and</summary>\n\n{fence}\n"
    )
    pull_request.report.write_text(opened + "<details>\n" * 9000, encoding="utf-8")
    pull_request.run()
    rendered = cmarkgfm.cmark.markdown_to_html_with_extensions(
        pull_request.body, options=cmarkgfm.Options.CMARK_OPT_UNSAFE
    )
    assert rendered.count("<details>") == rendered.count("</details>") == 2
    assert rendered.rstrip().endswith("comment can hold.</em></p>")


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("long", ["x" * 70_000, "é" * 70_000, f"`@everyone{'<b>[' * 30_000}`"])
def test_a_line_that_does_not_fit_is_cut_and_the_rest_is_kept(pull_request, place, long):
    lines = ["**red**", "| a | 1 |", "last"]
    lines.insert(place, long)
    pull_request.report.write_text("\n".join(lines), encoding="utf-8")
    pull_request.run()
    shown = pull_request.body.split("\n")
    assert [line for line in shown if line in lines] == ["**red**", "| a | 1 |", "last"]
    (cut,) = [line for line in shown if line.endswith(" …")]
    assert 2000 < len(cut.encode()) < 5000
    assert cut[:9].strip(" `@") == long[:9].strip(" `@")
    assert not set("`<>@[]") & set(cut)
    assert "goes on" in pull_request.body


@pytest.mark.parametrize(
    ("instead", "why"),
    [
        (None, "No such file or directory"),
        ("folder", "Is a directory"),
        (b"\xff\xfe#\x00", "it is not UTF-8"),
    ],
    ids=["missing", "a folder", "other bytes"],
)
def test_without_a_report_an_earlier_comment_does_not_stand(pull_request, instead, why):
    pull_request.report.unlink()
    if instead == "folder":
        pull_request.report.mkdir()
    elif instead is not None:
        pull_request.report.write_bytes(instead)
    result = pull_request.run(comment(23, f"{MARKER}\n# green"))
    assert result.returncode == 0, result.stderr
    assert pull_request.body == (
        f"{MARKER}\n**circuits: no report** from "
        "[this run](https://github.example/us/models/actions/runs/17)."
    )
    warning, _ = result.stdout.splitlines()
    assert warning == (
        f"::warning title=circuits-comment::the report report.md can't be read: {why}"
    )


def test_a_report_is_never_run_or_taken_for_arguments(pull_request):
    hostile = "$(touch made)\n`touch made`\n@someone\n--input=x\n\\n\x1b[31m\n::error::x"
    pull_request.report.write_text(hostile, encoding="utf-8")
    result = pull_request.run()
    assert pull_request.body == f"{MARKER}\n{hostile}"
    assert "made" not in pull_request.runner.made
    assert "::error" not in result.stdout


@pytest.mark.parametrize(
    "given",
    [{"key": "a -->"}, {"key": ""}, {"key": "a\nb"}, {"pull_request": ""}, {"pull_request": "7/x"}],
    ids=["key closes the marker", "no key", "two lines", "no pull request", "a path"],
)
def test_what_cannot_be_is_refused(pull_request, given):
    result = pull_request.run(**given)
    assert result.returncode == 1
    assert pull_request.calls == []
    assert result.stdout.startswith("::error title=circuits-comment::")
    assert len(result.stdout.splitlines()) == 1


def test_a_token_that_may_not_comment_warns(pull_request):
    result = pull_request.run(error="gh: Resource not accessible by integration (HTTP 403)")
    assert result.returncode == 0
    assert result.stdout.startswith("::warning title=circuits-comment::this token may not comment")


def test_any_other_refusal_fails_and_says_why(pull_request):
    result = pull_request.run(error="gh: Server Error (HTTP 502)\nsecond line")
    assert result.returncode == 1
    assert result.stdout == (
        "::error title=circuits-comment::gh could not comment: "
        "gh: Server Error (HTTP 502)%0Asecond line\n"
    )


def test_a_runner_without_gh_is_told_so(pull_request):
    tools = pull_request.runner.tools
    (tools / "gh").unlink()
    (tools / "python").symlink_to(sys.executable)
    for name in ("bash", "dirname"):
        (tools / name).symlink_to(shutil.which(name))
    pull_request.runner.environment["PATH"] = str(tools)
    result = pull_request.run()
    assert result.returncode == 1
    assert "the command gh is not on this runner" in result.stdout
