import { describe, expect, it } from 'vitest';
import {
  DOWNLOAD_EVENT_NAMES,
  downloadEventSchemas,
  downloadStatusSchema,
  hiveHeartbeatSchema,
  isTerminalEvent,
  JOB_EVENT_NAMES,
  jobDataSchema,
  narrationSchema,
  noticeCodeSchema,
  runningFileSchema,
} from '../../packages/contract/src/index.ts';
import { isEnded } from '../../packages/download-tracker/src/index.ts';
import { fieldsOf, type SchemaNode } from './schema-text.ts';
import { cell, column, foldersOf, readPage, sourceOf, tableUnder } from './support.ts';

const page = await readPage('docs/reference/events.md');
const homes = [...(await foldersOf('packages')), ...(await foldersOf('apps'))];

/** The fields under a heading; a unit is wanted for what is counted or measured. */
function documentedFields(heading: string): string[][] {
  return tableUnder(page, heading).rows.map((row) => [cell(row, 'Field'), cell(row, 'Type')]);
}

describe('docs/reference/events.md', () => {
  it('lists the events of a download stream, and which of them end it', () => {
    const documented = tableUnder(page, 'Download stream').rows.map((row) => [
      cell(row, 'Event'),
      cell(row, 'Ends the stream'),
    ]);
    expect(documented).toEqual(DOWNLOAD_EVENT_NAMES.map((name) => [name, isTerminalEvent(name) ? 'yes' : 'no']));
  });

  it('lists the events of a job stream', () => {
    expect(column(tableUnder(page, 'Job stream'), 'Event')).toEqual([...JOB_EVENT_NAMES, 'unnamed']);
  });

  it.each<[string, SchemaNode]>([
    ...Object.entries(downloadEventSchemas),
    ['narration', narrationSchema],
    ['data', jobDataSchema],
    ['heartbeat', hiveHeartbeatSchema],
    ['A file under way', runningFileSchema],
  ])('has every field of %s with its type', (name, schema) => {
    expect(documentedFields(name)).toEqual(fieldsOf(schema));
  });

  it.each(['progress', 'complete', 'error', 'cancelled', 'heartbeat', 'A file under way'])(
    'names the units in %s',
    (name) => {
      const units = [
        [/_secs$/, 's'],
        [/_bps$/, 'bytes/s'],
        [/^files_/, 'files'],
        [/^(?:bytes|bytes_\w+|total|\w+_bytes)$/, 'bytes'],
        [/^percent$/, '%'],
      ] as const;
      for (const row of tableUnder(page, name).rows) {
        const unit = units.find(([pattern]) => pattern.test(cell(row, 'Field')))?.[1];
        if (unit !== undefined) expect(row).toMatchObject({ Unit: unit });
      }
    },
  );

  it('lists every status, and which of them are ends', () => {
    const documented = tableUnder(page, 'Status').rows.map((row) => [cell(row, 'Status'), cell(row, 'Ended')]);
    expect(documented).toEqual(downloadStatusSchema.options.map((status) => [status, isEnded(status) ? 'yes' : 'no']));
  });

  it('lists every code of a notice, and whether anybody sends it', async () => {
    const rows = tableUnder(page, 'Notice codes').rows;
    expect(rows.map((row) => cell(row, 'Code'))).toEqual(noticeCodeSchema.options);
    const sources = {
      hive: await sourceOf('apps/hive', 'packages/transfer'),
      queen: await sourceOf('apps/queen'),
    };
    for (const row of rows) {
      const senders = Object.entries(sources).filter(([, text]) => text.includes(`'${cell(row, 'Code')}'`));
      expect([row, senders.map(([name]) => name).join() || 'nobody yet']).toEqual([row, cell(row, 'Sent by')]);
    }
  });

  it('lists every action that the sources narrate, and no other', async () => {
    const text = await sourceOf(...homes);
    const narrated = [...text.matchAll(/(?<!function )\bnarrate\(\s*([^,()]+(?:\(\))?[^,]*),/g)].flatMap(
      ([, first = '']) => actionsOf(first, text),
    );
    const made = [...text.matchAll(/\baction: '([a-z_]+)',\s*human\b/g)].flatMap(([, action = '']) => action);
    expect(narrated.length).toBeGreaterThan(5);
    expect(column(tableUnder(page, 'Actions'), 'Action').sort()).toEqual([...new Set([...narrated, ...made])].sort());
  });
});

/** The actions that the first argument of a `narrate` stands for: a text, a constant, or the name of each notice. */
function actionsOf(argument: string, text: string): string[] {
  const literal = /^'([a-z_]+)'$/.exec(argument)?.[1];
  if (literal !== undefined) return [literal];
  const constant = new RegExp(`const ${argument} = '([a-z_]+)'`).exec(text)?.[1];
  if (/^[A-Z_]+$/.test(argument) && constant !== undefined) return [constant];
  if (!/^`download_\$\{notice\.code\.toLowerCase\(\)\}`$/.test(argument))
    throw new Error(`what does narrate(${argument}) say?`);
  const codes = /interface TransferNotice \{\s*readonly code: ([^;]*);/.exec(text)?.[1]?.match(/[A-Z]+/g) ?? [];
  return codes.map((code) => `download_${code.toLowerCase()}`);
}
