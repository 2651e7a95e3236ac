"""An overlay as a user writes it, for components that are in none of ours."""

import shutil
from pathlib import Path

from tests.manifests.kustomize import build, copy_tree

_ELSEWHERE = ("network-policy", "external-postgres", "external-s3")
_SERVER = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: server-sklearn}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: server-sklearn}}
  template:
    metadata:
      labels: {app.kubernetes.io/name: server-sklearn, app.kubernetes.io/component: server}
    spec:
      serviceAccountName: server-sklearn
      automountServiceAccountToken: false
      securityContext: {runAsUser: 10001}
      containers:
        - name: server
          image: ratchet/trainer-sklearn
          ports: [{name: http, containerPort: 8080}]
          resources: {requests: {cpu: 10m, memory: 64Mi}, limits: {cpu: 10m, memory: 64Mi}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: server-sklearn}
automountServiceAccountToken: false
"""
_KUSTOMIZATION = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: ratchet
resources: [../../base, secrets, servers.yaml]
components:
COMPONENTS
configMapGenerator:
  - {name: mlflow-database, behavior: merge, literals: ["DATABASE_ADDRESS=db.example.com:5432/mlflow?sslmode=require"]}
labels:
  - pairs: {app.kubernetes.io/part-of: ratchet}
    includeTemplates: true
"""


def overlay(folder: Path, components: list[str]) -> list[dict]:
    """The objects of an overlay with these components, a server, and a database and buckets that are elsewhere."""
    folder = copy_tree(folder) / "k8s/overlays/own"
    folder.mkdir()
    lines = "\n".join(f"  - ../../components/{name}" for name in [*_ELSEWHERE, *components, "release"])
    (folder / "kustomization.yaml").write_text(_KUSTOMIZATION.replace("COMPONENTS", lines))
    (folder / "servers.yaml").write_text(_SERVER)
    shutil.copytree(folder.parent / "prod/secrets", folder / "secrets")
    return build(folder)
