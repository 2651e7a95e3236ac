# Writes what Prometheus scrapes of further models, whose namespaces are in NAMESPACES.
set -eu
{
  echo scrape_configs:
  for namespace in $NAMESPACES; do
    case $namespace in *[!a-z0-9-]*)
      printf 'models: NAMESPACES has %s, no namespace; names separated by spaces are accepted\n' "$namespace" >&2
      continue
    esac
    cat << END
  - job_name: $namespace-exporter
    static_configs: [{targets: ["exporter.$namespace:9464"], labels: {namespace: $namespace}}]
    relabel_configs: [{target_label: job, replacement: ratchet-exporter}]
  - job_name: $namespace-servers
    dns_sd_configs: [{names: [servers.$namespace], type: A, port: 8080, refresh_interval: 15s}]
    relabel_configs: [{target_label: job, replacement: ratchet-servers}, {target_label: namespace, replacement: $namespace}]
END
  done
} > "$1"
