// Bundles the page into built/.
import { copyFileSync, cpSync, mkdirSync } from 'node:fs';
import { build } from 'esbuild';

mkdirSync('built', { recursive: true });
copyFileSync('page/index.html', 'built/index.html');
cpSync('node_modules/@grafana/ui/dist/public/img/icons', 'built/build/img/icons', { recursive: true });
await build({
  entryPoints: { page: 'page/index.jsx' },
  outdir: 'built',
  bundle: true,
  minify: true,
  jsx: 'automatic',
  format: 'iife',
  loader: { '.woff': 'empty', '.ttf': 'empty', '.woff2': 'dataurl', '.svg': 'dataurl' },
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  logLevel: 'warning',
});
