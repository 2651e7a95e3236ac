"""A folder config/ of the Spark operator with the objects that Ratchet patches: what tests have without a network."""

from pathlib import Path

# Names, places and order are the operator's own.
SELECTOR = "{matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [default]}]}"
DEFAULT = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: spark-operator
resources: [operator.yaml]
"""
OPERATOR = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: spark-operator-controller, namespace: system}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers:
        - name: controller
          image: ghcr.io/kubeflow/spark-operator/controller:v2.5.0-rc.0
          args: [controller, start, --namespaces=, --enable-ui-service=true]
          env: [{name: OPERATOR_VERSION, value: 2.5.0-rc.0}]
          resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: 500m, memory: 512Mi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: spark-operator-webhook, namespace: system}
spec:
  selector: {matchLabels: {a: c}}
  template:
    metadata: {labels: {a: c}}
    spec:
      containers:
        - name: webhook
          image: ghcr.io/kubeflow/spark-operator/controller:v2.5.0-rc.0
          args: [webhook, start, --namespaces=]
          resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: 500m, memory: 512Mi}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: mutating-webhook-configuration}
webhooks:
  - name: mutate-pod.sparkoperator.k8s.io
    namespaceSelector: SELECTOR
  - {name: mutate-sparkapplication.sparkoperator.k8s.io, namespaceSelector: SELECTOR}
  - {name: mutate-scheduledsparkapplication.sparkoperator.k8s.io, namespaceSelector: SELECTOR}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: validating-webhook-configuration}
webhooks:
  - {name: validate-sparkapplication.sparkoperator.k8s.io, namespaceSelector: SELECTOR}
  - {name: validate-scheduledsparkapplication.sparkoperator.k8s.io, namespaceSelector: SELECTOR}
"""


def write(folder: Path) -> Path:
    """Write it; returns the folder."""
    (folder / "default").mkdir()
    (folder / "default/kustomization.yaml").write_text(DEFAULT)
    (folder / "default/operator.yaml").write_text(OPERATOR.replace("SELECTOR", SELECTOR))
    return folder
