// From a dashboard's JSON to the scene that Grafana's libraries draw.
import {
  DataSourceVariable,
  EmbeddedScene,
  QueryVariable,
  SceneControlsSpacer,
  SceneGridItem,
  SceneGridLayout,
  SceneGridRow,
  SceneQueryRunner,
  SceneTimePicker,
  SceneTimeRange,
  SceneVariableSet,
  VariableValueSelectors,
  VizPanel,
} from '@grafana/scenes';
import { UID } from './prometheus.js';

export function sceneOf(dashboard, { from, to, values }) {
  return new EmbeddedScene({
    $timeRange: new SceneTimeRange({ from: from ?? dashboard.time.from, to: to ?? dashboard.time.to, timeZone: 'utc' }),
    $variables: new SceneVariableSet({ variables: dashboard.templating.list.map((each) => variableOf(each, values)) }),
    controls: [new VariableValueSelectors({}), new SceneControlsSpacer(), new SceneTimePicker({})],
    body: new SceneGridLayout({ children: rowsOf(dashboard.panels) }),
  });
}

function variableOf(own, values) {
  const { name, label } = own;
  if (own.type === 'datasource') {
    return new DataSourceVariable({ name, label, pluginId: own.query });
  }
  const { includeAll, multi: isMulti, allValue, sort, refresh, query } = own;
  const value = values[name] ?? own.current.value;
  return new QueryVariable({
    ...{ name, label, query, includeAll, isMulti, allValue, sort, refresh, value, text: value },
    datasource: { uid: UID, type: 'prometheus' },
  });
}

// The panels below a row are its children.
function rowsOf(panels) {
  const found = [];
  for (const panel of panels) {
    if (panel.type === 'row') {
      found.push(new SceneGridRow({ key: `row-${panel.id}`, title: panel.title, y: panel.gridPos.y, children: [] }));
    } else {
      found.at(-1).state.children.push(itemOf(panel));
    }
  }
  return found;
}

function itemOf({ id, type, gridPos, title, description, options, fieldConfig, targets }) {
  const data = new SceneQueryRunner({
    datasource: { uid: UID, type: 'prometheus' },
    queries: targets,
    maxDataPointsFromWidth: true,
  });
  const own = { key: `panel-${id}`, title, description, options, fieldConfig };
  const { x, y, w: width, h: height } = gridPos;
  return new SceneGridItem({ x, y, width, height, body: new VizPanel({ ...own, pluginId: type, $data: data }) });
}
