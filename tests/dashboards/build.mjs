// Bundles the page into built/.
import { copyFileSync, cpSync, mkdirSync } from 'node:fs';
import { build } from 'esbuild';

mkdirSync('built', { recursive: true });
copyFileSync('page/index.html', 'built/index.html');
const ICONS = 'built/build/img/icons';
cpSync('node_modules/@grafana/ui/dist/public/img/icons', ICONS, { recursive: true });
// The package lacks one icon of its time picker; Grafana's server has it.
copyFileSync(`${ICONS}/unicons/angle-left.svg`, `${ICONS}/unicons/angle-double-left.svg`);
const FONTS = { inter: { 400: 'Inter-Regular', 500: 'Inter-Medium' }, 'roboto-mono': { 400: 'RobotoMono-Regular' } };
for (const [family, weights] of Object.entries(FONTS)) {
  mkdirSync(`built/fonts/${family}`, { recursive: true });
  for (const [weight, name] of Object.entries(weights)) {
    const own = `node_modules/@fontsource/${family}/files/${family}-latin-${weight}-normal.woff2`;
    copyFileSync(own, `built/fonts/${family}/${name}.woff2`);
  }
}
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
