# What the steps here share: the cluster's names, how they call it, and how they speak. Sourced, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

CLUSTER=ratchet
CONTEXT=kind-$CLUSTER
NODE=$CLUSTER-control-plane
NAMESPACE=ratchet

# Never the current context: a user's own cluster must not be touched by what is meant for kind.
k() { kubectl --context "$CONTEXT" --request-timeout 30s "$@"; }
kn() { k --namespace "$NAMESPACE" "$@"; }

say() { printf '%(%H:%M:%S)T %s\n' -1 "$*"; }
fail() { printf 'deploy: %s\n' "$*" >&2; exit 1; }

# until_true SECONDS COMMAND...: call it each second until it succeeds; fails when the time is over.
until_true() {
  local deadline=$((SECONDS + $1)); shift
  until "$@" > /dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 1
  done
}
