// page.html?dashboard=ADDRESS&prometheus=ADDRESS[&from=…&to=…&var-model=…] draws a dashboard.
import { createTheme, ThemeContext } from '@grafana/data';
import { config } from '@grafana/runtime';
import { registerRuntimeDataSource } from '@grafana/scenes';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router-dom';
import 'react-grid-layout/css/styles.css';
import { register } from './panels.jsx';
import { Prometheus } from './prometheus.js';
import { sceneOf } from './scene.js';
import { begin } from './services.js';

const words = new URLSearchParams(window.location.search);

function chosen() {
  const own = [...words.keys()].filter((key) => key.startsWith('var-'));
  const values = Object.fromEntries(own.map((key) => [key.slice(4), words.getAll(key)]));
  return { from: words.get('from') ?? undefined, to: words.get('to') ?? undefined, values };
}

async function draw() {
  const source = new Prometheus(words.get('prometheus'));
  await begin(source);
  registerRuntimeDataSource({ dataSource: source });
  register();
  const dashboard = await (await fetch(words.get('dashboard'))).json();
  const theme = createTheme({ colors: { mode: words.get('theme') ?? 'light' } });
  config.theme2 = theme;
  const scene = sceneOf(dashboard, chosen());
  createRoot(document.getElementById('page')).render(
    <BrowserRouter>
      <ThemeContext.Provider value={theme}>
        <GlobalStyles />
        <scene.Component model={scene} />
        <PortalContainer />
      </ThemeContext.Provider>
    </BrowserRouter>
  );
}

draw();
