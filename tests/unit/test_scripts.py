"""The script that opens a way to a cluster; its kubectl plays the cluster."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path):
    """Make a kubectl of some lines of bash; returns the variables with which a script finds it."""

    def made(lines):
        program = tmp_path / "kubectl"
        program.write_text(f"#!/usr/bin/env bash\n{lines}\n")
        program.chmod(0o755)
        return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PLAY": str(tmp_path)}

    return made


def test_the_way_to_a_cluster_that_is_gone_is_given_up_with_a_sentence(environment, tmp_path):
    variables = environment(
        """case "$*" in
        *port-forward*) echo x >> "$PLAY/tries"; echo 'connection refused' >&2; exit 1 ;;
        *'get service grafana'*) exit 1 ;;
        esac"""
    )
    done = subprocess.run(
        [ROOT / "k8s/kind/ui"],
        env=variables | {"UI_SECONDS": "3"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "the way to mlflow broke off, and is tried again: connection refused" in done.stdout
    assert "prometheus has not answered for 3 s: connection refused; make deploy-local" in done.stderr
    assert "grafana" not in done.stdout
    assert "Console: http://127.0.0.1:9464" in done.stdout
    # Each of the three after one second, two, four: not every second.
    assert len((tmp_path / "tries").read_text().split()) <= 3 * 3
