"""No function of the package is longer than 30 lines, from `def` to its last line; those that are may not grow."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "ratchet"
MOST = 30
LONGER = {
    "engines/spark/engine.py": {"read": 34},
    "io/serving/in_process.py": {"_ask": 34},
    "io/serving/measures.py": {"__init__": 31},
    "io/table/files/csv_files.py": {"_batches": 35},
    "io/table/inspection.py": {"inspect": 39},
}


def lengths(source):
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, functions)]
    return [(node.name, node.end_lineno - node.lineno + 1) for node in nodes]


def test_a_length_is_counted_from_def_to_the_last_line():
    assert lengths("x = 1\n@cache\ndef one(\n    a,\n):\n    return (\n        a\n    )\n") == [("one", 6)]


def test_no_function_of_the_package_is_too_long():
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        found[name] = {function: lines for function, lines in lengths(path.read_text("utf-8")) if lines > MOST}
    assert LONGER.keys() <= found.keys()
    longer = {
        (name, function): lines
        for name, functions in found.items()
        for function, lines in functions.items()
        if lines > LONGER.get(name, {}).get(function, MOST)
    }
    assert longer == {}
