"""Secrets are random, written once, readable by their owner alone, and never in git."""

import re
import shutil
import subprocess

import pytest

from ratchet.jobs import secrets
from tests.manifests.kustomize import ROOT, build, need_kubectl

EXPECTED = {
    "minio-root.env": {"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"},
    "postgres.env": {"POSTGRES_PASSWORD", "MLFLOW_PASSWORD"},
    "grafana.env": {"GRAFANA_PASSWORD"},
    "serving-tokens.env": {"tokens"},
    "s3-models.env": {"MODELS_KEY"},
    "mlflow-admin.env": {
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_FLASK_SERVER_SECRET_KEY",
    },
    "mlflow-machine.env": {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"},
    "mlflow-reader.env": {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"},
    **{
        f"s3-{user}.env": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        for user in (
            "mlflow",
            "trainer-sklearn",
            "trainer-spark",
            "registrar",
            "sample-data",
            "server",
            "validator",
            "scorer-sklearn",
            "scorer-spark",
            "pruner",
            "backup",
            "restore",
        )
    },
}


def test_what_is_written_is_what_a_cluster_makes_itself():
    assert {f"{name}.env": set(values) for name, values in secrets.contents().items()} == EXPECTED


def write(tree, overlay):
    command = [tree / "k8s/write-secrets", *overlay]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def contents(folder):
    return {path.name: path.read_text() for path in folder.glob("*.env")}


@pytest.fixture
def fresh(tmp_path):
    """Overlays without secrets."""
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s/write-secrets").write_bytes((ROOT / "k8s/write-secrets").read_bytes())
    (tmp_path / "k8s/write-secrets").chmod(0o755)
    for overlay in ("local", "prod"):
        (tmp_path / "k8s/overlays" / overlay).mkdir(parents=True)
        (tmp_path / "k8s/overlays" / overlay / "kustomization.yaml").touch()
    return tmp_path


def test_each_service_has_its_own(fresh):
    assert write(fresh, ["local"]).returncode == 0
    found = contents(fresh / "k8s/overlays/local/secrets")
    assert {name: set(re.findall(r"^(\w+)=.+$", text, re.MULTILINE)) for name, text in found.items()} == EXPECTED
    values = re.findall(r"^\w*(?:PASSWORD|SECRET\w*|MODELS_KEY|tokens)=(.*)$", "\n".join(found.values()), re.MULTILINE)
    assert len(values) == len(set(values)) == 22
    assert all(re.fullmatch(r"[0-9a-f]{40,}", value) for value in values)


def test_overlays_share_none(fresh):
    for overlay in ("local", "prod"):
        write(fresh, [overlay])
    folders = [contents(fresh / "k8s/overlays" / overlay / "secrets") for overlay in ("local", "prod")]
    assert not {*folders[0].values()} & {*folders[1].values()}


def test_what_is_there_stays_and_what_is_missing_comes(fresh):
    write(fresh, ["local"])
    folder = fresh / "k8s/overlays/local/secrets"
    before = contents(folder)
    (folder / "s3-registrar.env").unlink()
    done = write(fresh, ["local"])
    after = contents(folder)
    assert done.stdout == "secrets: wrote k8s/overlays/local/secrets/s3-registrar.env\n"
    assert before.pop("s3-registrar.env") != after.pop("s3-registrar.env")
    assert before == after


def test_nobody_else_can_read_them_and_nobody_prints_them(fresh):
    done = write(fresh, ["local"])
    for path in (fresh / "k8s/overlays/local/secrets").glob("*.env"):
        assert path.stat().st_mode & 0o077 == 0, path
        for value in re.findall(r"=(.*)$", path.read_text(), re.MULTILINE):
            if len(value) >= 40:
                assert value not in done.stdout + done.stderr


@pytest.mark.parametrize("overlay", [[], [""], ["nowhere"], ["../local"], ["local; true"]])
def test_an_overlay_that_is_none_is_refused(fresh, overlay):
    done = write(fresh, overlay)
    assert done.returncode == 2
    assert done.stderr.endswith("an overlay is accepted: local prod\n")
    assert not list(fresh.rglob("*.env"))


def test_they_keep_their_names(fresh):
    """So they may come from elsewhere, and the coordinator's children find them."""
    need_kubectl()
    write(fresh, ["local"])
    built = build(fresh / "k8s/overlays/local/secrets")
    assert {thing["metadata"]["name"] for thing in built} == {name.removesuffix(".env") for name in EXPECTED}


@pytest.mark.parametrize("path", ["k8s/overlays/local/secrets/postgres.env", "k8s/operator/.local/kustomization.yaml"])
def test_git_ignores_them(path):
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run([shutil.which("git"), "check-ignore", "--quiet", path], cwd=ROOT, timeout=30, check=False)
    assert done.returncode == 0
