# What the steps of a release share: what is released, where to, and how they speak. Sourced, not run. REGISTRY and VERSION
# come from the Makefile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

REGISTRY=${REGISTRY:-}
NUMBER=$(sed -nE 's/^version = "(.*)"$/\1/p' pyproject.toml)
VERSION=${VERSION:-$NUMBER}
OPERATOR=$(sed -nE 's/.*spark-operator\/controller, newTag: v([0-9.]+).*/\1/p' k8s/operator/settings/kustomization.yaml)
BUNDLE=ratchet/bundle # in the registry
CHART=charts/ratchet
ORAS=$(command -v "$PWD/.tools/oras" || command -v oras || true)

say() { printf '%(%H:%M:%S)T %s\n' -1 "$*"; }
fail() { printf 'release: %s\n' "$2" >&2; exit "$1"; } # CODE SENTENCE
last() { sed '/^[[:space:]]*$/d' <<< "$1" | tail -n 1; }

[[ $VERSION == "$NUMBER" || ($VERSION == "$NUMBER"-* && ${VERSION#"$NUMBER"-} =~ ^[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?$) ]] \
  || fail 2 "VERSION is '$VERSION'; pyproject.toml says $NUMBER, and $NUMBER or that with a suffix, as $NUMBER-rc.1, is accepted"
[[ -z $REGISTRY || $REGISTRY =~ ^(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9.-]+:[0-9]+|localhost:[0-9]+)(/[a-z0-9._-]+)*$ ]] \
  || fail 2 "REGISTRY is '$REGISTRY'; a host with or without a path is accepted, as registry.example.com/team"

# A registry on this machine has no certificate, and Docker wants none from it, either.
PLAIN=()
case $REGISTRY in localhost | localhost[:/]* | 127.*) PLAIN=(--plain-http) ;; esac

need_registry() { [ -n "$REGISTRY" ] || fail 2 "REGISTRY is not set; name the registry, as REGISTRY=registry.example.com/team"; }
need_oras() { [ -n "$ORAS" ] || fail 1 "oras is needed to talk to the registry; make .tools/oras"; }

# The images of the overlay prod, each once, with the tags that it gives them.
images() {
  local text
  text=$(kubectl kustomize k8s/overlays/prod) || fail 1 "the overlay prod could not be built; is kubectl installed?"
  sed -nE 's/^ *(- )?image: //p' <<< "$text" | sort -u
}
# NAME:TAG, with the version that is released if it is one of Ratchet's own.
released() { case $1 in ratchet/*) printf '%s:%s' "${1%:*}" "$VERSION" ;; *) printf '%s' "$1" ;; esac; }
