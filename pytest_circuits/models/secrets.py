"""Tokens and passwords in texts that are shown: what they look like, and where addresses hold them.

One rule for every address, in whatever text it stands: of ``scheme://user:password@host/path?a=b#c``
scheme, host, path and the names of parameters are shown, and nothing else. Nobody can tell which
parameters are secret, so all values are taken for it, also where signs are percent-encoded.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What stands in a secret's place.
HIDDEN = "***"
#: Variables that hold a token of the hub.
_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
#: A shorter value is a word that any text may have.
_SHORTEST = 6
#: Tokens by their look, of the hub, GitHub and GitLab; and what a request's header has.
_TOKENS = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bgh[a-z]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}|\bglpat-[\w-]{20,}"
    r"|(?<=Bearer )[^\s'\"]+",
    re.IGNORECASE,
)
#: How an address begins; how one does in a sentence, and where it ends there.
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,40}(?::|%3A)", re.IGNORECASE)
_ADDRESS = re.compile(rf"\b{_SCHEME.pattern}[^\s'\"<>`]*[^\s'\"<>`:,.)\]}}]", re.IGNORECASE)
#: What stands before user, password and host, and after user and password.
_BEFORE = re.compile(r"(//|%2F%2F)", re.IGNORECASE)
_AT = re.compile(r"@|%40", re.IGNORECASE)
_AFTER_HOST = re.compile(r"[/?#]|%2F|%3F|%23", re.IGNORECASE)
_PORT = re.compile(r"[^:]*(?::\d*)?")
#: Where the parameters begin; those of one path segment have a name at least.
_PARAMETERS = re.compile(r"[?#&]|;(?=[^/;]*=)|%3F|%23|%26|%3B", re.IGNORECASE)
_BETWEEN = re.compile(r"([?#&;]|%3F|%23|%26|%3B)", re.IGNORECASE)
_EQUALS = re.compile(r"=|%3D", re.IGNORECASE)
#: Signs between the parts of an address: of a secret that has some, each part is one.
_RESERVED = re.compile(r"[:/?#@&;=]+")


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without the secrets in it.

    These are the hub's token, from the environment or from ``hf auth login``; whatever looks like a
    token or stands in an authorization header; and what an address holds beside host and path.

    Args:
        text: the text.
        secrets: further secrets, as :func:`secrets_of` gives them.
    """
    text = without(text, [*secrets, *tokens()])
    return _TOKENS.sub(HIDDEN, _ADDRESS.sub(lambda found: _apart(found[0])[0], text))


def shown_address(text: str) -> str:
    """A source as it may be shown: the whole of it is an address, if it begins like one."""
    return redacted(_apart(text)[0] if _SCHEME.match(text) else text)


def secrets_of(address: str) -> set[str]:
    """What of an address must not be shown by itself either, as in ``no access with TOKEN``."""
    found = _apart(address)[1] if _SCHEME.match(address) else []
    forms = {form for each in found for form in (each, unquote(each), unquote_plus(each))}
    forms |= {part for form in forms for part in _RESERVED.split(form)}
    return {each for each in forms if len(each) >= _SHORTEST}


def without(text: str, secrets: Iterable[str]) -> str:
    """A text without certain secrets, as they are and as others write them."""
    # Libraries show what they can't send as Python writes it.
    forms = {
        form
        for each in secrets
        for form in (each, repr(each)[1:-1], quote(each, safe=""), quote_plus(each))
    }
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def tokens() -> list[str]:
    """The hub's tokens that are known here."""
    values = [os.environ.get(name, "") for name in _VARIABLES]
    # Only the hub's own library reads the stored token; without it nobody can have said it.
    hub = sys.modules.get("huggingface_hub.constants")
    if hub is not None:
        with suppress(OSError, ValueError):
            values.append(Path(hub.HF_TOKEN_PATH).read_text(encoding="utf-8"))
    return [value.strip() for value in values if len(value.strip()) >= _SHORTEST]


def _apart(address: str) -> tuple[str, list[str]]:
    """An address as it may be shown, and what was left out of it."""
    shown, *pieces = _BEFORE.split(address)
    secrets: list[str] = []
    if not pieces:
        scheme = _SCHEME.match(shown)
        rest = shown[scheme.end() :] if scheme else shown
        # Without slashes `name@version` is nobody's password; `user:password@` is.
        user = _user(rest) if ":" in rest.partition("@")[0] else ""
        secrets.append(user)
        shown = shown[: len(shown) - len(rest)] + (HIDDEN if user else "") + rest[len(user) :]
    for mark, piece in zip(pieces[::2], pieces[1::2], strict=True):
        user = _user(piece)
        secrets.append(user)
        shown += mark + (HIDDEN if user else "") + piece[len(user) :]
    start = _PARAMETERS.search(shown)
    if start is None:
        return shown, secrets
    parts = _BETWEEN.split(shown[start.start() :])
    for number, part in enumerate(parts):
        if number % 2 == 0 and part:
            name, equals, value = _named(part)
            secrets.append(value if equals else name)
            parts[number] = f"{name}{equals}{HIDDEN}" if equals else HIDDEN
    return shown[: start.start()] + "".join(parts), secrets


def _user(piece: str) -> str:
    """User and password, with which what follows two slashes may begin.

    They end at the last ``@`` before the path. What follows a colon and is no port is a password,
    whatever signs it has that should have been encoded.
    """
    host = _AFTER_HOST.split(piece, maxsplit=1)[0]
    for part in (host, piece):
        ends = [found.start() for found in _AT.finditer(part)]
        if ends:
            return part[: ends[-1]]
        if _PORT.fullmatch(host):
            break
    return ""


def _named(part: str) -> tuple[str, str, str]:
    """A parameter's name, what stands for ``=``, and its value; one without a value has no name."""
    equals = _EQUALS.search(part)
    if equals is None or not part[equals.end() :].strip("="):
        return part, "", ""
    return part[: equals.start()], equals[0], part[equals.end() :]
