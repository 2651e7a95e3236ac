"""The bearer tokens that a server accepts, from a file that is read anew when it changes, as a mounted Secret does."""

import hmac
import re
from hashlib import sha256
from pathlib import Path

import structlog

from ratchet.errors import ConfigurationError

log = structlog.get_logger()

_SHORTEST = 16
_SCHEME = b"bearer"


class Tokens:
    """The tokens of a file, one a line. Raises ConfigurationError if the file has none, or one that is malformed.

    Only their hashes are kept. If a later content of the file is malformed, or the file is gone, what was read before
    stays in force.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._hashes = _hashes(path)
        log.info("serve.tokens", file=str(path), accepted=len(self._hashes))

    def accept(self, authorizations: list[bytes]) -> bool:
        """Whether a request with these values of the header `Authorization` has one of the tokens.

        The time that it takes does not depend on how much of a token is right.
        """
        self._refresh()
        if len(authorizations) != 1:
            return False
        scheme, _, token = authorizations[0].partition(b" ")
        given = sha256(token.strip(b" ")).digest()
        same = sum(hmac.compare_digest(given, each) for each in self._hashes)  # all of them, whichever it is
        return same > 0 and scheme.lower() == _SCHEME

    def _refresh(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._hashes = _hashes(self._path)
        except ConfigurationError as error:
            log.error("serve.tokens_unchanged", why=str(error))  # noqa: TRY400  # one line
        else:
            log.info("serve.tokens", file=str(self._path), accepted=len(self._hashes))


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What differs after a change of the file; None if it can't be read."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _hashes(path: Path) -> tuple[bytes, ...]:
    """The tokens' hashes; no error contains any part of a token."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        message = f"serving.token_file {path} can't be read: {error.strerror or type(error).__name__}"
        raise ConfigurationError(message) from error
    accepted = f"a line for each token, of at least {_SHORTEST} visible ASCII characters, is accepted"
    tokens = [(number, line) for number, line in enumerate(lines, 1) if line]
    if not tokens:
        message = f"serving.token_file {path} is empty; {accepted}, such as the output of `openssl rand -hex 32`"
        raise ConfigurationError(message)
    for number, token in tokens:
        if (why := _wrong(token)) is not None:
            message = f"serving.token_file {path}, line {number}: the token {why}; {accepted}; it is not shown"
            raise ConfigurationError(message)
    return tuple({sha256(token).digest(): None for _, token in tokens})


def _wrong(token: bytes) -> str | None:
    if any(sign in b" \t\v\f" for sign in token):
        return "has blanks"
    if re.fullmatch(rb"[!-~]+", token) is None:
        return "has characters that are not visible ASCII"
    return f"has fewer than {_SHORTEST} characters" if len(token) < _SHORTEST else None
