"""`make docs`: writes docs/configuration.md from the settings, so that no setting goes without its line."""  # noqa: INP001

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ratchet.configuration import json_schema

PAGE = Path(__file__).with_name("configuration.md")
_INTRODUCTION = """\
# Configuration

Made by `make docs` from `src/ratchet/settings.py`.

A file `configs/NAME.yaml` is an environment; `--env NAME` or the variable `RATCHET_ENV` chooses it, and
`RATCHET_CONFIGS` names another folder than `configs`. Three places can hold a setting; the later wins:

| place | how | what for |
|---|---|---|
| the file | `data: {uri: data/flights}` | what belongs to the environment |
| the process's environment | `RATCHET__DATA__URI=data/flights` | what a container or a secret adds |
| the command | `--set data.uri=data/flights` | one run that differs |

`MLFLOW_TRACKING_URI`, where set, is `tracking.uri`. A value in a variable or after `--set` is read as YAML: `true` is a
boolean, `12` a number, `[a, b]` a list, `null` is none. Unset means the default; an empty value and an unknown key are
errors. Below `sklearn.params`, `spark.params` and `spark.conf` the rest of the key is one name, with its dots and
capitals: `--set spark.conf.spark.sql.shuffle.partitions=8`. Every run logs what was in force as its parameters.

A length of time is a whole number and `d`, `w` or `mo`; an amount of memory is one and `MiB` or `GiB`.

`ratchet schema` prints the JSON schema. [`configs/schema.json`](../configs/schema.json) is the same; an editor that
reads the first line of a configuration completes and explains keys by it.
"""
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "none"}


def page() -> str:
    """The page: a table for each section of the settings, a line for each key."""
    schema = json_schema()
    return _INTRODUCTION + "".join(_section(name, node) for name, node in _sections("", schema, schema["$defs"]))


def _sections(path: str, node: Mapping[str, Any], defs: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, node
    for key, field in node["properties"].items():
        if "$ref" in field:
            yield from _sections(f"{path}{key}.", defs[field["$ref"].rpartition("/")[2]], defs)


def _section(path: str, node: Mapping[str, Any]) -> str:
    title = f"## `{path.rstrip('.')}`" if path else "## At the top"
    fields = {key: field for key, field in node["properties"].items() if "$ref" not in field}
    lines = [_line(path + key, field, key in node.get("required", ())) for key, field in fields.items()]
    head = "| key | type | default | meaning |\n|---|---|---|---|\n"
    return f"\n{title}\n\n{node['description']}\n\n{head}" + "".join(lines)


def _line(path: str, field: Mapping[str, Any], required: bool) -> str:
    default = "**required**" if required else _default(field["default"])
    return f"| `{path}` | {_type(field)} | {default} | {field['description']} |\n"


def _default(value: object) -> str:
    match value:
        case None:
            return "none"
        case [] | {}:
            return "empty"
        case list():
            return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def _type(field: Mapping[str, Any]) -> str:
    match field:
        case {"anyOf": choices}:
            return ", ".join(dict.fromkeys(map(_type, choices[:-1]))) + f" or {_type(choices[-1])}"
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"type": "array"}:
            return f"list of {_type(field['items'])}"
        case {"type": "object"}:
            return f"names with {_type(field['additionalProperties'])}"
    return _TYPES[field["type"]] + _bounds(field)


def _bounds(field: Mapping[str, Any]) -> str:
    match field:
        case {"minimum": low, "maximum": high}:
            return f", {low:,} to {high:,}"
        case {"exclusiveMinimum": low, "exclusiveMaximum": high}:
            return f" between {low} and {high}"
    return ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
