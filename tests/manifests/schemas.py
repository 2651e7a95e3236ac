"""JSON schemas from a cluster's own description of its API, for kubeconform; the operator's resources are in it, too.

The description is `/openapi/v2`. Here no object may have a key that is not described: a misspelt one would be ignored.
"""

import json
import re
from pathlib import Path

_REFERENCE = re.compile(r'"#/definitions/([^"]+)"')
_KINDS = "x-kubernetes-group-version-kind"


def write(description: dict, folder: Path) -> str:
    """Write a file for each kind; returns what kubeconform wants as --schema-location."""
    definitions = {name: _strict(schema) for name, schema in description["definitions"].items()}
    for name, schema in description["definitions"].items():
        for kind in schema.get(_KINDS, []):
            group = kind["group"].split(".")[0]
            stem = "-".join(part for part in (kind["kind"].lower(), group, kind["version"]) if part)
            needed = {each: definitions[each] for each in _reachable(name, definitions)}
            text = json.dumps({"$ref": f"#/definitions/{name}", "definitions": needed})
            (folder / f"{stem}.json").write_text(text)
    return f"{folder}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"


def _reachable(name: str, definitions: dict) -> set[str]:
    """A definition and all that it is made of: kubeconform follows no reference to another file."""
    found, waiting = set(), [name]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += _REFERENCE.findall(json.dumps(definitions[each]))
    return found


def _strict(schema: object) -> object:
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    if str(schema.get("$ref", "")).endswith("IntOrString"):
        return {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    if str(schema.get("$ref", "")).endswith("resource.Quantity"):
        return {"oneOf": [{"type": "string"}, {"type": "number"}]}
    strict = {key: _strict(value) for key, value in schema.items()}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and not open_ended:
        strict["additionalProperties"] = False
    return strict
