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
    from collections.abc import Iterable, Iterator

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


def _sign(signs: str) -> str:
    """A pattern of any of some signs, as they are or percent-encoded, however often."""
    codes = "|".join(f"{ord(each):02X}" for each in signs)
    return rf"(?:[{re.escape(signs)}]|%(?:25)*(?:{codes}))"


#: How an address begins; how one does in a sentence, and where it ends there.
_SCHEME = re.compile(rf"\w[\w+.-]{{0,40}}{_sign(':')}", re.IGNORECASE)
_TO_ITS_END = r"[^\s'\"<>`]*[^\s'\"<>`:,.)\]}]"
_ADDRESS = re.compile(
    rf"(?:\b{_SCHEME.pattern}|(?<![\w:/])//(?=[^\s/]*@)){_TO_ITS_END}", re.IGNORECASE
)
#: Parameters in a sentence, after what is no address otherwise.
_QUERY = re.compile(
    rf"(?<=\S){_sign('?#')}[\w.\[\]-]{{1,60}}{_sign('=')}{_TO_ITS_END}", re.IGNORECASE
)
#: How a path of this machine begins, which may have any sign in its names.
_PATH = re.compile(r"[.~$]|/(?!/)|[a-z]:[\\/](?!/)|[^?#:]*\\", re.IGNORECASE)
#: What stands before user, password and host, and after user and password.
_BEFORE = re.compile(rf"({_sign('/')}{{2}})", re.IGNORECASE)
_AT = re.compile(_sign("@"), re.IGNORECASE)
_COLON = re.compile(_sign(":"), re.IGNORECASE)
_AFTER_HOST = re.compile(_sign("/?#"), re.IGNORECASE)
#: User and password without anything before them. Without a path, these are a name and its version.
_LOGIN = re.compile(
    rf"([^/?#:@]+{_sign(':')}(?!\*{{3}}@)[^/?#]*){_sign('@')}[^/?#@]+{_sign('/')}", re.IGNORECASE
)
#: A host with its port, if it has one.
_HOST = re.compile(
    rf"(?:\[[^\]]*\]|(?:(?!{_sign(':')}).)*)(?:{_sign(':')}\d{{0,5}}(?!\d))?", re.IGNORECASE
)
#: Where the parameters begin; those of one path segment have a name at least.
_PARAMETERS = re.compile(rf"{_sign('?#&')}|;(?=[^/;]*=)|%(?:25)*3B", re.IGNORECASE)
_PARAMETERS_OF_A_PATH = re.compile(_sign("?#"), re.IGNORECASE)
_BETWEEN = re.compile(rf"({_sign('?#&;')})", re.IGNORECASE)
_EQUALS = re.compile(_sign("="), re.IGNORECASE)
#: Signs between the parts of an address: of a secret that has some, each part is one.
_RESERVED = re.compile(r"[:/?#@&;=,()\s'\"<>`|]+")
#: How often a secret may be percent-encoded.
_ENCODED = 8


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without the secrets in it.

    These are the hub's token, from the environment or from ``hf auth login``; whatever looks like a
    token or stands in an authorization header; and what an address holds beside host and path.

    Args:
        text: the text.
        secrets: further secrets, as :func:`secrets_of` gives them.
    """
    text = without(text, [*secrets, *tokens()])
    text = _ADDRESS.sub(lambda found: _apart(found[0])[0], text)
    text = _QUERY.sub(lambda found: _parameters(found[0], _PARAMETERS_OF_A_PATH, [])[0], text)
    return _TOKENS.sub(HIDDEN, text)


def shown_address(text: str) -> str:
    """A source as it may be shown: the whole of it is taken for an address, or for a path."""
    return redacted(_apart(text)[0])


def secrets_of(address: str) -> set[str]:
    """What of a source must not be shown by itself either, as in ``no access with TOKEN``."""
    forms = {form for each in _apart(address)[1] for form in _decoded(each)}
    forms |= {part.strip(".") for form in forms for part in _RESERVED.split(form)}
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


def _decoded(text: str) -> Iterator[str]:
    """A text, and what it stands for where it is percent-encoded, perhaps several times."""
    yield text
    for decode in (unquote, unquote_plus):
        form = text
        for _ in range(_ENCODED):
            before, form = form, decode(form)
            if form == before:
                break
            yield form


def _apart(address: str) -> tuple[str, list[str]]:
    """An address or a path as it may be shown, and what was left out of it."""
    if _PATH.match(address) and "://" not in address:
        return _parameters(address, _PARAMETERS_OF_A_PATH, [])
    shown, *pieces = _BEFORE.split(address)
    secrets: list[str] = []
    if not pieces:
        shown = _without_login(shown, secrets)
    for mark, piece in zip(pieces[::2], pieces[1::2], strict=True):
        shown += mark + _without_user(piece, secrets)
    return _parameters(shown, _PARAMETERS, secrets)


def _without_login(text: str, secrets: list[str]) -> str:
    """An address without slashes before its host, without user and password."""
    scheme = _SCHEME.match(text)
    start = scheme.end() if scheme else 0
    at = _AT.search(text, start)
    # Here `name@version` is nobody's password; `user:password@` is.
    if at and _COLON.search(text, start, at.start()):
        return text[:start] + _without_user(text[start:], secrets)
    login = _LOGIN.match(text)
    if login is None:
        return text
    secrets.append(login[1])
    return HIDDEN + text[login.end(1) :]


def _without_user(piece: str, secrets: list[str]) -> str:
    """What follows two slashes, without user and password.

    They end at the last ``@`` before the path. What follows a colon and is no port is a password,
    whatever signs it has that should have been encoded, and also without an ``@``.
    """
    host = _AFTER_HOST.split(piece, maxsplit=1)[0]
    named = _HOST.match(host)
    end = named.end() if named else 0
    for part in (host, piece):
        ends = [found.start() for found in _AT.finditer(part)]
        if ends:
            secrets.append(part[: ends[-1]])
            return HIDDEN + piece[ends[-1] :]
        if end == len(host):
            return piece
    colon = _COLON.match(host, end)
    start = colon.end() if colon else end
    secrets.append(host[start:])
    return piece[:start] + HIDDEN + piece[len(host) :]


def _parameters(address: str, begin: re.Pattern[str], secrets: list[str]) -> tuple[str, list[str]]:
    """An address without its parameters' values, and the secrets with those.

    What has no name is a name itself in a path, and a secret elsewhere.
    """
    start = begin.search(address)
    if start is None:
        return address, secrets
    path = begin is _PARAMETERS_OF_A_PATH
    parts = _BETWEEN.split(address[start.start() :])
    for number, part in enumerate(parts):
        if number % 2 or not part:
            continue
        name, equals, value = _named(part)
        if path and (not equals or "/" in name or "\\" in name):
            continue
        secrets.append(value if equals else name)
        parts[number] = f"{name}{equals}{HIDDEN}" if equals else HIDDEN
    return address[: start.start()] + "".join(parts), secrets


def _named(part: str) -> tuple[str, str, str]:
    """A parameter's name, what stands for ``=``, and its value; one without a value has no name."""
    equals = _EQUALS.search(part)
    if equals is None or not part[equals.end() :].strip("="):
        return part, "", ""
    return part[: equals.start()], equals[0], part[equals.end() :]
