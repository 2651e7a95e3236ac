"""A message to the webhook arrives signed, is tried again where that helps, and gives up in time: a real receiver."""

import re
import socket
from email.utils import formatdate
from pathlib import Path

import pytest

from ratchet import background
from ratchet.core.notice import id_of
from ratchet.io.webhook import Delivery, Webhook
from tests.receiver import CLOSE, HANG, SECRET_PATH, receiving

KEY = "0123456789abcdef"
BODY = '{"text": "version 3 is promoted – ü"}'.encode()
NOW = 1_800_000_000.0
DOCUMENT = (Path(__file__).parents[2] / "docs/notify.md").read_text()


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


@pytest.fixture
def webhook(receiver, clock):
    """The receiver's webhook by a clock that only its pauses move; each pause is as long as it can be."""

    def made(seconds=30.0, key=KEY, address=receiver.address):
        return Webhook(address, key, seconds, clock=clock, sleep=clock.sleep, now=lambda: NOW, chance=lambda: 0.0)

    return made


def test_it_arrives_at_once_as_json_with_an_id(webhook, receiver, clock):
    assert webhook().deliver(BODY, "the-id") == Delivery(1)
    (request,) = receiver.requests
    assert (request.path, request.body) == (SECRET_PATH, BODY)
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert request.headers["X-Ratchet-Id"] == "the-id"
    assert clock.now == 0


def verify():
    """The function that the document shows."""
    (example,) = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    names = {}
    exec(example, names)  # noqa: S102  # what a reader would copy
    assert len(example.splitlines()) <= 14
    return names["genuine"]


def test_the_example_in_the_document_tells_a_genuine_message_from_others(webhook, receiver):
    webhook().deliver(BODY, "x")
    (request,) = receiver.requests
    genuine, headers = verify(), request.headers
    assert genuine(request.body, headers, KEY, NOW + 60)
    assert not genuine(request.body.replace(b"3", b"4"), headers, KEY, NOW + 60)
    assert not genuine(request.body, headers, KEY[::-1], NOW + 60)
    assert not genuine(request.body, headers, KEY, NOW + 3600)
    later = {**headers, "X-Ratchet-Timestamp": str(int(NOW) + 3600)}
    assert not genuine(request.body, later, KEY, NOW + 3600)


def test_without_a_key_it_is_not_signed(webhook, receiver):
    webhook(key=None).deliver(BODY, "x")
    assert not [name for name in receiver.requests[0].headers if "signature" in name.lower()]
    assert not verify()(BODY, receiver.requests[0].headers, KEY, NOW)


@pytest.mark.parametrize("answer", [500, 502, 503, 599, 429, CLOSE])
def test_it_is_tried_again_with_growing_pauses_and_the_same_id(webhook, receiver, clock, answer):
    receiver.answers += [answer, answer]
    assert webhook().deliver(BODY, "the-id") == Delivery(3)
    assert {request.headers["X-Ratchet-Id"] for request in receiver.requests} == {"the-id"}
    assert clock.now == 1 + 2


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 410])
def test_what_another_attempt_would_not_change_is_not_tried_again_nor_followed(webhook, receiver, clock, status):
    with receiving() as elsewhere:
        receiver.answers.append((status, {"Location": elsewhere.address}))
        assert webhook().deliver(BODY, "x") == Delivery(1, f"status {status}")
        assert (len(receiver.requests), elsewhere.requests, clock.now) == (1, [], 0)


@pytest.mark.parametrize("after", ["7", formatdate(NOW + 7, usegmt=True)])
def test_it_waits_as_long_as_the_receiver_asks(webhook, receiver, clock, after):
    receiver.answers.append((429, {"Retry-After": after}))
    assert webhook().deliver(BODY, "x") == Delivery(2)
    assert clock.now == 7


@pytest.mark.parametrize("after", ["0", "-5", "soon", formatdate(NOW - 60, usegmt=True)])
def test_a_receiver_that_asks_for_less_than_a_pause_or_nonsense_gets_the_pause(webhook, receiver, clock, after):
    receiver.answers.append((503, {"Retry-After": after}))
    assert webhook().deliver(BODY, "x") == Delivery(2)
    assert clock.now == 1


@pytest.mark.parametrize("after", ["31", "9" * 400])
def test_a_receiver_that_asks_for_more_than_there_is_time_is_given_up_at_once(webhook, receiver, clock, after):
    receiver.answers.append((429, {"Retry-After": after}))
    assert webhook().deliver(BODY, "x") == Delivery(1, "status 429")
    assert clock.now == 0


def test_time_is_up_for_all_attempts_together(webhook, receiver, clock):
    receiver.answers += [500] * 50
    assert webhook().deliver(BODY, "x") == Delivery(6, "status 500")
    assert clock.now == 1 + 2 + 4 + 8 + 10


def test_nobody_there_is_told_without_the_address(webhook, clock):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = webhook(address=f"http://127.0.0.1:{port}{SECRET_PATH}").deliver(BODY, "x")
    assert done == Delivery(6, "NewConnectionError")
    assert clock.now < 30


def test_pauses_differ_by_chance_and_by_at_most_half(receiver, clock):
    receiver.answers.append(500)
    webhook = Webhook(receiver.address, KEY, 30.0, clock=clock, sleep=clock.sleep, chance=lambda: 1.0)
    assert webhook.deliver(BODY, "x") == Delivery(2)
    assert clock.now == 0.5


def test_one_that_hangs_is_given_up(receiver):
    receiver.answers.append(HANG)
    sent = Webhook(receiver.address, KEY, 0.3).begin(BODY, "x")
    # Without the limit of all attempts together, that of one would be 10 s.
    assert sent.result(8) == Delivery(1, "ReadTimeoutError")
    assert not receiver.released.is_set()


def test_messages_are_known_again_by_their_content():
    assert id_of(BODY) == id_of(bytes(BODY)) != id_of(BODY + b" ")
    assert re.fullmatch(r"[0-9a-f]{32}", id_of(BODY))


def test_what_is_to_be_done_at_the_end_is_done_once_and_in_order():
    done = []
    background.before_end(lambda: done.append(1))
    background.before_end(lambda: done.append(2))
    background.finish()
    background.finish()
    assert done == [1, 2]
