"""The arguments and options that several verbs share, and the settings that they name."""

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

from ratchet.core.steps import ENGINES
from ratchet.errors import ConfigurationError

if TYPE_CHECKING:
    from ratchet.settings import Settings

engine_argument = click.argument("engine", type=click.Choice(ENGINES), metavar="ENGINE")


def with_settings[F: Callable[..., Any]](verb: F) -> F:
    """Add the options by which settings are read; the verb gets `settings`."""
    options = (
        click.option(
            "--env",
            "environment",
            default="dev",
            envvar="RATCHET_ENV",
            metavar="NAME",
            show_default=True,
            help="Name of the environment: the settings are read from configs/NAME.yaml.",
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Set one setting, such as data.uri=data/flights; wins over RATCHET__DATA__URI and the file.",
        ),
    )
    for option in options:
        verb = option(verb)
    return verb


def settings_of(environment: str, overrides: tuple[str, ...]) -> "Settings":
    """The settings that the options name, and events that go to stdout from now on."""
    from ratchet import configuration
    from ratchet.cli import events

    events.configure()
    return configuration.load(environment, overrides)


def same_settings(environment: str, overrides: tuple[str, ...]) -> list[str]:
    """The options by which another verb reads the same settings."""
    return ["--env", environment, *(part for override in overrides for part in ("--set", override))]


def _day(_context: click.Context, _option: click.Parameter, value: datetime | None) -> date | None:
    return None if value is None else value.date()


as_of = click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    callback=_day,
    help="Day on which the test window ends, itself excluded. Default: the end of the data.",
)
because = click.option("--because", required=True, metavar="SENTENCE", help="Why; recorded with who and when.")


def _sentence(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        message = "--because is empty; a sentence is accepted, or the option left out"
        raise ConfigurationError(message)
    return value


cycle_because = click.option(
    "--because",
    metavar="SENTENCE",
    callback=_sentence,
    help="Why the cycle is run; a tag of its runs. A watch gives its reason. Default: none.",
)
