import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Packages that must exist once in the bundle: their registries and React contexts are module state, and a second copy
// of one would be empty.
const singletons = [
  'react',
  'react-dom',
  'react-router-dom',
  '@grafana/data',
  '@grafana/runtime',
  '@grafana/schema',
  '@grafana/ui',
];

export default defineConfig({
  plugins: [react()],
  resolve: {
    // The router's compatibility package only repeats the newer router under another name, with contexts of its own.
    alias: { 'react-router-dom-v5-compat': 'react-router-dom' },
    dedupe: singletons,
  },
  define: {
    // Some of Grafana's dependencies are written for Node or for webpack, which know these names.
    'process.env.NODE_ENV': '"production"',
    global: 'globalThis',
  },
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 20_000,
    // Grafana's compatibility package imports names that only newer hosts export, tests whether they are there, and
    // falls back to the older ones; a strict bundler would stop at the import.
    rolldownOptions: { shimMissingExports: true },
  },
});
