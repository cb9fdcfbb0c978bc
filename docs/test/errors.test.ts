import { describe, expect, it } from 'vitest';
import { ERROR_CODES, errorBodySchema } from '../../packages/contract/src/index.ts';
import { fieldsOf } from './schema-text.ts';
import { cell, column, foldersOf, readPage, sourceOf, tableUnder } from './support.ts';

const page = await readPage('docs/reference/errors.md');
const codes = tableUnder(page, 'Codes');

describe('docs/reference/errors.md', () => {
  it('lists every code with its HTTP status, its exit code and whether it is retried', () => {
    const documented = codes.rows.map((row) => ['Code', 'HTTP', 'Exit', 'Retried'].map((name) => cell(row, name)));
    const known = Object.entries(ERROR_CODES).map(([code, { http, exit, retried }]) => [
      code,
      String(http),
      String(exit),
      retried,
    ]);
    expect(documented).toEqual(known);
  });

  it('says of every code what it means and what to do', () => {
    for (const row of codes.rows) {
      expect(cell(row, 'Meaning'), cell(row, 'Code')).not.toBe('');
      expect(cell(row, 'What to do'), cell(row, 'Code')).not.toBe('');
    }
  });

  it('says which codes no daemon sends', async () => {
    const homes = [...(await foldersOf('packages')), ...(await foldersOf('apps'))];
    const text = await sourceOf(...homes);
    for (const row of codes.rows) {
      const isSent = text.includes(`'${cell(row, 'Code')}'`);
      expect([cell(row, 'Code'), /no daemon sends it yet/.test(cell(row, 'Meaning'))]).toEqual([
        cell(row, 'Code'),
        !isSent,
      ]);
    }
  });

  it('has every field of the body of an error', () => {
    const documented = tableUnder(page, 'The body of an error').rows.map((row) => [
      cell(row, 'Field'),
      cell(row, 'Type'),
    ]);
    expect(documented).toEqual(fieldsOf(errorBodySchema.shape.error));
  });

  it('lists the exit codes that the daemons have', async () => {
    const text = await sourceOf('packages/daemon');
    const known = [...text.matchAll(/const EXIT_\w+ = (\d+);/g)].map(([, code]) => code);
    expect(column(tableUnder(page, 'Exit codes of the daemons'), 'Exit').sort()).toEqual(['0', ...known].sort());
  });
});
