"""Fields of a rendered overlay that marks.yaml names become expressions of Helm; what does not fit is an error."""

import hashlib
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import yaml

_HASH = re.compile(r"-[2456789bcdfghkmt]{10}$")
_TOKEN = re.compile(r"RATCHETx(\d+)x")
# A line that is written only where a value is set, and one that stands for the rest of a mapping.
_OPTIONAL = re.compile(r"^( *)(\w+): RATCHETx(\d+)x\n", re.MULTILINE)
_SECRETS = ("secretRef", "secretKeyRef")


class MarkError(Exception):
    """A mark does not fit the overlay any more."""


class Expressions:
    """What tokens in objects stand for: templates of Helm. The same template has the same token."""

    def __init__(self) -> None:
        self._all: list[str] = []

    def token(self, template: str) -> str:
        if template not in self._all:
            self._all.append(template)
        return f"RATCHETx{self._all.index(template)}x"

    def of(self, number: str) -> str:
        return self._all[int(number)]


def value(name: str) -> str:
    """A value of the chart as an expression; names may have dashes."""
    return "(index $.Values " + " ".join(json.dumps(part) for part in name.split(".")) + ")"


def base(name: str) -> str:
    """The name of a ConfigMap without its hash."""
    return _HASH.sub("", name)


def chosen(objects: list[dict], mark: str) -> Iterator[tuple[dict, Any, str]]:
    """What a mark chooses: an object, the mapping in it that has or would have the field, and the field's key."""
    kind, name, path = mark.split(" ")
    *folders, key = path.strip("/").split("/")
    for each in objects:
        if fnmatchcase(each["kind"], kind) and _named(each, name):
            yield from ((each, parent, key) for parent in _parents(each, folders))


def _named(thing: dict, pattern: str) -> bool:
    name = thing["metadata"]["name"]
    return fnmatchcase(base(name) if thing["kind"] == "ConfigMap" else name, pattern)


