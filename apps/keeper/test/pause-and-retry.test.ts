import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT_CODES } from '@rbee/contract';
import {
  generateBytes,
  type Program,
  startHub,
  type TempDir,
  type TestHub,
  type TestTerminal,
  tempDir,
} from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openKeeper, runKeeper, startKeeper } from './support/keeper.ts';
import { realFleetEnv } from './support/real-fleet.ts';

/** These tests run the built daemons, as `up` starts them for users. */
const REF = 'hf:org/repo::file=model.gguf';
const SIZE = 8_000_000;
const SEED = 11;
/** Slow enough that only a part of the file has arrived when the hub holds back the rest. */
const SLOW_BYTES_PER_SECOND = 30_000;
/** Several programs start one after the other: on a busy machine each takes seconds. */
const START = { timeoutMs: 60_000 } as const;
const TEST_TIMEOUT_MS = 2 * START.timeoutMs;

let hub: TestHub;
let folder: TempDir;
let fleet: Program;
let queen: { readonly url: string };
let opened: { kill(): Promise<unknown> }[];
beforeEach(async () => {
  opened = [];
  hub = await startHub({ bytesPerSecond: SLOW_BYTES_PER_SECOND });
  hub.addRepo({ id: 'org/repo', files: { 'model.gguf': { size: SIZE, seed: SEED } } });
  folder = await tempDir();
  await mkdir(join(folder.path, 'tmp'));
  fleet = await startKeeper(['up', '--queen-port', '0', '--hive-port', '0'], { env: realFleetEnv(hub, folder) });
  await fleet.waitForLine(({ text }) => text.startsWith('Press Ctrl+C'), 'the addresses', START);
  queen = { url: /^queen +(http:\S+)$/m.exec(fleet.stdout())?.[1] ?? '' };
}, START.timeoutMs);
afterEach(async () => {
  await Promise.all(opened.map((program) => program.kill()));
  await fleet.kill();
  await hub.close();
  await folder.remove();
});

async function keeper(...words: readonly string[]) {
  return runKeeper(words, { queen });
}

describe('with real daemons', () => {
  it(
    'a download is paused and resumed by one keeper while another shows both in its bar, to the end',
    async () => {
      const id = (await keeper('pull', REF, '--detach')).stdout.trimEnd();
      const terminal: TestTerminal = openKeeper(['download', 'watch', id], { queen, cols: 100 });
      opened.push(terminal);
      const shows = (text: RegExp) => terminal.waitFor(() => text.test(terminal.screen()), `${text}`);
      await shows(/ (?!0\.0)\d+\.\d% /);
      hub.throttle(0);

      const paused = await keeper('download', 'pause', id);
      expect(paused).toMatchObject({ code: EXIT_CODES.done, stderr: '' });
      expect(paused.stdout).toMatch(/^dl-\S+: paused, [\d.]+ [kM]B of 8\.0 MB\n$/);
      await shows(/^model\.gguf .*%.* paused$/);
      const again = await keeper('download', 'pause', id);
      expect(again).toMatchObject({ code: EXIT_CODES.done, stdout: expect.stringContaining('already paused') });

      expect((await keeper('download', 'resume', id)).stdout).toMatch(/^dl-\S+: queued, /);
      await terminal.waitFor(() => !terminal.screen().includes('paused'), 'the resume');
      hub.throttle(null);
      expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
      const path = terminal
        .screen()
        .replace(/^.* done\n/, '')
        .replaceAll('\n', '');
      expect(await readFile(path)).toEqual(generateBytes({ size: SIZE, seed: SEED }));
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'a cancelled download is retried from its partial, and both can be cleared from the history',
    async () => {
      const pull = await startKeeper(['pull', REF, '--json'], { queen });
      opened.push(pull);
      await pull.waitForLine(({ json }) => json?.event === 'progress' && bytesOf(json) > 0, 'the first bytes');
      hub.throttle(0);
      const id = idOf(pull.lines[0]?.json);
      expect((await keeper('download', 'cancel', id)).stdout).toContain(`"rbee-keeper download retry ${id}"`);
      expect((await pull.exited).code).toBe(EXIT_CODES.failed);

      hub.throttle(null);
      const retried = await keeper('download', 'retry', id, '--json');
      expect(retried.code).toBe(EXIT_CODES.done);
      const events = retried.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      const { path } = events.find(({ event }) => event === 'complete').data;
      expect(await readFile(path)).toEqual(generateBytes({ size: SIZE, seed: SEED }));
      const shown = JSON.parse((await keeper('download', 'show', idOf(events[0]), '--json')).stdout);
      expect(shown).toMatchObject({ status: 'complete', retry_of: id, path });
      expect(shown.bytes_reused).toBeGreaterThan(0);

      expect((await keeper('download', 'clear', '--older-than', '7d')).stdout).toContain('removed no downloads');
      expect((await keeper('download', 'clear')).stdout).toContain('removed 2 downloads');
      expect((await keeper('download', 'list')).stdout).toBe('no downloads\n');
    },
    TEST_TIMEOUT_MS,
  );
});

type Json = Readonly<Record<string, unknown>> | null | undefined;

const dataOf = (event: Json) => (event?.data ?? {}) as { bytes?: number; download_id?: string };
const bytesOf = (event: Json): number => dataOf(event).bytes ?? 0;
const idOf = (event: Json): string => dataOf(event).download_id ?? '';
