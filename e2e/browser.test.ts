import { findCommand } from '@rbee/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startDownload } from './support/api.ts';
import { type Browser, startBrowser } from './support/browser.ts';
import { type Fleet, startFleet } from './support/fleet.ts';

/*
 * Goal: a page of the queen's origin can follow a download with EventSource, and a page of another site cannot.
 * Method: Chromium, the daemons as processes, a download that the hub holds until the page has its stream. A failure
 * shows as a stream that never closes, or as a missing or repeated event.
 */
const command = findCommand('chromium');
const isMissing = command === null && process.env['CI'] !== 'true';
const SIZE = 4_000_000;
const LIMIT_MS = 90_000;

let browser: Browser;
let fleet: Fleet;
beforeAll(async () => {
  if (!isMissing) browser = await startBrowser(command ?? 'chromium');
}, LIMIT_MS);
afterAll(() => browser?.close());
beforeEach(async () => {
  if (isMissing) return;
  fleet = await startFleet();
  fleet.hub.addRepo({ id: 'org/model', files: { 'model.gguf': { size: SIZE, seed: 2 } } });
  fleet.hub.throttle(0);
});
afterEach(() => fleet?.close());

/** Follows a stream until it is closed for good, and records every event's name and data in order. */
const FOLLOW = `
  const seen = [];
  const source = new EventSource(url);
  window.seen = seen;
  for (const name of ['progress', 'notice', 'complete', 'error', 'cancelled']) {
    source.addEventListener(name, (event) => {
      if (event.data !== undefined) seen.push({ name, id: event.lastEventId, data: JSON.parse(event.data) });
    });
  }
  window.whenClosed = new Promise((resolve) => {
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) resolve(seen); };
  });
  return new Promise((resolve) => {
    source.onopen = () => resolve('open');
    window.whenClosed.then(() => resolve('refused'));
  });`;

interface Seen {
  readonly name: string;
  readonly id: string;
  readonly data: Record<string, unknown>;
}

describe.skipIf(isMissing)("a browser's EventSource", () => {
  it(
    "follows a download on the queen's own origin, and closes for good at its end",
    async () => {
      const { download_id } = await startDownload(fleet.queen.url, 'hf:org/model::file=model.gguf');
      const page = await browser.open(`${fleet.queen.url}/health`);
      expect(await page.run(`const url = '/v1/downloads/${download_id}/stream'; ${FOLLOW}`)).toBe('open');
      fleet.hub.throttle(null);
      const seen = (await page.run('return await window.whenClosed')) as Seen[];
      expect(seen.map(({ name }) => name).filter((name) => name !== 'progress')).toEqual(['complete']);
      expect(seen[0]).toMatchObject({ name: 'progress', data: { orchestrator_id: 'queen-1', hive_id: 'hive-a' } });
      expect(seen.at(-1)).toMatchObject({ name: 'complete', data: { download_id, bytes: SIZE, total: SIZE } });
      const numbers = seen.map(({ id }) => Number(id.split('.')[1]));
      expect(numbers).toEqual([...new Set(numbers)].toSorted((one, other) => one - other));
    },
    LIMIT_MS,
  );

  it(
    'continues with the same download after a restart of the queen',
    async () => {
      const { download_id } = await startDownload(fleet.queen.url, 'hf:org/model::file=model.gguf');
      const page = await browser.open(`${fleet.queen.url}/health`);
      expect(await page.run(`const url = '/v1/downloads/${download_id}/stream'; ${FOLLOW}`)).toBe('open');
      await fleet.queen.program.kill();
      await fleet.restartQueen();
      fleet.hub.throttle(null);
      const seen = (await page.run('return await window.whenClosed')) as Seen[];
      expect(seen.filter(({ name }) => name === 'complete')).toHaveLength(1);
      expect(seen.at(-1)).toMatchObject({ name: 'complete', data: { download_id, bytes: SIZE } });
    },
    LIMIT_MS,
  );

  it(
    'is rejected for a page of another site',
    async () => {
      const { download_id } = await startDownload(fleet.queen.url, 'hf:org/model::file=model.gguf');
      // Another port is another origin.
      const page = await browser.open(`${fleet.hive.url}/health`);
      const url = `${fleet.queen.url}/v1/downloads/${download_id}/stream`;
      expect(await page.run(`const url = '${url}'; ${FOLLOW}`)).toBe('refused');
      expect(await page.run('return window.seen')).toEqual([]);
    },
    LIMIT_MS,
  );
});
