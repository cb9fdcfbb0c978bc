import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KINDS, readConditions, withConditions } from './conditions.ts';
import { column, ROOT, readPage, sourceOf, tableUnder } from './support.ts';

/** Loading the files of tests takes a while on a busy machine. */
const listTimeoutMs = 600_000;

/** Each against a real server, disk or process. */
const MIN_CONDITIONS = 150;

const page = await readPage('docs/internals/testing.md');

describe('docs/internals/testing.md', () => {
  it('lists every fault of the hub', async () => {
    const text = await sourceOf('packages/testing');
    const union = /export type FaultAction =([\s\S]*?);\n(?:\n|$)/.exec(text)?.[1] ?? '';
    const kinds = [...union.matchAll(/readonly kind: '(\w+)'/g)].map(([, kind]) => kind);
    expect(kinds.length).toBeGreaterThan(0);
    expect(column(tableUnder(page, 'The hub of the tests'), 'Kind')).toEqual(kinds);
  });

  it('lists every test of the pages', async () => {
    const names = (await readdir(join(ROOT, 'docs/test'))).filter((name) => name.endsWith('.test.ts'));
    expect(column(tableUnder(page, 'The tests of these pages'), 'Test').sort()).toEqual(names.sort());
  });

  it('names every project of the suite', async () => {
    const { default: config } = await import('../../vitest.workspace.ts');
    const names = (config.test?.projects ?? []).map((project) =>
      typeof project === 'object' && 'test' in project ? project.test?.name : project,
    );
    expect(column(tableUnder(page, 'Testing'), 'Project')).toEqual(names);
  });

  it('lists the conditions that tests show', { timeout: listTimeoutMs }, async () => {
    const text = await readFile(join(ROOT, page.path), 'utf8');
    const conditions = await readConditions();
    expect(conditions.map(({ kind }) => kind).filter((kind) => !KINDS.includes(kind))).toEqual([]);
    expect(withConditions(text, conditions), 'npm run conditions').toBe(text);
  });

  it('lists conditions of every kind of hubs, servers, disks and files of other programs', async () => {
    const text = await readFile(join(ROOT, page.path), 'utf8');
    const kinds = [...text.matchAll(/^\| ([A-HJ]\d{1,2}) /gm)].map(([, kind = '']) => kind);
    const wanted = KINDS.filter((id) => /^[A-HJ]/.test(id));
    expect(wanted.filter((id) => !kinds.includes(id))).toEqual([]);
    expect(kinds.length).toBeGreaterThanOrEqual(MIN_CONDITIONS);
  });
});
