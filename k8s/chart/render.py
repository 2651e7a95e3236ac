"""Writes the Helm chart from the rendered overlay `prod`: fields that marks.yaml names become values, all else stays.

The overlay is the only source: defaults are what it says. Called by k8s/release/render:
render.py VERSION REGISTRY FOLDER RENDERED [VARIANT RENDERED]…
"""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml
from marking import Chart, Expressions, MarkError, base, dump, value

HERE = Path(__file__).parent


def templates(chart: Chart, variants: dict[str, Chart]) -> str:
    """All objects; what a variant lacks or has differently stands below a condition."""
    switches = {mark["name"]: mark["without"] for mark in chart.marks["values"] if "without" in mark}
    others = {name: _by_key(variants[each]) for name, each in switches.items()}
    text = "".join(_need(mark, chart.defaults) for mark in chart.marks["values"] if "without" in mark)
    for key, own in _by_key(chart).items():
        differs = [name for name, objects in others.items() if objects.get(key) != own]
        if len(differs) > 1:
            raise MarkError(f"{' '.join(key)} differs by {' and by '.join(differs)}")
        other = others[differs[0]].get(key) if differs else None
        start = f"{{{{- if {value(differs[0])} }}}}\n" if differs else ""
        middle = f"{{{{- else }}}}\n---\n{other}" if other else ""
        text += f"{start}---\n{own}{middle}" + ("{{- end }}\n" if differs else "")
    return text


def _need(mark: dict, defaults: dict[str, Any]) -> str:
    """What must be set where something is not in the cluster."""
    name, needed = mark["name"], mark["then"]
    same = f"eq {value(needed)} {json.dumps(defaults[needed])}"
    sentence = json.dumps(f"{name} is false: set {needed}")
    return f"{{{{- if and (not {value(name)}) ({same}) }}}}{{{{ fail {sentence} }}}}{{{{ end }}}}\n"


def _by_key(chart: Chart) -> dict[tuple[str, str], str]:
    return {(each["kind"], base(each["metadata"]["name"])): chart.template(each) for each in chart.objects}


def nested(names: dict[str, Any]) -> dict[str, Any]:
    """Values by their dotted names as a tree; a leaf is a pair of name and value."""
    tree: dict[str, Any] = {}
    for name, each in names.items():
        *folders, last = name.split(".")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[last] = (name, each)
    return tree


def values_file(tree: dict[str, Any], about: dict[str, str], indent: str = "") -> str:
    """The values with their defaults and what each is about."""
    text = ""
    for key, each in tree.items():
        if isinstance(each, dict):
            text += f"{indent}{key}:\n{values_file(each, about, indent + '  ')}"
            continue
        name, default = each
        comment = f"# {about[name]}\n" if name in about else ""
        text += "".join(f"{indent}{line}\n" for line in (comment + dump({key: default})).splitlines())
    return text


_TYPES = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}


def schema(tree: dict[str, Any]) -> dict[str, Any]:
    """Refuses a value that does not exist, and one of another type."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(tree),
        "properties": {
            key: schema(each) if isinstance(each, dict) else {"type": _TYPES[type(each[1])]}
            for key, each in tree.items()
        },
    }


def _metadata(version: str) -> str:
    """JSON, which is YAML, too: the same file is the configuration of the artifact in a registry."""
    project = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())["project"]
    text = {"apiVersion": "v2", "type": "application", "name": "ratchet", "description": project["description"]}
    return json.dumps(text | {"version": version, "appVersion": version}, indent=2) + "\n"


def write(version: str, registry: str, folder: Path, rendered: list[dict], variants: dict[str, list[dict]]) -> None:
    """Write the chart's files. Raises MarkError."""
    marks = yaml.safe_load((HERE / "marks.yaml").read_text())
    expressions = Expressions()
    chart = Chart(rendered, registry, marks, expressions)
    others = {name: Chart(each, registry, marks, expressions, whole=False) for name, each in variants.items()}
    about = {mark["name"]: mark["about"] for mark in marks["values"] if "about" in mark}
    tree = nested(chart.defaults)
    files = {
        "Chart.yaml": _metadata(version),
        "values.yaml": values_file(tree, about),
        "values.schema.json": json.dumps(schema(tree), indent=2) + "\n",
        "templates/_names.tpl": (HERE / "helpers.tpl").read_text() + chart.helpers(),
        "templates/ratchet.yaml": templates(chart, others),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _read(path: str) -> list[dict]:
    return list(yaml.load_all(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))


def main(arguments: list[str]) -> int:
    """Exit 1 where a mark does not fit."""
    version, registry, folder, *rendered = arguments
    variants = {name: _read(path) for name, path in zip(rendered[1::2], rendered[2::2], strict=True)}
    try:
        write(version, registry, Path(folder), _read(rendered[0]), variants)
    except MarkError as error:
        sys.stderr.write(f"chart: k8s/chart/marks.yaml does not fit the overlay prod: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
