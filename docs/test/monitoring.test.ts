import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { metricsOfDaemons } from './daemon-metrics.ts';
import { type Asked, askedBy } from './promql.ts';
import { cell, ROOT, readPage, tableUnder } from './support.ts';

// A label beyond these has to be argued for: each of its values is a series of its own, for as long as the daemon runs.
const LABELS = [
  ...['code', 'method', 'node_version', 'outcome', 'reason', 'route'],
  ...['state', 'statistic', 'status', 'version'],
];
/** What Prometheus itself adds, and the borders of a histogram's buckets. */
const GIVEN_LABELS = ['instance', 'job', 'le'];
const GIVEN_METRICS = ['up'];

const page = await readPage('docs/operating/monitoring.md');
const folder = 'docs/operating/monitoring';
const { hive, queen } = metricsOfDaemons();
const all = [...hive, ...queen];
const isOfBoth = ({ name }: { name: string }) => [hive, queen].every((list) => list.some((each) => each.name === name));

const textOf = (name: string) => readFile(join(ROOT, folder, name), 'utf8');

/** The queries of the dashboard, from every panel. */
async function queriesOfDashboard(): Promise<string[]> {
  const dashboard = JSON.parse(await textOf('grafana.json')) as {
    readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
  };
  return dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

/** The queries of the alerts: in one line, or folded over those that stand deeper. */
async function queriesOfAlerts(): Promise<string[]> {
  const text = await textOf('rbee.rules.yml');
  return [...text.matchAll(/^ +expr: (?:>-\n((?: {10,}.*\n)+)|(.*)\n)/gm)].map(
    ([, folded, plain]) => folded ?? plain ?? '',
  );
}

const queriesOfPage = () => tableUnder(page, 'What to watch').rows.map((row) => cell(row, 'Query'));

function unknownIn({ metrics, labels }: Asked): string[] {
  const names = all.flatMap(({ name, type }) =>
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => name + suffix) : [name],
  );
  const known = [...names, ...GIVEN_METRICS];
  return [
    ...metrics.filter((name) => !known.includes(name)),
    ...labels.filter((label) => ![...LABELS, ...GIVEN_LABELS].includes(label)),
  ];
}

describe('docs/operating/monitoring.md', () => {
  it.each([
    ['Of both daemons', hive.filter(isOfBoth)],
    ['Of a hive', hive.filter((metric) => !isOfBoth(metric))],
    ['Of a queen', queen.filter((metric) => !isOfBoth(metric))],
  ])('lists the metrics %s', (heading, metrics) => {
    const documented = tableUnder(page, heading).rows.map((row) =>
      ['Metric', 'Type', 'Labels', 'Meaning'].map((name) => cell(row, name)),
    );
    const registered = metrics.map(({ name, type, labels, help }) => [name, type, labels.join(', '), help]);
    expect(documented.sort()).toEqual(registered.sort());
  });
});

describe('the metrics', () => {
  it('have labels with few values, and none for an id, a model, a URL or an address', () => {
    expect([...new Set(all.flatMap(({ labels }) => labels))].sort()).toEqual(LABELS);
  });

  it('have names as Prometheus wants them, and say what they are', () => {
    expect(all.length).toBeGreaterThan(40);
    for (const { name, type, help } of all) {
      expect(name).toMatch(/^(?:rbee|process)_[a-z][a-z_]*[a-z]$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(help, name).toMatch(/^[A-Z].{5,}[^.]$/);
    }
  });
});

describe('what is asked of the metrics', () => {
  it.each([
    ['the dashboard', queriesOfDashboard, 35],
    ['the alerts', queriesOfAlerts, 12],
    ['the page', async () => queriesOfPage(), 7],
  ])('by %s is there', async (_, queriesOf, least) => {
    const queries = await queriesOf();
    expect(queries.length).toBeGreaterThanOrEqual(least);
    for (const query of queries) {
      expect(askedBy(query).metrics, query).not.toEqual([]);
      expect(unknownIn(askedBy(query)), query).toEqual([]);
    }
  });

  it('by the dashboard is nearly all that a hive and a queen measure', async () => {
    const asked = new Set((await queriesOfDashboard()).flatMap((query) => askedBy(query).metrics));
    const unasked = all.map(({ name }) => name).filter((name) => !asked.has(name) && !asked.has(`${name}_bucket`));
    const elsewhere = ['rbee_build_info', 'process_start_time_seconds', 'process_open_fds'];
    const history = ['bad_rows_total', 'unsaved_rows', 'write_failures_total'].map((name) => `rbee_history_${name}`);
    const state = ['bad_rows_total', 'unsaved_rows', 'write_failures_total'].map((name) => `rbee_state_${name}`);
    expect([...new Set(unasked)].sort()).toEqual(
      [...elsewhere, ...history, ...state, 'rbee_bandwidth_budget_bytes_per_second'].sort(),
    );
  });

  it('is read from a query by its names, whatever stands around them', () => {
    const query =
      'histogram_quantile(0.99, sum by (le, route) (rate(a_bucket{job=~"x|y", other!="b_total{}"}[$__rate_interval]))) > 1e9 and b < +Inf';
    expect(askedBy(query)).toEqual({ metrics: ['a_bucket', 'b'], labels: ['job', 'other', 'le', 'route'] });
    expect(unknownIn(askedBy('sum by (download_id) (rbee_made_up)'))).toEqual(['rbee_made_up', 'download_id']);
  });
});
