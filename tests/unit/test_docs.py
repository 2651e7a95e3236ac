"""The documents say what the code does."""

import ast
import importlib.util
import json
import re
import runpy
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
import yaml

from ratchet import cli, configuration, errors
from ratchet.core import exported
from ratchet.core.evaluation.metrics import METRICS
from ratchet.core.watch_estimate import ESTIMATED, ESTIMATED_ERROR
from ratchet.io.serving.measures import Measures
from ratchet.report.page import MEANINGS

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "ratchet").rglob("*.py"))
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
}
README, ALL = DOCUMENTS["README.md"], "\n".join(DOCUMENTS.values())
EVIDENCE = DOCUMENTS["docs/evidence.md"]
BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def verbs(group=cli.main, path=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))
        else:
            yield (*path, name)


def keys(schema, node, path=""):
    """The paths of all settings, sections apart."""
    for name, field in node["properties"].items():
        if "$ref" in field:
            yield from keys(schema, schema["$defs"][field["$ref"].rpartition("/")[2]], f"{path}{name}.")
        else:
            yield path + name
            for one in field.get("anyOf", ()):
                if "$ref" in one:
                    yield from keys(schema, schema["$defs"][one["$ref"].rpartition("/")[2]], f"{path}{name}.")
            if "$ref" in (items := field.get("items", {})):
                yield from keys(schema, schema["$defs"][items["$ref"].rpartition("/")[2]], f"{path}{name}[].")
            if "$ref" in (named := field.get("additionalProperties") or {}):
                yield from keys(schema, schema["$defs"][named["$ref"].rpartition("/")[2]], f"{path}{name}.NAME.")


def literals(path, inside=None):
    """The strings in a module, or in one of its functions, docstrings and f-strings' fixed parts among them."""
    tree = ast.parse((ROOT / "src/ratchet" / path).read_text())
    if inside:
        tree = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == inside)
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", EVIDENCE, re.MULTILINE | re.DOTALL)[1]


def first_cells(text):
    """The names in code in the first column of the tables of a text."""
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def commands_of(text):
    """The `ratchet …` lines in blocks, and in running text those with nothing left out."""
    blocks = [line for block in BLOCK.findall(text) for line in block.splitlines() if line.startswith("ratchet ")]
    inline = re.findall(r"`(ratchet [^`]+)`", BLOCK.sub("", text))
    return [*blocks, *(line for line in inline if "…" not in line and "NAME" not in line)]


def exists(command):
    """Whether the command's words, as far as they are verbs, name one; and whether its options are known to it."""
    words, node = shlex.split(command.split("─")[0], comments=True)[1:], cli.main
    while isinstance(node, click.Group) and words and not words[0].startswith("-"):
        node = node.commands[words.pop(0)]
    known = {option for parameter in node.params for option in parameter.opts} | {"--help", "--version"}
    return all(word.partition("=")[0] in known for word in words if word.startswith("--"))


def packages_of(group):
    """The names of the packages in a dependency group, without those of groups that it includes."""
    return {re.match(r"[\w-]+", entry)[0] for entry in group if not isinstance(entry, Mapping)}


def test_every_verb_is_in_the_readme():
    for verb in verbs():
        assert f"`ratchet {' '.join(verb)}" in README, f"{verb} is not in the README"


@pytest.mark.parametrize(
    "line", [line for block in BLOCK.findall(README) for line in block.splitlines() if line.startswith("ratchet ")]
)
def test_every_command_that_the_readme_shows_would_be_accepted(line):
    words, node = shlex.split(line, comments=True)[1:], cli.main
    while isinstance(node, click.Group):
        node = node.commands[words.pop(0)]
    node.make_context(node.name, words)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_in_a_document_exists(name):
    for command in commands_of(DOCUMENTS[name]):
        assert exists(command), f"{name}: {command}"


def test_a_command_that_does_not_exist_would_be_found():
    with pytest.raises(KeyError):
        exists("ratchet fly")
    assert not exists("ratchet show --yaml")


def test_every_public_target_of_make_is_in_a_document_and_every_named_one_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    for target in re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE):
        assert f"make {target}" in ALL, f"no document names make {target}"
    code = re.findall(r"`([^`\n]+)`", BLOCK.sub("", ALL)) + [
        line for block in BLOCK.findall(ALL) for line in block.splitlines()
    ]
    named = {match[1] for text in code if (match := re.match(r"make ([a-z0-9-]+)", text))}
    assert named <= targets


def test_every_setting_is_in_the_page_that_is_made_from_the_settings():
    schema = configuration.json_schema()
    assert set(keys(schema, schema)) == set(first_cells(DOCUMENTS["docs/configuration.md"]))


