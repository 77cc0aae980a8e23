"""Tokens and passwords are in nothing that a run prints or writes."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
from circuit_suites import ONE_TEST, RECALL, counts
from safetensors.numpy import save_file

from pytest_circuits.models import ModelError, parse_source

#: Nothing else anywhere looks like it. Not of the form that the hub's own tokens have: those are
#: known by their look.
TOKEN = "secret-0f9d8e7c6b5a"
#: What the stand-in for the hub answers for each model: a status and the code that the hub gives.
ANSWERS = {
    "org/gated": (403, "GatedRepo"),
    "org/unknown": (401, "RepoNotFound"),
    "org/moved": (404, "RevisionNotFound"),
    "org/odd": (400, ""),
}
TESTS = f"""
from pytest_circuits.models import load
{ONE_TEST}

def test_model(circuit_model):
    pass


def test_directly(circuit_source):
    load(circuit_source.source)
"""


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that says what it was sent: the tokens that it got."""
    got = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            said = self.headers.get("authorization", "")
            got.append(said)
            name = next((name for name in ANSWERS if name in self.path), "org/odd")
            status, code = ANSWERS[name]
            message = f"no access to {name} with {said}"
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", message)
            body = json.dumps({"error": message}).encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 — the standard library's name

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(
        huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}"
    )
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield got
    server.shutdown()
    server.server_close()


@pytest.fixture(
    params=[
        "HF_TOKEN",
        pytest.param("HUGGING_FACE_HUB_TOKEN", marks=pytest.mark.nightly),
        "a file",
    ]
)
def token(request, monkeypatch, tmp_path):
    """The token, where the hub's library looks for one."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "token"
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(path))
    if request.param == "a file":
        path.write_text(f"{TOKEN}\n")
    else:
        monkeypatch.setenv(request.param, TOKEN)
    return TOKEN


def run(suite, *sources, options=()):
    """All that a run said, on the terminal and in files; as verbose as it gets."""
    declared = dict(zip("abcdefgh", sources, strict=False))
    suite.ini(RECALL, *(f"{alias} = {source}" for alias, source in declared.items()))
    before = set(suite.path.rglob("*"))
    result = suite.run(
        "--circuits",
        *(part for alias in ("recall", *declared) for part in ("--circuits-model", alias)),
        *("-vv", "--showlocals", "--tb=long", "-rA", "--circuits-pending", "--circuits-verbose"),
        *("--circuits-report=report", "--junitxml=junit.xml", *options),
    )
    written = [path for path in set(suite.path.rglob("*")) - before if path.is_file()]
    names = {path.name for path in written}
    assert {"report.html", "report.md", "report.json", "junit.xml", "lastfailed"} <= names
    assert any(".pending" in path.parts for path in written)
    said = {path.name: path.read_text("utf-8", "replace") for path in written}
    return result, {**said, "stdout": result.stdout.str(), "stderr": result.stderr.str()}


def test_the_hubs_token_is_in_nothing_that_a_run_says(suite, hub, token):
    suite.write("test_heads.py", TESTS)
    result, said = run(suite, *ANSWERS)
    assert f"Bearer {token}" in hub  # it was there to be said
    assert counts(result) == {
        "passed": 3,  # of the reference, which needs no hub
        "failed": 2 * len(ANSWERS),
        "errors": len(ANSWERS),
    }
    assert [name for name, text in said.items() if token in text] == []
    assert "org/gated is gated on the hub" in said["stdout"]


@pytest.mark.parametrize("token", ["a file"], indirect=True)
def test_a_token_that_cannot_be_sent_is_not_said_either(suite, hub, token):
    # As a file saved in another encoding has it.
    Path(huggingface_hub.constants.HF_TOKEN_PATH).write_text(f"{token}\0")
    suite.write("test_heads.py", TESTS)
    _, said = run(suite, "org/gated")
    assert [name for name, text in said.items() if token in text] == []
    assert "org/gated: can't be loaded (LocalProtocolError):" in said["stdout"]
    assert "Illegal header value b'Bearer ***'" in said["stdout"]


#: A plugin that knows models by address, and quotes it in all ways it can when it fails.
REGISTRY = """
import re
import warnings

import pytest


def pytest_circuits_load_model(source):
    from pytest_circuits.models import load, parse_source

    if "/recall" in source:
        return load(parse_source("bundled:recall")).bridge
    if source.startswith("registry:"):
        token = re.search(r"secret-\\w+", source)[0]
        raise RuntimeError(f"{source} answered 403 to {token}, {'x' * 150} {token}")


@pytest.fixture
def address(request, circuit_source):
    print("asked for", circuit_source.source.text)
    warnings.warn(f"{circuit_source.source.text} is slow")
    return circuit_source.source.text
