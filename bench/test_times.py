"""Where the tests' time goes: the files and the tests that take longest, as tables for docs/tests.md.

Usage: python bench/test_times.py REPORT.xml…, which `pytest --junitxml REPORT.xml` writes.
"""

import sys
from collections import Counter
from xml.etree import ElementTree as ET

FILES, TESTS = 12, 12


def main(reports: list[str]) -> None:
    """Print the tables of each report."""
    if not reports:
        sys.exit(__doc__)
    for report in reports:
        seconds = {_name(case): float(case.get("time", 0)) for case in ET.parse(report).iter("testcase")}  # noqa: S314
        files: Counter[str] = Counter()
        for (file, _), each in seconds.items():
            files[file] += each
        print(f"\n{report}: {len(seconds)} tests, {sum(seconds.values()):.0f} s of all workers together\n")
        _table("file", dict(files.most_common(FILES)))
        dearest = sorted(seconds.items(), key=lambda pair: -pair[1])[:TESTS]
        _table("test, with its fixtures", {f"{file}: {test}": each for (file, test), each in dearest})


def _name(case: ET.Element) -> tuple[str, str]:
    return case.get("classname", "").rpartition(".")[2], case.get("name", "")


def _table(head: str, rows: dict[str, float]) -> None:
    print(f"| {head} | s |\n|---|---|")
    for name, each in rows.items():
        print(f"| `{name}` | {each:.0f} |")
    print()


if __name__ == "__main__":
    main(sys.argv[1:])