def test_what_is_made_from_the_settings_is_up_to_date():
    page = runpy.run_path(str(ROOT / "docs/generate.py"))["page"]()
    assert DOCUMENTS["docs/configuration.md"] == page, "make docs"
    assert json.loads((ROOT / "configs/schema.json").read_text()) == configuration.json_schema(), "make docs"


def test_a_setting_that_a_document_names_exists():
    schema = configuration.json_schema()
    known, sections = (
        set(keys(schema, schema)),
        {
            "data",
            "windows",
            "sklearn",
            "spark",
            "evaluation",
            "promotion",
            "tracking",
            "retrain",
            "serving",
            "watch",
            "exporter",
            "notify",
        },
    )
    for name, text in DOCUMENTS.items():
        for key in re.findall(r"`([a-z]+\.[a-z_.]+)`", BLOCK.sub("", text)):
            head = key.split(".")[0]
            is_file = key.endswith((".py", ".md", ".json", ".yaml", ".csv", ".png", ".html", ".toml"))
            if head in sections and not is_file:
                assert key in known or key in sections | {"data.label", "data.checks"}, f"{name} names {key}"


def test_the_configuration_in_the_readme_loads(tmp_path):
    (block,) = [block for block in BLOCK.findall(README) if block.startswith("# configs/mine.yaml")]
    (tmp_path / "mine.yaml").write_text(block)
    assert configuration.load("mine", (), tmp_path, {}).model == yaml.safe_load(block)["model"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_relative_link_leads_to_a_file(name):
    folder = (ROOT / name).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", DOCUMENTS[name])):
        path = target.partition("#")[0]
        if "://" not in target and path:
            assert (folder / path).exists(), f"{name} links to {target}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_file_or_module_that_a_document_names_exists(name):
    for path in re.findall(r"`((?:src|docs|configs|tests|bench)/[^`*{]+)`", DOCUMENTS[name]):
        if "NAME" not in path and "NNNN" not in path:
            assert (ROOT / path).exists(), f"{name} names {path}"
    for module in re.findall(r"`((?:core|io|engines|jobs|report)/[a-z_/]+[a-z_])`", DOCUMENTS[name]):
        room = ROOT / "src/ratchet" / module
        assert room.is_dir() or room.with_suffix(".py").exists(), f"{name} names {module}"
    for module in re.findall(r"`ratchet\.((?:core|io|engines|jobs|report)\.[a-z_.]+)`", DOCUMENTS[name]):
        assert importlib.util.find_spec(f"ratchet.{module}"), f"{name} names ratchet.{module}"


def test_the_layers_in_the_document_are_those_that_the_linter_checks():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [layer for level in contracts[0]["layers"] for layer in level.split(" | ")]
    rows = rooms("layer")
    assert [name.rstrip("/") for cell, _ in rows for name in re.findall(r"`([a-z/]+)`", cell)] == layers


def test_what_the_document_names_in_a_room_is_there():
    for cell, text in [*rooms("layer"), *rooms("room")]:
        room = ROOT / "src/ratchet" / cell.strip("`").rstrip("/")
        if room.is_dir():
            for module in re.findall(r"`([a-z_]+)`", text):
                assert (room / f"{module}.py").exists(), f"{cell} has no {module}"


def rooms(head: str) -> list[tuple[str, str]]:
    """The rows of a table of the architecture: the first cell and the second. head: of the first column."""
    table = re.search(rf"\| {head} \|.*?\n\n", DOCUMENTS["docs/architecture.md"], re.DOTALL)[0]
    return re.findall(r"^\| (`.*?) \| (.*) \|$", table, re.MULTILINE)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT / "src").as_posix())
