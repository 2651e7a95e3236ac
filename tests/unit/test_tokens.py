"""A server's tokens: which requests have one, which files are refused, and what a change of the file does."""

import os

import pytest
from structlog.testing import capture_logs

from ratchet.errors import ConfigurationError
from ratchet.io.serving.tokens import Tokens

OLD, NEW = "0123456789abcdef", "another-token-of-a-client"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens"


def bearer(token):
    return [f"Bearer {token}".encode()]


@pytest.mark.parametrize("text", [OLD, f"{OLD}\n", f"{OLD}\r\n", f"\n{NEW}\n\n{OLD}\n", f"{OLD}\n{OLD}"])
def test_a_token_is_a_line(path, text):
    path.write_text(text)
    tokens = Tokens(path)
    assert tokens.accept(bearer(OLD))
    assert tokens.accept([f"bearer  {OLD}".encode()])
    assert tokens.accept(bearer(NEW)) is (NEW in text)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b""],
        [b"Bearer"],
        [b"Bearer "],
        bearer(OLD[:-1]),
        bearer(OLD + "0"),
        bearer(OLD.upper()),
        bearer(f"{OLD} {OLD}"),
        bearer(OLD) * 2,
        [f"Basic {OLD}".encode()],
        [OLD.encode()],
        [f"Bearer\t{OLD}".encode()],
        [f"Bearer {OLD}, Bearer {OLD}".encode()],
        [b"Bearer \xff\x00"],
    ],
)
def test_anything_else_is_none(path, values):
    path.write_text(OLD)
    assert not Tokens(path).accept(values)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\n\r\n\n", "is empty"),
        (b"   ", "line 1: the token has blanks"),
        (f"{NEW}\n{OLD} ".encode(), "line 2: the token has blanks"),
        (b"two words are no token", "line 1: the token has blanks"),
        (b"fifteen-letters", "line 1: the token has fewer than 16 characters"),
        ("sch\u00f6nes-langes-token".encode(), "line 1: the token has characters that are not visible ASCII"),
        (OLD.encode() + b"\x00", "line 1: the token has characters that are not visible ASCII"),
        (OLD.encode("utf-16"), "line 1: the token has characters that are not visible ASCII"),
        (b"\xef\xbb\xbf" + OLD.encode(), "line 1: the token has characters that are not visible ASCII"),
    ],
)
def test_a_malformed_file_is_a_sentence_that_shows_no_token(path, content, why):
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        Tokens(path)
    said = str(caught.value)
    assert said.startswith(f"serving.token_file {path}")
    assert why in said
    assert "of at least 16 visible ASCII characters, is accepted" in said
    assert not [word for word in (OLD, NEW, "two words", "fifteen", "nes-langes") if word in said]


def test_a_file_that_is_none_is_a_sentence(path, tmp_path):
    for each, why in ((path, "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigurationError, match=f"serving.token_file {each} can't be read: {why}"):
            Tokens(each)


def accepted(tokens):
    return [tokens.accept(bearer(token)) for token in (OLD, NEW)]


def test_a_changed_file_is_read_anew(path):
    path.write_text(OLD)
    tokens = Tokens(path)
    assert accepted(tokens) == [True, False]
    path.write_text(f"{NEW}\n{OLD}\n")
    assert accepted(tokens) == [True, True]
    path.write_text(NEW)
    assert accepted(tokens) == [False, True]


def test_a_secret_that_is_mounted_changes_by_a_link(tmp_path):
    """As the kubelet does it: the file is a link into a folder, which is itself a link that is replaced."""
    for name, token in (("first", OLD), ("second", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokens").write_text(token)
    (tmp_path / "..data").symlink_to("first")
    (tmp_path / "tokens").symlink_to("..data/tokens")
    tokens = Tokens(tmp_path / "tokens")
    assert accepted(tokens) == [True, False]
    (tmp_path / "..new").symlink_to("second")
    os.replace(tmp_path / "..new", tmp_path / "..data")  # noqa: PTH105  # of the link itself
    assert accepted(tokens) == [False, True]


def test_a_file_that_becomes_malformed_changes_nothing_and_is_told_once(path):
    path.write_text(OLD)
    tokens = Tokens(path)
    with capture_logs() as logs:
        path.write_text("short")
        assert accepted(tokens) == accepted(tokens) == [True, False]
        path.unlink()
        assert accepted(tokens) == accepted(tokens) == [True, False]
        path.write_text(NEW)
        assert accepted(tokens) == [False, True]
    assert [each["event"] for each in logs] == ["serve.tokens_unchanged"] * 2 + ["serve.tokens"]
    assert "short" not in str(logs).replace("has fewer", "")
    assert NEW not in str(logs)
