// Draws dashboards into pictures and reports what is wrong with them; see README.md.
import fs from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { inspectPage, pageHeight } from './driver/inspect.mjs';
import { readOptions } from './driver/options.mjs';
import { Problems } from './driver/problems.mjs';
import { startServer } from './driver/server.mjs';

const root = import.meta.dirname;

const browserArguments = [
  '--no-sandbox', // containers have no user namespaces
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--font-render-hinting=none', // or glyph widths depend on the machine's settings
];

function readDashboards(folder) {
  const files = fs.readdirSync(folder).filter((name) => name.endsWith('.json'));
  const dashboards = files.map((name) => JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8')));
  return dashboards.filter(({ uid, panels }) => uid && panels);
}

function findChromium() {
  const onPath = process.env.PATH.split(path.delimiter).map((folder) => path.join(folder, 'chromium'));
  const candidates = process.env.CHROMIUM ? [process.env.CHROMIUM] : ['/usr/bin/chromium', ...onPath];
  const found = candidates.find((file) => fs.existsSync(file));
  if (!found) {
    throw new Error(`there is no Chromium at ${candidates.join(', ')}: install it, or set CHROMIUM to its file`);
  }
  return found;
}

/** Makes the page believe it is the end of the range, so that texts such as "5 minutes ago" repeat. */
function shiftClock(now) {
  const RealDate = Date;
  const offset = now - RealDate.now();
  window.Date = class extends RealDate {
    constructor(...parts) {
      super(...(parts.length > 0 ? parts : [RealDate.now() + offset]));
    }
    static now() {
      return RealDate.now() + offset;
    }
  };
}

function pictureName({ uid, theme, width }, { expand }) {
  return `${uid}-${theme}-${width}${expand ? '-expanded' : ''}.png`;
}

function firstLine(text) {
  return text.split('\n')[0];
}

async function untilStill(page) {
  await page.evaluate(async () => (await window.preview).untilStill());
}

async function shoot(page, address, picture, options, problems) {
  const errors = [];
  const onPageError = (error) => errors.push(`page error: ${error.message}`);
  const onConsole = (message) => {
    if (message.type() === 'error') {
      errors.push(`console error: ${firstLine(message.text())} ${message.location().url}`);
    }
  };
  page.on('pageerror', onPageError);
  page.on('console', onConsole);
  try {
    const query = new URLSearchParams({
      uid: picture.uid,
      theme: picture.theme,
      from: options.from.toISOString(),
      to: options.to.toISOString(),
    });
    if (options.expand) {
      query.set('expand', '');
    }
    for (const [name, value] of options.variables.get(picture.uid) ?? []) {
      query.append(`var-${name}`, value);
    }
    await page.setViewportSize({ width: picture.width, height: 1000 });
    await page.goto(`${address}/?${query}`);
    await untilStill(page);
    await page.setViewportSize({ width: picture.width, height: await page.evaluate(pageHeight) });
    await untilStill(page);
    await page.screenshot({ path: path.join(options.out, pictureName(picture, options)) });
    problems.add(picture, {
      report: await page.evaluate(async () => (await window.preview).report()),
      inspection: await page.evaluate(inspectPage),
    });
  } catch (error) {
    errors.push(firstLine(error.message));
  } finally {
    problems.addErrors(picture, errors);
    page.off('pageerror', onPageError);
    page.off('console', onConsole);
  }
}

/** Draws all pictures in one browser; what is wrong with them goes into problems. Returns how many there are. */
async function shootAll(address, wanted, options, problems) {
  const browser = await chromium.launch({ executablePath: findChromium(), args: browserArguments });
  let pictures = 0;
  try {
    const context = await browser.newContext({ reducedMotion: 'reduce', timezoneId: 'UTC', locale: 'en-US' });
    await context.addInitScript(shiftClock, options.to.getTime());
    const page = await context.newPage();
    for (const { uid } of wanted) {
      for (const theme of options.themes) {
        for (const width of options.widths) {
          await shoot(page, address, { uid, theme, width }, options, problems);
          pictures++;
        }
      }
    }
  } finally {
    await browser.close();
  }
  return pictures;
}

async function main() {
  const options = readOptions(process.argv.slice(2));
  const dashboards = readDashboards(options.dashboards);
  const unknown = options.only.filter((uid) => !dashboards.some((dashboard) => dashboard.uid === uid));
  if (unknown.length > 0 || dashboards.length === 0) {
    throw new Error(`${options.dashboards} has no dashboard ${unknown.join(', ')}`);
  }
  const wanted = dashboards.filter(({ uid }) => options.only.length === 0 || options.only.includes(uid));
  fs.mkdirSync(options.out, { recursive: true });

  const problems = new Problems(path.join(root, 'empty.json'));
  const { server, address } = await startServer({ root, dashboards, prometheus: options.prometheus });
  const pictures = await shootAll(address, wanted, options, problems).finally(() => server.close());
  problems.addNeedless(dashboards);

  if (options.links) {
    console.log([...problems.links].sort().join('\n'));
  }
  for (const line of problems.lines) {
    console.log(line);
  }
  console.log(`${pictures} pictures, ${problems.lines.size} problems`);
  return problems.lines.size > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`shoot.mjs: ${error.message}`);
  process.exitCode = 2;
}