def _parents(node: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield node
    elif isinstance(node, list):
        for each in node if path[0] == "*" else node[int(path[0]) : int(path[0]) + 1]:
            yield from _parents(each, path[1:])
    elif path[0] in node:
        yield from _parents(node[path[0]], path[1:])


def walk(node: Any) -> Iterator[dict]:
    """Every mapping in an object."""
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(each)
    if isinstance(node, dict):
        yield node


class _Dumper(yaml.CSafeDumper):
    """Writes files that lie in a ConfigMap as they are."""

    def text(self, text: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _Dumper.text)


def dump(node: Any) -> str:
    """YAML in the order of the keys, a line for each scalar."""
    return yaml.dump(node, Dumper=_Dumper, sort_keys=False, width=10**9, allow_unicode=True)


class Chart:
    """One rendered overlay on its way to templates. defaults: of the values, by their names, in their order."""

    def __init__(
        self, objects: list[dict], registry: str, marks: dict, expressions: Expressions, *, whole: bool = True
    ) -> None:
        self.objects, self.marks, self.defaults = objects, marks, dict[str, Any]()
        self._registry, self._expressions, self._whole = registry, expressions, whole
        self._fields: dict[str, list[str]] = {}  # the values that a ConfigMap holds
        for mark in marks["values"]:
            self.defaults[mark["name"]] = self._marked(mark)
        self._namespace()
        names = [each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"]
        self._names = {name: base(name) for name in names if base(name) in self._fields}

    def _marked(self, mark: dict) -> Any:
        """Put tokens where a mark says; returns the default of its value."""
        name = mark["name"]
        if "at" in mark:
            found = [default for each in mark["at"] for default in self._replace(each, name)]
            if any(each != found[0] for each in found):
                raise MarkError(f"the fields of {name} differ: {found}")
            return found[0] if found else None
        if "rest" in mark:
            return self._rest(mark["rest"], name)
        for each in mark.get("optional", []):
            self._add(each, name)
        special = {"registry": self._images, "secrets": self._secrets}
        return special[mark["is"]]() if "is" in mark else mark.get("default", True)

    def _chosen(self, mark: str) -> list[tuple[dict, Any, str]]:
        """What a mark chooses: one field, or several where it has a star. Only a variant may lack it."""
        found = list(chosen(self.objects, mark))
        if len(found) != 1 and (self._whole or found) and not ("*" in mark and found):
            raise MarkError(f"'{mark}' fits {len(found)} fields")
        return found

    def _replace(self, mark: str, name: str) -> Iterator[Any]:
        for thing, parent, key in self._chosen(mark):
            if key not in parent:
                raise MarkError(f"'{mark}': {thing['metadata']['name']} has no such field")
            self._note(thing, name)
            yield parent[key]
            parent[key] = self._expressions.token("{{ " + f"toJson {value(name)}" + " }}")

    def _add(self, mark: str, name: str) -> None:
        for thing, parent, key in self._chosen(mark):
            if key in parent:
                raise MarkError(f"'{mark}': {thing['metadata']['name']} has the field already")
            parent[key] = self._expressions.token(f"optional {value(name)}")

    def _rest(self, mark: str, name: str) -> dict[str, str]:
        ((thing, parent, key),) = self._chosen(mark)
        self._note(thing, name)
        rest = {each: text for each, text in parent[key].items() if not _TOKEN.fullmatch(text)}
        kept = {each: text for each, text in parent[key].items() if each not in rest}
        parent[key] = kept | {"rest": self._expressions.token(f"rest {value(name)} {json.dumps(' '.join(kept))}")}
        return rest

    def _images(self) -> str:
        prefix = f"{self._registry}/" if self._registry else ""
        for node in (each for thing in self.objects for each in walk(thing)):
            if isinstance(image := node.get("image"), str):
                if not image.startswith(prefix):
                    raise MarkError(f"the image {image} is not in {self._registry}")
                name, version = re.fullmatch(r"([^:@]+)(.*)", image.removeprefix(prefix)).groups()
                template = f'include "ratchet.image" (list $ {json.dumps(name)} {json.dumps(version)}) | quote'
                node["image"] = self._expressions.token("{{ " + template + " }}")
        return self._registry

    def _secrets(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for node in (each for thing in self.objects for each in walk(thing)):
            for key in _SECRETS:
                if key in node:
                    name = node[key]["name"]
                    found[name] = name
                    node[key]["name"] = self._expressions.token("{{ " + f"toJson {value('secrets.' + name)}" + " }}")
            if "secretName" in node:
                raise MarkError(f"the Secret {node['secretName']} is mounted, which the chart can't rename")
        return dict(sorted(found.items()))

    def _namespace(self) -> None:
        token = self._expressions.token("{{ $.Release.Namespace }}")
        for mark, before in self.marks["namespace"].items():
            for thing, parent, key in self._chosen(mark):
                if f"{before}ratchet" not in parent[key]:
                    raise MarkError(f"'{mark}': {thing['metadata']['name']} has {parent[key]}")
                parent[key] = parent[key].replace(f"{before}ratchet", before + token)

    def _note(self, thing: dict, name: str) -> None:
        if thing["kind"] == "ConfigMap":
            names = self._fields.setdefault(base(thing["metadata"]["name"]), [])
            names += [name] if name not in names else []

    def template(self, thing: dict) -> str:
        """An object as a template, with the names of ConfigMaps by what is in them."""
        text = dump(thing)
        for name, stem in self._names.items():
            text = text.replace(name, self._expressions.token("{{ " + f'include "ratchet.name.{stem}" $' + " }}"))
        text = text.replace("{{", '{{ "{{" }}')
        text = _OPTIONAL.sub(self._line, text)
        return _TOKEN.sub(lambda found: self._expressions.of(found[1]), text)

    def _line(self, found: re.Match[str]) -> str:
        indent, key, number = found.groups()
        kind, _, rest = self._expressions.of(number).partition(" ")
        if kind == "optional":
            return f"{{{{- with {rest} }}}}\n{indent}{key}: {{{{ toJson . }}}}\n{{{{- end }}}}\n"
        if kind == "rest":
            expression, _, held = rest.partition(") ")
            return f'{{{{ include "ratchet.rest" (list {expression}) {held}) }}}}\n'
        return found[0]

    def helpers(self) -> str:
        """The names of the ConfigMaps that hold values: that of the overlay as long as the values are its own."""
        return "".join(_name_helper(base(each), each, self._fields[base(each)], self.defaults) for each in self._names)


def _name_helper(stem: str, name: str, fields: list[str], defaults: dict[str, Any]) -> str:
    values = " ".join(value(each) for each in fields)
    text = json.dumps([defaults[each] for each in fields], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&":  # as Go writes them
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    own = name.removeprefix(f"{stem}-")
    return (
        f'{{{{- define "ratchet.name.{stem}" -}}}}\n'
        f"{{{{- $hash := list {values} | toJson | sha256sum | trunc 10 -}}}}\n"
        f'{stem}-{{{{ if eq $hash "{digest}" }}}}{own}{{{{ else }}}}{{{{ $hash }}}}{{{{ end }}}}\n'
        "{{- end }}\n"
    )
