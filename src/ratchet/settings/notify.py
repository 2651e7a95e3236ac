"""The settings of what the team is told, and where."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from ratchet.core.notice import Form, NoticeEvent
from ratchet.settings.forms import Section

SECTION = "notify"
SECRETS = ("url", "key")
"""The settings of the section that are secrets: taken literally, never shown, and never passed on to a step."""

_SHORTEST_KEY = 16


def _address(secret: SecretStr) -> SecretStr:
    """Raises ValueError if it is no address to post to; the sentence does not contain the address."""
    try:
        parts = urlsplit(text := secret.get_secret_value())
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or any(sign.isspace() for sign in text) or not text.isprintable():
        message = "an address with http:// or https:// and a host is accepted; the value is not shown"
        raise ValueError(message)
    if parts.username is not None:
        message = "a user name or password in the address is not sent; put the token into its path or query"
        raise ValueError(message)
    return secret


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _SHORTEST_KEY:
        message = f"at least {_SHORTEST_KEY} characters are accepted, such as those of `openssl rand -hex 32`"
        raise ValueError(message)
    return secret


class Notify(Section):
    """The team's webhook: what it is told. Address and key come from a Secret or the environment, not from the file."""

    url: Annotated[SecretStr, AfterValidator(_address)] | None = None
    """Address that messages are posted to, with http:// or https://; a secret. None: no message is sent."""
    key: Annotated[SecretStr, AfterValidator(_long_enough)] | None = None
    """Key that signs each message (HMAC-SHA256), at least 16 characters; a secret. None: messages are not signed."""
    form: Form = "slack"
    """Form of a message: JSON with `text`, as Slack and Mattermost accept it, or JSON with a field for each fact."""
    on: Annotated[tuple[NoticeEvent, ...], Field(min_length=1)] = (
        "promoted",
        "staged",
        "failed",
        "rolled_back",
        "watch_low",
    )
    """What is told. `held` is not by default: most cycles end so, and nothing has changed."""
    seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Seconds in which a message must arrive, including all attempts; the process waits no longer for it at its end."""
