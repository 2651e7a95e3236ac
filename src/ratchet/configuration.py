"""Reads the settings, once, before any work starts.

A value comes from the file `configs/<env>.yaml`, from the environment (`RATCHET__DATA__URI`), or from the command
(`--set data.uri=…`); the later wins. An unset value means the default, an empty one is an error, an unknown key is
rejected with its path. Only `cli` reads them; `jobs.proposing` writes such a file.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ratchet.core.steps import ENGINES
from ratchet.errors import ConfigurationError
from ratchet.settings import Settings
from ratchet.settings.notify import SECRETS
from ratchet.settings.notify import SECTION as NOTIFY

PREFIX = "RATCHET__"
FOLDER = Path("configs")
ENVIRONMENT = r"[a-z0-9][-a-z0-9]*"
"""The form of an environment's name, as a regular expression."""
_LONGEST_VALUE = 80
# Pydantic speaks of Python's types.
_FORMS = {
    "model_type": "a section with keys is accepted (`ratchet schema` lists them)",
    "dict_type": "keys with values are accepted",
    "tuple_type": "a list is accepted",
}


class _Loader(yaml.SafeLoader):
    """YAML as users expect it: only true and false are booleans, and a date stays text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith((":bool", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def load(
    environment: str,
    overrides: Sequence[str] = (),
    folder: Path | None = None,
    variables: Mapping[str, str] = os.environ,
) -> Settings:
    """Read the settings of an environment.

    environment: name of a file `<folder>/<environment>.yaml`. overrides: `path.to.key=value`, the strongest. folder:
    `configs` below the working directory where None (or the variable RATCHET_CONFIGS). variables: the process's
    environment. Raises ConfigurationError with the path of what is wrong.
    """
    path = (folder or files_folder(variables)) / f"{_checked_name(environment)}.yaml"
    tree = _read(path)
    for name, text in sorted(variables.items()):
        if name.startswith(PREFIX):
            _put(tree, _path(name.removeprefix(PREFIX), "__"), text, name)
    if uri := variables.get("MLFLOW_TRACKING_URI"):
        _put(tree, ["tracking", "uri"], uri, "MLFLOW_TRACKING_URI")
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            message = f"--set {override}: a key, an equals sign and a value are accepted, such as data.uri=data/flights"
            raise ConfigurationError(message)
        _put(tree, _path(key, "."), text, f"--set {key}")
    try:
        return Settings.model_validate(_tuples(tree))
    except ValidationError as error:
        raise ConfigurationError(_sentence(error, path)) from error


def files_folder(variables: Mapping[str, str]) -> Path:
    """Where `--env` finds configuration files. variables: of the environment."""
    return Path(variables.get("RATCHET_CONFIGS") or FOLDER)


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration file, for editors."""
    return Settings.model_json_schema()


def _checked_name(environment: str) -> str:
    if not re.fullmatch(ENVIRONMENT, environment):
        message = f"--env {environment}: the name of an environment has lower-case letters, digits and hyphens"
        raise ConfigurationError(message)
    return environment


def _read(path: Path) -> dict[str, Any]:
    try:
        # _Loader is a SafeLoader: it makes no objects.
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
    except FileNotFoundError as error:
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml"))) or "none"
        message = f"{path} does not exist; environments in {path.parent}: {known}"
        raise ConfigurationError(message) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"{path} can't be read as YAML: {' '.join(str(error).split())}"
        raise ConfigurationError(message) from error
    if not isinstance(tree, dict):
        message = f"{path} holds {type(tree).__name__}, not a mapping of settings"
        raise ConfigurationError(message)
    return tree


def _path(key: str, separator: str) -> list[str]:
    """Split a key; names of parameters and of Spark's own settings are one part, as they are."""
    open_ended = re.fullmatch(
        rf"({'|'.join(ENGINES)}){re.escape(separator)}(params|conf){re.escape(separator)}(.+)", key, re.IGNORECASE
    )
    if open_ended:
        return [open_ended[1].lower(), open_ended[2].lower(), open_ended[3]]
    return key.lower().split(separator)


def _put(tree: dict[str, Any], path: Sequence[str], text: str, source: str) -> None:
    if not text.strip():
        message = f"{source} is empty; unset it to get the default, or give it a value"
        raise ConfigurationError(message)
    *parents, last = path
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            message = f"{source}: {parent} is a single value and has no keys"
            raise ConfigurationError(message)
    literal = path[0] == NOTIFY and last in SECRETS and text.strip() != "null"
    # A secret is not YAML: it may consist of digits, or contain any character.
    tree[last] = text.strip() if literal else _parsed(text, source, secret=path[0] == NOTIFY)


def _parsed(text: str, source: str, *, secret: bool) -> object:
    """A value as YAML, or as text if it begins as no value of YAML can, such as `%d.%m.%Y`.

    secret: whether the text may contain a secret, which an error must not show.
    """
    if text.lstrip().startswith(("%", "@", "`")):
        return text.strip()
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as error:
        if secret:
            message = f"{source} is no value in YAML; it is not shown, because it may be a secret"
            raise ConfigurationError(message) from None
        message = f"{source}: {text!r} is no value: {' '.join(str(error).split())}"
        raise ConfigurationError(message) from error


def _tuples(value: object) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _sentence(error: ValidationError, path: Path) -> str:
    parts = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"]) or "the settings"
        match problem["type"]:
            case "extra_forbidden":
                parts.append(f"{where} is no setting (`ratchet schema` lists them)")
            case "missing":
                parts.append(f"{where} is missing")
            case "value_error":
                parts.append(f"{where}: {problem['ctx']['error']}")
            case _ if problem["loc"][:1] == (NOTIFY,):  # the value may be a secret
                parts.append(f"{where}: {problem['msg'].lower()}")
            case _:
                got = repr(problem["input"])
                short = got if len(got) < _LONGEST_VALUE else got[:_LONGEST_VALUE] + "…"
                parts.append(f"{where} is {short}: {_FORMS.get(problem['type'], problem['msg'].lower())}")
    return f"{path}, the environment and --set: " + "; ".join(dict.fromkeys(parts))
