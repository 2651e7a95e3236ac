"""The dashboards as their files say them; the cluster's tests run their queries, too."""

import json
from collections.abc import Iterator

from tests.manifests.kustomize import ROOT

FOLDER = ROOT / "k8s/components/dashboards"
DASHBOARDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def panels(dashboard: dict) -> Iterator[dict]:
    """The panels that show something."""
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


def queries() -> Iterator[tuple[str, str]]:
    """Where an expression stands (dashboard, panel, letter), and the expression."""
    for name, dashboard in DASHBOARDS.items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield f"{name}: {panel['title']} {target['refId']}", target["expr"]
