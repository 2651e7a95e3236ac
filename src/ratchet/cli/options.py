"""The arguments and options that several verbs share, and the settings that they select."""

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
    """Add the options that select the settings: the verb gets `environment` and `overrides`."""
    options = (
        click.option(
            "--env",
            "environment",
            default="dev",
            envvar="RATCHET_ENV",
            metavar="NAME",
            show_default=True,
            help="Name of the environment; its settings are in configs/NAME.yaml.",
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Set one setting, such as data.uri=data/flights; overrides RATCHET__DATA__URI and the file.",
        ),
    )
    for option in options:
        verb = option(verb)
    return verb


def settings_of(environment: str, overrides: tuple[str, ...]) -> "Settings":
    """The settings that the options select; also configures the log."""
    from ratchet import configuration
    from ratchet.cli import events

    events.configure()
    return configuration.load(environment, overrides)


def same_settings(environment: str, overrides: tuple[str, ...]) -> list[str]:
    """The options with which another verb reads the same settings; only this process tells the team anything."""
    passed = [override for override in overrides if not override.lower().startswith(("notify.", "notify="))]
    return ["--env", environment, *(part for override in passed for part in ("--set", override))]


def _day(_context: click.Context, _option: click.Parameter, value: datetime | None) -> date | None:
    return None if value is None else value.date()


as_of = click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    callback=_day,
    help="End of the test window, exclusive. Default: the end of the data.",
)
because = click.option("--because", required=True, metavar="SENTENCE", help="The reason; recorded with user and time.")


def _sentence(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        message = "--because is empty; give a sentence, or omit the option"
        raise ConfigurationError(message)
    return value


cycle_because = click.option(
    "--because",
    metavar="SENTENCE",
    callback=_sentence,
    help="Why the cycle runs; a tag of its runs. A watch gives its own reason. Default: none.",
)
