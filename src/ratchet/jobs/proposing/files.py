"""The file of a proposed configuration: its name, and that none is overwritten."""

import os
import re
import shlex
from pathlib import Path

from ratchet.configuration import ENVIRONMENT, files_folder
from ratchet.errors import ConfigurationError
from ratchet.settings import MODEL_NAME

_LONGEST = 40
_ENDINGS = re.compile(r"(\.(csv|tsv|parquet|parq|pq|gz|gzip|bz2|zst))+$")


def model_name(uri: str) -> str:
    """A model's name from the last part of an address; `model` if that has no letters."""
    last = _ENDINGS.sub("", uri.rstrip("/").rpartition("/")[2].lower())
    return re.sub(r"[^a-z0-9]+", "-", last).strip("-")[:_LONGEST].strip("-") or "model"


def checked(name: str) -> str:
    """Raises ConfigurationError unless it can be a model's name."""
    if not re.fullmatch(MODEL_NAME, name):
        message = f"--model {name!r}: the name of a model has up to 40 lower-case letters, digits and hyphens"
        raise ConfigurationError(message)
    return name


def check_absent(target: Path, *, force: bool) -> None:
    """Raises ConfigurationError if `--env` could not name the file, or if it exists and must not be overwritten."""
    if target.suffix != ".yaml" or not re.fullmatch(ENVIRONMENT, target.stem):
        message = (
            f"--out {target}: lower-case letters, digits and hyphens before .yaml are accepted, so --env can name it"
        )
        raise ConfigurationError(message)
    if target.exists() and not force:
        message = f"{target} exists: --force overwrites it, --out names another file"
        raise ConfigurationError(message)


def write(target: Path, text: str) -> None:
    """Raises ConfigurationError if the file can't be written."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{target} can't be written: {error.strerror}"
        raise ConfigurationError(message) from error


def next_command(target: Path) -> str:
    """The command that checks the configuration."""
    command = shlex.join(["ratchet", "check", "--env", target.stem])
    own = target.parent.resolve() == files_folder(os.environ).resolve()
    return command if own else f"RATCHET_CONFIGS={shlex.quote(str(target.parent))} {command}"
