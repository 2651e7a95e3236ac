# What the scripts share that run something in a cluster: how they ask it, and how they end as what they started ends.
# Sourced, not run. CONTEXT chooses a context of the kubeconfig; unset, it is the current one.
set -euo pipefail

fail() { printf '%s: %s\n' "${0##*/}" "$1" >&2; exit "${2:-1}"; }
kn() { kubectl ${CONTEXT:+--context "$CONTEXT"} --namespace "${NAMESPACE:-ratchet}" "$@"; }

# follow KIND NAME PODS ENDED: shows the logs of the pods with the label PODS until ENDED, a JSONPath, says that the object
# has ended, then exits with its last pod's code.
follow() {
  local kind=$1 name=$2 pods=$3 ended=$4
  local name_and_phase='{{.metadata.name}} {{.status.phase}}'
  local code_of='{{range .status.containerStatuses}}{{with .state.terminated}}{{.exitCode}}{{end}}{{end}}'
  local why='{{range .status.conditions}}{{if ne .status "True"}}{{.message}} {{end}}{{end}}{{range .status.containerStatuses}}{{with .state.waiting}}{{.reason}} {{or .message ""}}{{end}}{{end}}'

  state() { kn get "$kind" "$name" -o jsonpath="$ended" 2> /dev/null || true; }
  # pod TEMPLATE: of the newest one.
  pod() {
    kn get pods -l "$pods" --sort-by=.metadata.creationTimestamp -o go-template="{{range .items}}$1{{\"\\n\"}}{{end}}" \
      2> /dev/null | tail -n 1
  }

  local newest phase followed='' code deadline=$((SECONDS + ${SECONDS_TO_START:-600}))
  until [[ $(state) =~ Complete|Failed|COMPLETED|FAILED ]]; do
    # The definition's own limits end it; this one only keeps a terminal from waiting for a cluster that is gone.
    ((SECONDS < 6 * 3600)) || fail "$name has not ended within 6 hours; kubectl describe $kind $name says why"
    read -r newest phase <<< "$(pod "$name_and_phase")" || true
    if [[ -n ${newest:-} && $newest != "$followed" && $phase != Pending ]]; then
      kn logs --follow "$newest" || true
      followed=$newest
    fi
    [[ -n $followed ]] || ((SECONDS < deadline)) \
      || fail "$name has not started: $(pod "$why"); kubectl describe $kind $name says more"
    # A driver that has ended is the truth; what the operator says of it comes later.
    [[ $kind != sparkapplication || ! ${phase:-} =~ Succeeded|Failed ]] || break
    sleep 1
  done
  [[ -n $followed ]] || kn logs "$(pod '{{.metadata.name}}')" || true # it was over before anybody looked
  code=$(pod "$code_of")
  [[ $code == 0 ]] || fail "it failed; kubectl describe $kind $name says why" "${code:-1}"
}
JOB_ENDED='{range .status.conditions[?(@.status=="True")]}{.type} {end}'
