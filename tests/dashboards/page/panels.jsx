// The panels. Grafana's own (stat, bargauge, timeseries) are part of its server; these hand the same options to the
// components of @grafana/ui that Grafana's panels consist of.
import {
  FieldColorModeId,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  PanelPlugin,
  VizOrientation,
} from '@grafana/data';
import { sceneUtils } from '@grafana/scenes';
import { BarGauge, BigValue, TimeSeries, useTheme2, VizRepeater } from '@grafana/ui';

// The defaults of Grafana's time series.
const LINES = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  lineWidth: 1,
  lineStyle: { fill: 'solid' },
  fillOpacity: 0,
  gradientMode: 'none',
  barAlignment: 0,
  barWidthFactor: 0.6,
  showPoints: 'auto',
  pointSize: 5,
  spanNulls: false,
  insertNulls: false,
  axisPlacement: 'auto',
  axisLabel: '',
  axisColorMode: 'text',
  axisBorderShow: false,
  axisCenteredZero: false,
  axisSoftMin: undefined,
  axisSoftMax: undefined,
  scaleDistribution: { type: 'linear' },
  stacking: { mode: 'none', group: 'A' },
  thresholdsStyle: { mode: 'off' },
  hideFrom: { tooltip: false, viz: false, legend: false },
};

// A panel that draws nothing says so, as Grafana's do; the test looks for it.
const NoData = () => <div data-empty>No data</div>;

function fieldDisplays({ data, options, fieldConfig, replaceVariables, timeZone }, theme) {
  return getFieldDisplayValues({
    data: data.series,
    reduceOptions: options.reduceOptions,
    fieldConfig,
    replaceVariables,
    theme,
    timeZone,
    sparkline: options.graphMode !== 'none',
  });
}

function Repeated({ panel, options, children }) {
  const theme = useTheme2();
  const { data, width, height, renderCounter } = panel;
  const getValues = () => fieldDisplays(panel, theme);
  if (data.series.length === 0) {
    return <NoData />;
  }
  const more = { width, height, renderCounter, source: data, getValues, ...options };
  const orientation = panel.options.orientation ?? VizOrientation.Auto;
  return (
    <VizRepeater {...more} orientation={orientation} getAlignmentFactors={getDisplayValueAlignmentFactors} renderValue={children(theme)} />
  );
}

const Stat = (panel) => (
  <Repeated panel={panel} options={{ autoGrid: true }}>
    {(theme) =>
      ({ value, width, height, count, alignmentFactors }) => {
        const { colorMode, graphMode, justifyMode, text, textMode, wideLayout } = panel.options;
        const more = { colorMode, graphMode, justifyMode, wideLayout, text, textMode, alignmentFactors, count };
        return <BigValue {...{ width, height, theme, ...more }} value={value.display} sparkline={value.sparkline} />;
      }}
  </Repeated>
);

const Bars = (panel) => (
  <Repeated
    panel={panel}
    options={{ itemSpacing: panel.options.displayMode === 'lcd' ? 2 : 10, minVizHeight: 16, maxVizHeight: 300 }}
  >
    {(theme) =>
      ({ value, width, height, orientation, alignmentFactors }) => {
        const { displayMode, showUnfilled, valueMode, namePlacement, text } = panel.options;
        const more = { displayMode, showUnfilled, namePlacement, text, alignmentFactors, orientation };
        const shown = { value: value.display, field: value.field, display: value.view?.getFieldDisplayProcessor(value.colIndex) };
        return <BarGauge {...{ width, height, theme, ...shown, ...more }} valueDisplayMode={valueMode} />;
      }}
  </Repeated>
);

function Lines({ data, width, height, timeRange, timeZone, options }) {
  if (data.series.length === 0) {
    return <NoData />;
  }
  const place = { width, height, timeRange, timeZone };
  return <TimeSeries {...place} frames={data.series} structureRev={data.structureRev} legend={options.legend} options={options} />;
}

const ordinary = (path, defaultValue) => ({
  id: path,
  path,
  name: path,
  editor: () => null,
  override: () => null,
  process: (value) => value,
  shouldApply: () => true,
  defaultValue,
});

// Of Grafana's panels, what they are without a word in the dashboard.
const withDefaults = (plugin, defaults) =>
  plugin.setPanelOptions((builder) => {
    for (const [path, value] of Object.entries(defaults)) {
      builder.addCustomEditor({ id: path, path, name: path, editor: () => null, defaultValue: value });
    }
  });

export function register() {
  const stat = withDefaults(new PanelPlugin(Stat).useFieldConfig(), {
    colorMode: 'value',
    graphMode: 'area',
    justifyMode: 'auto',
    textMode: 'auto',
    wideLayout: true,
    orientation: VizOrientation.Auto,
    reduceOptions: { calcs: ['lastNotNull'], values: false, fields: '' },
  });
  const bars = withDefaults(new PanelPlugin(Bars).useFieldConfig(), {
    displayMode: 'gradient',
    valueMode: 'color',
    namePlacement: 'auto',
    showUnfilled: true,
    orientation: VizOrientation.Auto,
    reduceOptions: { calcs: ['lastNotNull'], values: false, fields: '' },
  });
  const lines = new PanelPlugin(Lines).useFieldConfig({
    standardOptions: { color: { defaultValue: { mode: FieldColorModeId.PaletteClassic } } },
    useCustomConfig: (builder) => {
      for (const [path, value] of Object.entries(LINES)) {
        builder.addCustomEditor(ordinary(path, value));
      }
    },
  });
  for (const [pluginId, plugin] of Object.entries({ stat, bargauge: bars, timeseries: lines })) {
    sceneUtils.registerRuntimePanelPlugin({ pluginId, plugin });
  }
}
