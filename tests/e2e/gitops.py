"""The deployed overlay as Argo CD or Flux applies it: by another field manager, every few seconds."""

import json
import subprocess
import threading

import yaml

from tests.e2e.cluster import CONTEXT, NAMESPACE, ClusterError, kubectl
from tests.manifests.kustomize import ROOT, build

_KINDS = "cronjobs,deployments,statefulsets,scheduledsparkapplications"
_MANAGER, _PAUSE = "gitops", 3
# Without it, everything that Skaffold deployed would be replaced, once.
_SKAFFOLDS = {"skaffold.dev/run-id": "local"}


class Applying:
    """Applies the overlay `local` and the component `autoscaling` while its block lasts.

    times: how often that has succeeded. problems: what kubectl said otherwise.
    """

    def __init__(self):
        self.times, self.problems = 0, []
        self._objects = [*as_deployed(build(ROOT / "k8s/overlays/local")), _autoscaler()]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._apply, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(120)

    def differences(self):
        """What would change if it were applied once more, as a diff."""
        words = ["kubectl", "--context", CONTEXT, "--namespace", NAMESPACE, "diff", *_by(_MANAGER)]
        done = subprocess.run(
            words, input=yaml.safe_dump_all(self._objects), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    def _apply(self):
        while not self._over.wait(_PAUSE):
            try:
                applied(self._objects, _MANAGER)
                self.times += 1
            except ClusterError as error:
                self.problems.append(str(error))


def applied(objects, manager):
    """Apply objects as this field manager, whatever the others say; fields that it no longer has are removed."""
    kubectl("apply", *_by(manager), stdin=yaml.safe_dump_all(objects), seconds=100)


def _by(manager):
    return "--server-side", "--force-conflicts", f"--field-manager={manager}", "-f", "-"


def _autoscaler():
    made = yaml.safe_load((ROOT / "k8s/components/autoscaling/autoscaler.yaml").read_text())
    made["metadata"]["namespace"] = NAMESPACE
    return made


def as_deployed(objects):
    """Objects with the tags of the images, and the label, that those in the cluster have."""
    tags = dict(_images(json.loads(kubectl("get", _KINDS, "-o", "json"))))

    def tagged(thing):
        if isinstance(thing, list):
            return [tagged(each) for each in thing]
        if not isinstance(thing, dict):
            return thing
        # Claims have no label of Skaffold's.
        found = {key: each if key == "volumeClaimTemplates" else tagged(each) for key, each in thing.items()}
        if isinstance(image := found.get("image"), str):
            found["image"] = tags.get(image.partition(":")[0], image)
        if isinstance(labels := found.get("labels"), dict):
            found["labels"] = {**labels, **_SKAFFOLDS}
        return found

    return tagged(objects)


def _images(thing):
    """The name and the whole of each image in objects."""
    if isinstance(thing, dict):
        if isinstance(image := thing.get("image"), str) and image.startswith("ratchet/"):
            yield image.partition(":")[0], image
        thing = [*thing.values()]
    if isinstance(thing, list):
        for each in thing:
            yield from _images(each)
