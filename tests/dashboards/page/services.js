// What Grafana's server-side page sets up before its libraries work: none of it draws.
import {
  booleanOverrideProcessor,
  displayNameOverrideProcessor,
  EventBusSrv,
  identityOverrideProcessor,
  LoadingState,
  numberOverrideProcessor,
  standardEditorsRegistry,
  standardFieldConfigEditorRegistry,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { setAppEvents, setDataSourceSrv, setPluginImportUtils, setRunRequest } from '@grafana/runtime';
import { loadResources } from '@grafana/scenes';
import { catchError, from, map, of } from 'rxjs';

const PROCESSORS = {
  unit: unitOverrideProcessor,
  min: numberOverrideProcessor,
  max: numberOverrideProcessor,
  fieldMinMax: booleanOverrideProcessor,
  decimals: numberOverrideProcessor,
  displayName: displayNameOverrideProcessor,
  color: identityOverrideProcessor,
  noValue: stringOverrideProcessor,
  mappings: valueMappingsOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
};

// The options that every panel knows.
const standardOptions = () =>
  Object.entries(PROCESSORS).map(([path, process]) => ({
    id: path,
    path,
    name: path,
    editor: () => null,
    override: () => null,
    process,
    shouldApply: () => true,
  }));

const runRequest = (source, request) =>
  from(source.query(request)).pipe(
    map(({ data }) => ({ state: LoadingState.Done, series: data, annotations: [], request, timeRange: request.range })),
    catchError((error) =>
      of({ state: LoadingState.Error, series: [], errors: [error], error, request, timeRange: request.range })
    )
  );

export async function begin(source) {
  await initPluginTranslations('grafana-scenes', [loadResources]);
  standardEditorsRegistry.setInit(() => []);
  standardFieldConfigEditorRegistry.setInit(standardOptions);
  setAppEvents(new EventBusSrv());
  setPluginImportUtils({ importPanelPlugin: () => Promise.reject(), getPanelPluginFromCache: () => undefined });
  setRunRequest(runRequest);
  const settings = { uid: source.uid, name: source.name, type: source.type, meta: source.meta, isDefault: true };
  setDataSourceSrv({
    get: async () => source,
    getList: () => [settings],
    getInstanceSettings: () => settings,
    reload: () => {},
  });
}
