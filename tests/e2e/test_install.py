"""docs/install.md, command by command: a release into a registry, and a cluster of its own that installs it from there.

The page's own blocks are run. What differs: requests are small enough for a node with two cores.
"""

import os
import re
import secrets
import shutil
import signal
import subprocess
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.e2e.cluster import command
from tests.manifests.kustomize import ROOT
from tests.manifests.promtool import tool_at

pytestmark = pytest.mark.timeout(3600)

PAGE = (ROOT / "docs/install.md").read_text()
NUMBER = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
VERSION = f"{NUMBER}-install"
CLUSTER = "install"
TREE = (
    "Makefile",
    "pyproject.toml",
    "uv.lock",
    "README.md",
    ".python-version",
    ".dockerignore",
    "src",
    "images",
    "k8s",
    "configs",
)
KIND = """
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
containerdConfigPatches:
  - |-
    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "/etc/containerd/certs.d"
"""
# A node of two cores has about one left for what a cycle adds.
SMALL = {
    "trainers": {
        "sklearn": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}},
        "spark": {"driverCores": "100m", "executorCores": "100m", "maxExecutors": 1},
    },
    "serving": {"sklearnReplicas": 1},
}
CORES = '{"spec": {"template": {"driver": {"coreRequest": "100m"}, "executor": {"coreRequest": "100m"}}}}'
SMALLER = f"""
kubectl -n ratchet patch cronjob train-sklearn --type=json --patch '[{{"op": "replace", "value": "100m",
  "path": "/spec/jobTemplate/spec/template/spec/containers/0/resources/requests/cpu"}}]'
kubectl -n ratchet patch scheduledsparkapplication train-spark --type=merge --patch '{CORES}'
kubectl -n ratchet scale deployment server-sklearn --replicas=1
"""