"""
QUOTING = """
import logging
import re


def test_own(address, circuit_source):
    address, count = circuit_source.source.text, 1
    logging.getLogger("http").warning("GET %s", address)
    assert address == ""


def test_unparsed(circuit_source):
    found = re.search(r"secret-\\w+|$", circuit_source.source.text)
    raise RuntimeError("no access with " + found[0])


def test_circuit_source(circuit_source):
    assert circuit_source is None


def test_skipped(address):
    import pytest
    pytest.skip(address)
"""
#: Where the secret stands, before and after ``host/name``.
PLACES = {
    "user and password": (f"registry://ann:{TOKEN}@", ""),
    "a parameter": ("registry://", f"?revision=1&token={TOKEN}"),
    "no slashes": ("registry:", f"?token={TOKEN}"),
    "a fragment": ("registry://", f"#{TOKEN}"),
    "a parameter of a path": ("registry://", f";token={TOKEN}"),
    "encoded": ("registry:", f"%3Ftoken%3D{TOKEN}"),
    "an address in an address": ("registry://", f"?at=https%3A%2F%2Fann%3A{TOKEN}%40host"),
}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(*parts, marks=() if number < 2 else pytest.mark.nightly)
        for number, parts in enumerate(PLACES.values())
    ],
)
def test_an_addresss_secret_is_in_nothing_that_a_run_says(suite, before, after):
    suite.write("conftest.py", REGISTRY)
    suite.write("test_heads.py", ONE_TEST + QUOTING)
    sources = [f"{before}host/{name}{after}" for name in ("recall", "broken")]
    result, said = run(suite, *sources, options=("-W", "default"))
    said.pop("pytest.ini", None)  # the user's own words
    assert counts(result) == {"passed": 2, "failed": 10, "skipped": 3}
    assert "answered 403" in said["stdout"]
    for file in ("stdout", "junit.xml"):
        assert "GET " in said[file]
        assert "no access with" in said[file]
    assert "is slow" in said["stdout"]
    assert [name for name, text in said.items() if TOKEN in text] == []


def test_nor_is_that_of_an_adapters_base(suite):
    folder = suite.path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(
        json.dumps(
            {
                "peft_type": "LORA",
                "base_model_name_or_path": f"registry://host/broken?token={TOKEN}",
            }
        )
    )
    save_file({"a": np.zeros(1)}, folder / "adapter_model.safetensors")
    suite.write("conftest.py", REGISTRY)
    suite.write("test_heads.py", ONE_TEST)
    result, said = run(suite, "./adapter")
    assert counts(result) == {"passed": 1, "failed": 1}
    assert "the base of this adapter can't be used" in said["stdout"]
    said.pop("adapter_config.json", None)
    assert [name for name, text in said.items() if TOKEN in text] == []


def test_nor_is_one_after_a_hubs_name(suite):
    suite.write("test_heads.py", TESTS)
    result, said = run(suite, f"org/absent@v1?token={TOKEN}")
    said.pop("pytest.ini", None)
    assert counts(result) == {"passed": 3, "failed": 2, "errors": 1}
    assert "org/absent@v1?token=***" in said["stdout"]
    assert [name for name, text in said.items() if TOKEN in text] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--circuits-model", "a=registry://host/m?token={}", "--circuits-model", "a=b"],
        ["--circuits-model", "c=registry://host/m?token={}", "--snapshot-update"],
        ["--circuits-model", "/x=registry://ann:{}@host/m"],
        ["--circuits-model", "c=./registry://ann:{}@host/m"],
        ["--circuits-model", "c=./m?token={}"],
        ["--circuits-model", "c=my_reg://host/m?token={}"],
        ["--circuits-model", "c=u:{}@host/m"],
        ["--circuits-device", "https://ann:{}@host"],
        ["--circuits-report", "https://host/?t={}", "--circuits-gate", "https://host/?t={}"],
    ],
)
def test_no_usage_error_tells_one(suite, arguments):
    result = suite.run("--circuits", *(argument.format(TOKEN) for argument in arguments))
    said = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "***" in said or "a=" in arguments[1]
    assert TOKEN not in said


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("./x hf_abcdefghijklmnopqrstuvwxyz", "./x ***"),
        ("./x authorization: Bearer abc.def", "./x authorization: Bearer ***"),
        ("./http://ann:pass@word@host/model", "./http://***@host/model"),
        ("./http://ann@host:8080/a@b", "./http://***@host:8080/a@b"),
        ("./http://host/a@b", "./http://host/a@b"),
    ],
)
def test_what_looks_like_a_secret_is_in_no_message_of_ours(said, shown):
    with pytest.raises(ModelError) as error:
        parse_source(said)
    assert str(error.value).startswith(f"{shown!r} is no model source")
