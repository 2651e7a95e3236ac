"""The rules of Prometheus as their file says them; the cluster's tests look for them, too."""

import yaml

from tests.manifests.dashboards import queries
from tests.manifests.kustomize import ROOT

FILE = ROOT / "k8s/components/monitoring/rules/ratchet.yaml"
GROUPS = yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
# Where each expression stands, those of the dashboards among them.
EXPRESSIONS = {**dict(queries()), **{rule.get("alert") or rule["record"]: rule["expr"] for rule in RULES}}
