"""An overlay as a user writes it, for components that are in none of ours."""

from pathlib import Path

from tests.manifests.kustomize import build, copy_tree

_WITH_ALL = ("generated-secrets", "network-policy", "external-postgres", "external-s3", "serving")
_KUSTOMIZATION = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: ratchet
resources: [../../base]
components:
COMPONENTS
configMapGenerator:
  - {name: mlflow-database, behavior: merge, literals: ["DATABASE_ADDRESS=db.example.com:5432/mlflow?sslmode=require"]}
"""


def overlay(folder: Path, components: list[str]) -> list[dict]:
    """The objects of an overlay with these components and servers; its database and its buckets are elsewhere."""
    folder = copy_tree(folder) / "k8s/overlays/own"
    folder.mkdir()
    lines = "\n".join(f"  - ../../components/{name}" for name in [*_WITH_ALL, *components, "release"])
    (folder / "kustomization.yaml").write_text(_KUSTOMIZATION.replace("COMPONENTS", lines))
    return build(folder)
