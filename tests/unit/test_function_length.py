"""No function of the package is longer than 30 lines, from `def` to its last line."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "ratchet"
MOST = 30


def lengths(source):
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, functions)]
    return [(node.name, node.end_lineno - node.lineno + 1) for node in nodes]


def test_a_length_is_counted_from_def_to_the_last_line():
    assert lengths("x = 1\n@cache\ndef one(\n    a,\n):\n    return (\n        a\n    )\n") == [("one", 6)]


def test_no_function_of_the_package_is_too_long():
    found = {path.relative_to(PACKAGE).as_posix(): lengths(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}
    assert len(found) > 200
    assert {(name, *each) for name, functions in found.items() for each in functions if each[1] > MOST} == set()
