import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const types = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/**
 * Serves the built page, the dashboards and Grafana's icons, and passes /prom/ on to Prometheus, which then need not
 * allow requests from other origins.
 */
export async function startServer({ root, dashboards, prometheus }) {
  const pages = path.join(root, 'dist');
  const listing = dashboards.map(({ uid, title, tags = [] }) => ({ uid, title, tags }));

  const server = http.createServer((request, response) => {
    const url = new URL(request.url, 'http://preview');
    const dashboard = dashboards.find(({ uid }) => url.pathname === `/dashboards/${uid}.json`);
    if (url.pathname.startsWith('/prom/')) {
      proxy(prometheus, request, response);
    } else if (dashboard) {
      sendJson(response, dashboard);
    } else if (url.pathname === '/dashboards.json') {
      sendJson(response, listing);
    } else if (url.pathname.startsWith('/public/')) {
      sendAsset(response, path.join(root, 'node_modules'), url.pathname);
    } else {
      sendFile(response, inFolder(pages, url.pathname === '/' ? 'index.html' : url.pathname));
    }
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return { server, address: `http://127.0.0.1:${server.address().port}` };
}

function proxy(prometheus, request, response) {
  const target = prometheus.replace(/\/$/, '') + request.url.slice('/prom'.length);
  http
    .get(target, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    })
    .on('error', (error) => {
      response.writeHead(502, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ status: 'error', error: `Prometheus cannot be reached: ${error.message}` }));
    });
}

function sendJson(response, value) {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

/** Sends a file that a Grafana server would have, from the packages: its icons are published, its fonts are not. */
function sendAsset(response, packages, name) {
  const icons = path.join(packages, '@grafana/ui/dist/public/img/icons');
  const icon = /^\/public\/build\/img\/icons\/(.+)$/.exec(name)?.[1];
  if (icon === 'unicons/angle-double-left.svg') {
    sendMirrored(response, path.join(icons, 'unicons/angle-double-right.svg'));
  } else if (icon) {
    sendFile(response, inFolder(icons, icon));
  } else if (name.startsWith('/public/fonts/inter/')) {
    sendFile(response, inFolder(path.join(packages, 'inter-ui/web'), path.basename(name)));
  } else if (name.startsWith('/public/fonts/roboto/')) {
    sendFile(response, path.join(packages, '@fontsource/roboto-mono/files/roboto-mono-latin-400-normal.woff2'));
  } else {
    sendFile(response, undefined);
  }
}

/** Of all icons that are drawn Grafana's package lacks one, the mirror image of another. */
function sendMirrored(response, file) {
  const svg = fs.readFileSync(file, 'utf8');
  response.writeHead(200, { 'content-type': types['.svg'] });
  response.end(svg.replace(/(<svg[^>]*>)(.*)(<\/svg>)/s, '$1<g transform="matrix(-1 0 0 1 24 0)">$2</g>$3'));
}

function inFolder(folder, name) {
  return path.join(folder, path.normalize(`/${decodeURIComponent(name)}`));
}

function sendFile(response, file) {
  if (!file || !fs.existsSync(file) || !fs.statSync(file).isFile()) {
    response.writeHead(404);
    response.end();
    return;
  }
  response.writeHead(200, {
    'content-type': types[path.extname(file)] ?? 'application/octet-stream',
    'cache-control': 'max-age=3600',
  });
  fs.createReadStream(file).pipe(response);
}
