"""A message to the team's webhook: signed, tried again while that helps, and never in the way of other work.

`jobs.notifying` sends by it. Neither the address nor its host is in any error or event, because whoever knows the
address can write to the team.
"""

import hmac
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import count

import urllib3

from ratchet import background

_CONNECT_SECONDS = 5.0
# One that hangs gets a second try within the default of `notify.seconds`.
_READ_SECONDS = 10.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0


@dataclass(frozen=True)
class Delivery:
    """How a message was delivered. attempts: how many were made. why: why it did not arrive; empty if it did."""

    attempts: int
    why: str = ""


@dataclass(frozen=True)
class _Answer:
    """One attempt. why: empty if the message was accepted. again: whether another attempt may succeed.

    after: the seconds that the receiver asks to wait.
    """

    why: str = ""
    again: bool = False
    after: float = 0.0


class Webhook:
    """The team's webhook. url: its address. key: signs messages; None: they are not signed.

    seconds: in which a message must arrive, including all attempts. clock, sleep: seconds of a monotonic clock. now:
    seconds since 1970. chance: a number from 0 to 1.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._url = url
        self._key = key
        self._seconds = seconds
        self._clock, self._sleep, self._now, self._chance = clock, sleep, now, chance
        self._pool = urllib3.PoolManager(retries=False)

    def begin(self, body: bytes, name: str) -> Future[Delivery]:
        """Begin to deliver JSON in the background. name: the id by which the receiver knows a message again."""
        return background.begin("webhook", self.deliver, body, name)

    def deliver(self, body: bytes, name: str) -> Delivery:
        """Deliver it, or give up: when time is up, or when another attempt is useless."""
        end = self._clock() + self._seconds
        for attempt in count(1):
            answer = self._attempt(body, name, max(end - self._clock(), 0.001))
            pause = max(self._pause(attempt), answer.after)
            if not answer.again or self._clock() + pause >= end:
                return Delivery(attempt, answer.why)
            self._sleep(pause)
        raise AssertionError  # `count` has no end

    def _attempt(self, body: bytes, name: str, seconds: float) -> _Answer:
        timeout = urllib3.Timeout(connect=min(_CONNECT_SECONDS, seconds), read=min(_READ_SECONDS, seconds))
        try:
            # Another host must not get the message, so no redirect is followed; nor is the content of an answer read.
            answer = self._pool.request(
                "POST",
                self._url,
                body=body,
                headers=self._headers(body, name),
                redirect=False,
                timeout=timeout,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _Answer(type(error).__name__, again=True)  # its text contains the address
        answer.close()
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return _Answer()
        busy = answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return _Answer(f"status {answer.status}", busy, self._asked(answer.headers.get("Retry-After")))

    def _headers(self, body: bytes, name: str) -> Mapping[str, str]:
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "ratchet", "X-Ratchet-Id": name}
        if self._key is None:
            return headers
        sent = str(int(self._now()))
        signed = hmac.new(self._key.encode(), sent.encode() + b"." + body, "sha256").hexdigest()
        return headers | {"X-Ratchet-Timestamp": sent, "X-Ratchet-Signature": f"sha256={signed}"}

    def _pause(self, attempt: int) -> float:
        """Seconds to wait after an attempt: twice as long after each, and by chance up to half less."""
        return min(_FIRST_PAUSE * 2.0 ** (attempt - 1), _LONGEST_PAUSE) * (1 - self._chance() / 2)

    def _asked(self, after: str | None) -> float:
        """The seconds in `Retry-After`, which is a number or a date; 0 if it is neither."""
        if after is not None and after.isdecimal():
            return float(after)
        try:
            moment: datetime = parsedate_to_datetime(after or "")
        except ValueError:
            return 0.0
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - self._now()
