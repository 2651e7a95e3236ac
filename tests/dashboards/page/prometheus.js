// Grafana's Prometheus data source needs Grafana's server; this one asks Prometheus itself, as that server does.
import { createDataFrame, FieldType } from '@grafana/data';
import { RuntimeDataSource, sceneGraph } from '@grafana/scenes';

export const UID = 'prometheus';
// As in k8s/components/grafana/provisioning/datasources.yaml.
const SCRAPE_SECONDS = 30;
const VALUES = /^label_values\((\w+),\s*(\w+)\)$/;

export class Prometheus extends RuntimeDataSource {
  constructor(address) {
    super('prometheus', UID);
    this.name = 'Prometheus';
    this.type = 'prometheus';
    this.interval = `${SCRAPE_SECONDS}s`;
    this.address = address;
  }

  async query(request) {
    const answers = await Promise.all(request.targets.map((target) => this.ask(target, request)));
    return { data: answers.flat() };
  }

  async metricFindQuery(query, { range }) {
    const [, metric, label] = VALUES.exec(query.query ?? query);
    const words = { 'match[]': metric, start: range.from.unix(), end: range.to.unix() };
    const values = await this.get(`label/${label}/values`, words);
    return values.map((text) => ({ text }));
  }

  async ask(target, { range, intervalMs, scopedVars }) {
    const step = Math.max(Math.round(intervalMs / 1000), SCRAPE_SECONDS);
    const rate = { __rate_interval: { value: `${Math.max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)}s` } };
    const query = sceneGraph.interpolate(scopedVars.__sceneObject.value.valueOf(), target.expr, rate, asRegex);
    const [from, to] = [range.from.unix(), range.to.unix()];
    const answer = target.instant
      ? await this.get('query', { query, time: to })
      : await this.get('query_range', { query, start: from - (from % step), end: to - (to % step), step });
    return answer.result.map((series) => frameOf(series, target, step));
  }

  async get(path, words) {
    const answer = await fetch(`${this.address}/api/v1/${path}?${new URLSearchParams(words)}`);
    const { status, data, error } = await answer.json();
    if (status !== 'success') {
      throw new Error(error);
    }
    return data;
  }
}

const asRegex = (value) =>
  [value].flat().length > 1 ? `(${[value].flat().map(escaped).join('|')})` : escaped([value].flat()[0]);
const escaped = (text) => (text === '.*' ? text : String(text).replace(/[\\^$*+?.()|[\]{}]/g, '\\\\$&'));

// A gap in the series is a null, and so is what is no number, such as 0/0: Grafana's time series does the same.
function frameOf({ metric, values, value }, target, step) {
  const rows = [];
  for (const [at, text] of values ?? [value]) {
    const last = rows.at(-1);
    if (last && at - last[0] > step) {
      rows.push([last[0] + step, null]);
    }
    rows.push([at, Number.isFinite(Number(text)) ? Number(text) : null]);
  }
  const named = target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? '');
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: rows.map(([at]) => at * 1000), config: { interval: step * 1000 } },
      {
        name: 'Value',
        type: FieldType.number,
        values: rows.map(([, number]) => number),
        labels: metric,
        config: { displayNameFromDS: named },
      },
    ],
  });
}