def test_every_module_says_why_it_exists(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_the_exit_codes_in_the_documents_are_those_of_the_errors():
    rows = re.findall(r"^\| ([0-9, ]+) \| (.*?) \|", DOCUMENTS["docs/operations.md"], re.MULTILINE)
    documented = {name: int(code) for code, names in rows for name in re.findall(r"`(\w+)`", names) if "," not in code}
    subclasses = errors.RatchetError.__subclasses__()
    assert documented == {error.__name__: error.exit_code for error in subclasses}
    assert "0 done (a model that is held is done), 1 failed and worth another try,\n2 configuration, 3 data" in README


def test_a_symptom_in_quotes_is_what_the_code_says():
    said = " ".join(text for path in SOURCES for text in literals(path.relative_to(ROOT / "src/ratchet")))
    symptoms = re.findall(r'^\| [^|]*?"(.+?)"', DOCUMENTS["docs/operations.md"], re.MULTILINE)
    assert len(symptoms) > 3
    for symptom in symptoms:
        assert symptom in said, symptom


def test_every_dependency_has_its_line_and_every_line_its_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = {"core": project["project"]["dependencies"], **project["dependency-groups"]}
    needed = {(name, group) for group, entries in groups.items() for name in packages_of(entries)}
    documented = set()
    for packages, of in re.findall(
        r"^\| ([^|]+) \| ([a-z, ]+) \| .+ \|$", DOCUMENTS["docs/dependencies.md"], re.MULTILINE
    ):
        documented |= {(package, group) for package in packages.split(", ") for group in of.split(", ")}
    stubs = {entry for entry in needed if entry[0].startswith("types-") or entry[0].endswith("-stubs")}
    assert documented - {("package", "group"), ("stubs", "dev")} == needed - stubs


def test_the_metrics_in_the_document_are_those_of_a_run():
    extra = literals("jobs/training/evidence.py", "_numbers") | literals("jobs/training/evidence.py", "_refit_numbers")
    extra |= {name for name in literals("jobs/training/estimated.py", "metrics") if name.isidentifier()}
    extra |= {*ESTIMATED.values(), ESTIMATED_ERROR}
    extra |= {name for name in literals("io/table/labels/known.py", "metrics") if name.isidentifier()}
    extra |= {name for name in literals("jobs/training/evidence.py", "_objective_numbers") if " " not in name}
    extra |= {name for name in literals("core/search.py", "metrics") if name.isidentifier()}
    rolling = {
        f"rolling_{name}"
        for name in ast.literal_eval(
            re.search(r"^_ROLLING = (.+)$", (ROOT / "src/ratchet/io/records/tracking.py").read_text(), re.MULTILINE)[1]
        )
    }
    documented = first_cells(section("Metrics"))
    drift = {"drift.…", "drift_max"}
    assert drift <= {name.replace("drift.", "drift.…") for name in literals("core/evaluation/drift.py", "metrics")}
    assert sorted(documented) == sorted({*METRICS, "threshold", *extra, *rolling, *drift})


def test_what_the_exporter_tells_is_in_the_document_with_its_labels_and_meaning():
    page = DOCUMENTS["docs/monitoring.md"]
    table = re.search(r"^## Metrics of the exporter\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)[1]
    rows = re.findall(r"^\| `(\w+)` \| ?(.*?) ?\| (.+) \|$", table, re.MULTILINE)
    documented = {name: (tuple(re.findall(r"`(\w+)`", labels)), meaning) for name, labels, meaning in rows}
    assert documented == {metric.name: (metric.labels, metric.meaning) for metric in exported.METRICS}
    assert f"`reason` is one of {', '.join(f'`{reason}`' for reason in errors.REASONS)}" in " ".join(table.split())


def test_what_the_servers_tell_is_in_the_document_with_its_labels():
    table = re.search(
        r"^## Metrics of the servers\n(.*?)^## ", DOCUMENTS["docs/monitoring.md"], re.MULTILINE | re.DOTALL
    )[1]
    rows = re.findall(r"^\| `(\w+)` \| ?(.*?) ?\| .+ \|$", table, re.MULTILINE)
    measures = Measures()
    told = {
        each._name + "_total" * (each._type == "counter"): each._labelnames
        for each in vars(measures).values()
        if each is not measures.registry
    }
    assert {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == told


def test_a_metric_means_the_same_in_the_document_and_in_the_report():
    for name, (_, meaning) in MEANINGS.items():
        assert f"| `{name}` | {meaning} |" in EVIDENCE


def test_the_artifacts_in_the_document_are_those_of_a_run():
    # what a watch adds is told below the table
    modules = (
        "report/pictures.py",
        "jobs/training/evidence.py",
        "core/guardrail.py",
        "io/records/candidates.py",
        "io/records/samples.py",
        "io/table/snapshot.py",
    )
    written = {
        text for module in modules for text in literals(module) if re.fullmatch(r"\w+\.(png|csv|html|json)", text)
    }
    assert sorted(first_cells(section("Artifacts"))) == sorted(written)


def test_the_tags_in_the_document_are_those_in_the_code():
    modules = [
        path.relative_to(ROOT / "src/ratchet")
        for path in SOURCES
        if path.parent.name in ("records", "table", "jobs", "promotion", "training")
    ]
    modules += [Path(f"core/{name}.py") for name in ("watch_verdict", "watch_estimate", "trial", "objective")]
    written = {text for module in modules for text in literals(module) if re.fullmatch(r"ratchet\.[a-z0-9_.]+", text)}
    assert sorted(name.removesuffix("…") for name in first_cells(section("Tags"))) == sorted(written)
