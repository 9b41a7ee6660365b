import { parseArgs } from 'node:util';

const usage = `usage: node shoot.mjs --dashboards DIR --prometheus URL --out DIR --from TIME --to TIME
  [--only UID,…] [--themes dark,light] [--widths 1280,1600,1920] [--expand] [--links]
  [--vars 'UID:NAME=VALUE,NAME=VALUE;UID:…']`;

/** Reads the command line. */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      dashboards: { type: 'string' },
      prometheus: { type: 'string' },
      out: { type: 'string' },
      from: { type: 'string' },
      to: { type: 'string' },
      only: { type: 'string', default: '' },
      themes: { type: 'string', default: 'dark,light' },
      widths: { type: 'string', default: '1280,1600,1920' },
      vars: { type: 'string', default: '' },
      expand: { type: 'boolean', default: false },
      links: { type: 'boolean', default: false },
    },
  });
  for (const name of ['dashboards', 'prometheus', 'out', 'from', 'to']) {
    if (!values[name]) {
      throw new Error(`--${name} is missing\n${usage}`);
    }
  }
  return {
    ...values,
    from: parseTime('from', values.from),
    to: parseTime('to', values.to),
    only: splitList(values.only),
    themes: splitList(values.themes),
    widths: splitList(values.widths).map(Number),
    variables: parseVariables(values.vars),
  };
}

/** Pictures repeat only for a fixed range, so there is no "now". */
function parseTime(name, text) {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) {
    throw new Error(`--${name} must be a time such as 2026-01-31T12:00:00Z, not ${text}`);
  }
  return time;
}

function splitList(text) {
  return text.split(',').filter(Boolean);
}

/** The variables of each dashboard as [name, value] pairs; a name may occur several times. */
function parseVariables(text) {
  const byDashboard = new Map();
  for (const part of text.split(';').filter(Boolean)) {
    const [, uid, list] = /^([^:]+):(.+)$/.exec(part) ?? [];
    const pairs = (list ?? '').split(',').map((pair) => /^([^=]+)=(.*)$/.exec(pair)?.slice(1));
    if (!uid || pairs.includes(undefined)) {
      throw new Error(`--vars must be UID:NAME=VALUE,…;… but has ${part}`);
    }
    byDashboard.set(uid, pairs);
  }
  return byDashboard;
}