def blocks(heading):
    """The code blocks of a section of the page."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (text,) = (each for each in section if each.startswith(heading))
    return re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class Walk:
    """A shell that runs blocks of the page, as a user at the page's own cluster and registry."""

    def __init__(self, folder: Path, kubeconfig: Path, registry: str) -> None:
        self.folder, self.registry = folder, registry
        tools = folder / "tools"
        tools.mkdir()
        for name in ("oras", "helm"):
            (tools / name).symlink_to(tool_at(name))
        self.variables = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "PATH": f"{tools}:{os.environ['PATH']}",
            "REGISTRY": registry,
            "VERSION": VERSION,
        }

    def run(self, script, seconds=900, folder=None):
        """Everything that a script writes. It ends at the first command that fails; what it left running ends, too."""
        words = ["/bin/bash", "-euxo", "pipefail", "-c", script]
        said = self.folder / "said.txt"
        with said.open("w") as file:
            shell = subprocess.Popen(
                words,
                env=self.variables,
                cwd=folder or self.folder,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = shell.wait(seconds)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGTERM)
        assert code == 0, f"{said.read_text()[-6000:]}\n{self.state()}"
        return said.read_text()

    def state(self):
        """What is in the namespace, for a failure."""
        script = """cd /; kubectl config set-context --current --namespace ratchet
            kubectl get pods,jobs,sparkapplications; kubectl logs job/first --tail=60
            kubectl get events --field-selector type=Warning --sort-by=.lastTimestamp | tail -n 20"""
        words = ["/bin/bash", "-c", script]
        done = subprocess.run(words, env=self.variables, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout[-12000:]

    def released(self):
        """`make release` of a copy of the tree, with the images that `make images` built as caches."""
        tree = self.folder / "tree"
        tree.mkdir()
        for name in TREE:
            source = ROOT / name
            ignored = shutil.ignore_patterns("secrets", ".local", "__pycache__")
            shutil.copytree(source, tree / name, ignore=ignored) if source.is_dir() else shutil.copy2(source, tree)
        for name in (".venv", ".tools"):
            (tree / name).symlink_to(ROOT / name)
        (command_of_page,) = blocks("Make a release")
        self.run(command_of_page.replace("registry.example.com/team", f"{self.registry} VERSION={VERSION}"), 1800, tree)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The kubeconfig of a new cluster, whose node looks up where a registry is."""
    if command("docker", "image", "ls", "-q", "registry:2") == "" or tool_at("oras") is None or tool_at("helm") is None:
        pytest.skip(
            "registry:2, oras or helm is not there, so NOTHING WAS INSTALLED; make .tools/oras .tools/helm brings them"
        )
    kubeconfig = tmp_path_factory.mktemp("cluster") / "kubeconfig"
    own = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    image = ("--image", os.environ["KIND_IMAGE"]) if "KIND_IMAGE" in os.environ else ()
    try:
        words = ("kind", "create", "cluster", "--name", CLUSTER, "--config", "-", "--wait", "3m", *image)
        command(*words, stdin=KIND, seconds=400, environment=own)
        yield kubeconfig
    finally:
        command("kind", "delete", "cluster", "--name", CLUSTER, seconds=200, environment=own)


@pytest.fixture(scope="module")
def registry(cluster):
    """The address of a registry, the same for this machine and for the node."""
    name = f"install-registry-{secrets.token_hex(3)}"
    publish = ("--network", "kind", "--publish", "127.0.0.1::5000")
    command("docker", "run", "--detach", "--rm", "--name", name, *publish, "registry:2")
    address = f"localhost:{command('docker', 'port', name, '5000').rpartition(':')[2].strip()}"
    folder, node = f"/etc/containerd/certs.d/{address}", f"{CLUSTER}-control-plane"
    command("docker", "exec", node, "mkdir", "-p", folder)
    line = f'[host."http://{name}:5000"]\n'
    command("docker", "exec", "-i", node, "tee", f"{folder}/hosts.toml", stdin=line)
    yield address
    command("docker", "rm", "--force", "--volumes", name)
    remove_images(address)


@pytest.fixture(scope="module")
def walk(cluster, registry, tmp_path_factory):
    """A user at the cluster, after the release."""
    user = Walk(tmp_path_factory.mktemp("install"), cluster, f"{registry}/team")
    user.released()
    return user


def remove_images(address):
    """The tags that the release made."""
    names = command("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    own = [name for name in names if name.startswith(f"{address}/") or name.endswith(f":{VERSION}")]
    if own:
        command("docker", "image", "rm", *own, seconds=120)


def cycle(walk):
    """Steps 4 and 5 of the page: the sample, a cycle, a prediction."""
    table, _ = blocks("4.")
    walk.run(table)
    begin, ask, _ = blocks("5.")
    walk.run(begin.replace("--timeout=3h", "--timeout=20m"), 1500)
    answers = walk.run(ask)
    assert re.search(r"^ratchet_server_model_info\{.*version=\"1\".*\} 1", answers, re.MULTILINE), answers
    assert re.search(r'^\{"predictions": ?\[[01]\]\}', answers, re.MULTILINE), answers


def test_the_one_yaml_installs_a_system_that_promotes_and_serves(walk):
    (fetch,) = blocks("1.")
    (operator,) = blocks("2.")
    apply, _, ready = blocks("3.")
    walk.run(fetch + operator + apply + SMALLER, 600)
    walk.run(ready)
    cycle(walk)
    remove, namespace = blocks("Upgrade")[0].splitlines(keepends=True)
    walk.run(remove)
    left = walk.run("kubectl -n ratchet get persistentvolumeclaims,secrets -o name")
    assert "persistentvolumeclaim/data-postgres-0" in left
    assert "secret/s3-mlflow" in left
    walk.run(namespace)


def test_so_does_the_chart(walk):
    (walk.folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    _, install, ready = blocks("3.")
    walk.run(blocks("2.")[0] + install.rstrip() + " --values small.yaml\n", 600)
    walk.run(ready)
    cycle(walk)
    walk.run("helm uninstall ratchet -n ratchet")
