import fs from 'node:fs';
import path from 'node:path';

/** Errors of the browser's console that say nothing new. */
const repeatedErrors = [
  // The browser logs each request that fails; the query itself is reported with its panel.
  /Failed to load resource: .*\/prom\//,
  // The same for the query of a variable, logged by Grafana.
  /SceneVariableSet updateAndValidate error/,
];

/** What Grafana shows in place of a panel whose code throws. */
const ERROR_BOUNDARY = 'An unexpected error happened';

/** Names of variables in a text that nobody replaced. */
const unresolved = /\$\{[^}]*\}|\$[A-Za-z_]\w*|\[\[\w+\]\]/;
/** $__all is how Grafana writes a variable's "All" into an address. */
const brokenLink = /^about:blank$|\$\{|\$(?!__all\b)[A-Za-z_]|\b(undefined|null)\b/;

/** Collects what is wrong with the pictures. */
export class Problems {
  /** Owners of empty results by dashboard, as far as they were drawn. */
  #drawn = new Map();
  #empty = new Map();
  #allowed;
  #allowedFile;
  /** One line a problem, each once. */
  lines = new Set();
  links = new Set();

  constructor(allowedFile) {
    this.#allowedFile = allowedFile;
    this.#allowed = JSON.parse(fs.readFileSync(allowedFile, 'utf8'));
  }

  /** Adds what the browser reported while it made a picture, and why it could not be made. */
  addErrors(picture, errors) {
    for (const error of errors.filter((text) => !repeatedErrors.some((pattern) => pattern.test(text)))) {
      this.#say(picture, 'page', error);
    }
  }

  /** Adds what can be seen in one picture. */
  add(picture, { report, inspection }) {
    const titles = new Map(report.panels.map(({ key, title }) => [key, title]));
    const say = (owner, text) => this.#say(picture, owner, text);
    const sayOfPanel = (key, text) => say(titles.get(key) ?? 'dashboard', text);

    this.#addQueries(picture, report);
    for (const { title, pluginError } of report.panels.filter((panel) => panel.pluginError)) {
      say(title, pluginError);
    }
    for (const { panel } of inspection.texts.filter(({ text }) => text === ERROR_BOUNDARY)) {
      sayOfPanel(panel, 'cannot be drawn: see the console error of the page');
    }
    for (const { panel, text } of inspection.cut) {
      sayOfPanel(panel, `cut off: ${text}`);
    }
    const names = report.panels.flatMap(({ key, names: list }) => list.map((text) => ({ panel: key, text })));
    for (const { panel, text } of [...inspection.texts, ...names].filter(({ text: t }) => unresolved.test(t))) {
      sayOfPanel(panel, `variable not replaced: ${text}`);
    }
    const links = report.panels.flatMap(({ key, links: list }) => list.map((href) => ({ panel: key, href })));
    for (const { panel, href } of [...inspection.links, ...links]) {
      this.links.add(href);
      if (brokenLink.test(decode(href))) {
        sayOfPanel(panel, `broken link: ${href}`);
      }
    }
  }

  #addQueries(picture, { queries, panels }) {
    const { uid } = picture;
    const owners = queries.map(({ kind, owner }) => ownerName(kind, owner));
    this.#note(this.#drawn, uid, [...owners, ...panels.map(({ title }) => title)]);

    for (const { kind, owner, refId, expr, error } of queries.filter((query) => query.error)) {
      this.#say(picture, ownerName(kind, owner), `query ${refId} failed: ${error}: ${expr}`);
    }
    const empty = queries
      .filter(({ results, error }) => results === 0 && !error)
      .map(({ kind, owner, refId, expr }) => ({
        owner: ownerName(kind, owner),
        text: `query ${refId} has no result: ${expr}`,
      }));
    const explained = queries.filter(({ results }) => results === 0).map(({ owner }) => owner);
    for (const { title, isEmpty } of panels) {
      if (isEmpty && !explained.includes(title)) {
        empty.push({ owner: title, text: 'shows nothing' });
      }
    }
    this.#note(
      this.#empty,
      uid,
      empty.map(({ owner }) => owner)
    );
    for (const { owner, text } of empty) {
      if (!this.#allowed[uid]?.[owner]) {
        this.#say(picture, owner, text);
      }
    }
  }

  /** Adds the entries of the allow list that no picture needed, though what they name was drawn or is not there. */
  addNeedless(dashboards) {
    for (const [uid, entries] of Object.entries(this.#allowed)) {
      const dashboard = dashboards.find((one) => one.uid === uid);
      for (const owner of Object.keys(entries)) {
        const isKnown = dashboard && ownersOf(dashboard).includes(owner);
        const isDrawn = this.#drawn.get(uid)?.has(owner);
        if (!isKnown || (isDrawn && !this.#empty.get(uid)?.has(owner))) {
          this.lines.add(`${uid} | ${owner} | ${path.basename(this.#allowedFile)} has an entry that is not needed`);
        }
      }
    }
  }

  #note(map, uid, owners) {
    map.set(uid, new Set([...(map.get(uid) ?? []), ...owners]));
  }

  #say({ uid, theme, width }, owner, text) {
    this.lines.add(`${uid} | ${owner} | ${theme} ${width} | ${text.replaceAll(/\s+/g, ' ')}`);
  }
}

function ownerName(kind, owner) {
  return kind === 'panel' ? owner : `${kind} ${owner}`;
}

/** Everything of a dashboard that may be empty. */
function ownersOf({ panels, templating, annotations }) {
  const titles = panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]).map(({ title }) => title);
  const variables = (templating?.list ?? []).map(({ name }) => `variable ${name}`);
  return [...titles, ...variables, ...(annotations?.list ?? []).map(({ name }) => `annotation ${name}`)];
}

function decode(href) {
  try {
    return decodeURIComponent(href);
  } catch {
    return href;
  }
}
