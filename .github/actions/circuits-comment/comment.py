"""Keep one comment of a pull request up to date with a gate's report, by the command `gh`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

#: What GitHub takes, in characters; counted here in bytes, which are never fewer.
_LIMIT = 65536
_PAGE = 100
#: Bytes of a line that are shown where not all of a report fits.
_LONGEST = 4096
_CUT = "\n\n*The report goes on: this is what a comment can hold.*"


class CommentError(Exception):
    """Something that its user has to put right."""


def main() -> int:
    """Create the comment, or update it; returns the exit status."""
    try:
        _comment()
    except CommentError as error:
        _say("error", str(error))
        return 1
    except subprocess.CalledProcessError as error:
        if "not accessible" not in error.stderr:
            _say("error", f"gh could not comment: {error.stderr.strip()}")
            return 1
        # Not the pull request's fault, and the summary of the run has the report too.
        _say(
            "warning",
            "this token may not comment: give the job the permission pull-requests: write (in a "
            "pull request from a fork or by Dependabot it is read-only whatever the job asks for; "
            "the report stands in the run's summary)",
        )
    return 0


def _comment() -> None:
    marker = f"<!-- pytest-circuits: {_checked('KEY', r'[A-Za-z0-9._-]+')} -->"
    number = _checked("PULL_REQUEST", r"[0-9]+")
    comments = f"repos/{os.environ['GITHUB_REPOSITORY']}/issues/{number}/comments"
    body = _body(marker)
    mine = _mine(comments, marker)
    if mine is None:
        made = json.loads(_gh("--method", "POST", comments, body=body))
        print(f"commented: {made['html_url']}")
    else:
        comment = f"repos/{os.environ['GITHUB_REPOSITORY']}/issues/comments/{mine}"
        made = json.loads(_gh("--method", "PATCH", comment, body=body))
        print(f"updated the comment: {made['html_url']}")


def _mine(comments: str, marker: str) -> int | None:
    """The id of the comment to update, if there is one.

    Anybody can write the marker; only the comments of the author are ours.
    """
    author, page = os.environ["INPUT_AUTHOR"], 1
    while True:
        found = json.loads(_gh("--method", "GET", f"{comments}?per_page={_PAGE}&page={page}"))
        for comment in found:
            # An account that was deleted is null.
            login = (comment["user"] or {}).get("login")
            if login == author and (comment["body"] or "").startswith(marker):
                return int(comment["id"])
        if len(found) < _PAGE:
            return None
        page += 1


def _body(marker: str) -> str:
    """The comment: the marker, the report as far as it fits, and where the whole of it is."""
    try:
        report = Path(os.environ["INPUT_REPORT"]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        _say("warning", f"the report {os.environ['INPUT_REPORT']} can't be read: {why}")
        # An earlier comment, of a run that went well, must not stand as if it were this one's.
        run = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}"
        report = f"**circuits: no report** from [this run]({run.format_map(os.environ)})."
    link = os.environ["INPUT_REPORT_URL"]
    footer = f"\n\n[The whole report]({link})" if link else ""
    return f"{marker}\n{_shortened(report, _LIMIT - _size(marker + footer) - 1)}{footer}"


def _shortened(report: str, room: int) -> str:
    """A report that fits, cut between two lines, with nothing left open.

    A line that is too long by itself is cut too, so that what follows it is not lost.
    """
    if _size(report) <= room:
        return report
    lines = [_cut_line(line) for line in report.splitlines()]
    while lines and _size(_closed(lines) + _CUT) > room:
        over = _size(_closed(lines) + _CUT) - room
        while lines and over > 0:
            over -= _size(lines.pop()) + 1
    return _closed(lines) + _CUT


def _cut_line(line: str) -> str:
    """As much of a line as leaves others room: without markup, whose end may be cut off.

    What stood in code must not become a mention or a link.
    """
    if _size(line) <= _LONGEST:
        return line
    cut = line.encode()[:_LONGEST].decode(errors="ignore")
    return re.sub(r"[`~<>@\[\]]", " ", cut) + " …"


def _closed(lines: list[str]) -> str:
    """The lines, and the end of whatever block they leave open."""
    fence, folded = "", 0
    for line in lines:
        mark = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if mark and not fence:
            fence = mark[1]
        elif fence and re.fullmatch(rf" {{0,3}}{fence}{fence[0]}*\s*", line):
            fence = ""
        elif not fence:
            folded += line.count("<details") - line.count("</details>")
    closing = [fence] if fence else []
    closing += ["", *["</details>"] * folded] if folded > 0 else []
    return "\n".join([*lines, *closing])


def _size(text: str) -> int:
    return len(text.encode())


def _gh(*arguments: str, body: str | None = None) -> str:
    """What GitHub's interface answers; a body goes in as JSON, so that it can hold anything."""
    command = ["gh", "api", *arguments]
    sent = None
    if body is not None:
        command += ["--input", "-"]
        sent = json.dumps({"body": body})
    try:
        done = subprocess.run(
            command, input=sent, capture_output=True, text=True, check=True, encoding="utf-8"
        )
    except FileNotFoundError as error:
        raise CommentError("the command gh is not on this runner") from error
    return done.stdout


def _checked(name: str, pattern: str) -> str:
    value = os.environ[f"INPUT_{name}"]
    if not re.fullmatch(pattern, value):
        what = name.lower().replace("_", "-")
        raise CommentError(f"{what} can't be {value!r}")
    return value


def _say(level: str, message: str) -> None:
    """An annotation; its line breaks are escaped, so that nothing in it is read as a command."""
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::{level} title=circuits-comment::{escaped}")


if __name__ == "__main__":
    sys.exit(main())
