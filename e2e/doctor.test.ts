import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { findCommand, makeCertificate } from '@rbee/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fleet, startFleet } from './support/fleet.ts';

// Goal: the keeper's command finds what is wrong on a machine. Method: the built programs, each hive with one problem on its
// way to the hub, and a terminal whose screen is read. Failure shows as a line that is missing or wrong.

const HIVE_CHECKS = 'dns proxy tls clock token hub range speed disk_space disk_speed store'.split(' ');

interface DoctorCheck {
  readonly check: string;
  readonly status: string;
  readonly message: string;
}
interface ExaminedHive {
  readonly hive_id: string;
  readonly checks?: readonly DoctorCheck[];
  readonly error?: unknown;
}

const TOKEN = 'hf_the-secret-of-the-hub';
const SAMPLE = { id: 'openai-community/gpt2', files: { 'model.safetensors': { size: 6_000_000, seed: 5 } } };

let fleet: Fleet;
let secure: Server;
beforeAll(async () => {
  const tokens = { [TOKEN]: { user: 'somebody', repos: [] } };
  fleet = await startFleet({ hub: { tokens }, hiveIds: ['well'], hiveEnv: { HF_TOKEN: TOKEN } });
  fleet.hub.addRepo(SAMPLE);
  const { certificateFile, keyFile } = await makeCertificate(fleet.folder);
  const files = { cert: readFileSync(certificateFile), key: readFileSync(keyFile) };
  secure = createServer(files, (request, response) => {
    response.writeHead(request.url === '/api/whoami-v2' ? 401 : 404).end();
  });
  secure.listen(0, '127.0.0.1');
  await once(secure, 'listening');
  const endpoint = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`;
  await fleet.addHive('old-token', { HF_TOKEN: `${TOKEN}-of-last-year` });
  await fleet.addHive('untrusting', { HF_ENDPOINT: endpoint, HF_TOKEN: '' });
  await fleet.addHive('trusting', { HF_ENDPOINT: endpoint, HF_TOKEN: '', NODE_EXTRA_CA_CERTS: certificateFile });
});
afterAll(async () => {
  await fleet.close();
  secure.closeAllConnections();
  secure.close();
});

async function examine(words: readonly string[]) {
  const keeper = await fleet.keeper(['doctor', '--json', ...words]);
  const { code } = await keeper.exited;
  const { hives } = JSON.parse(keeper.stdout()) as { readonly hives: readonly ExaminedHive[] };
  const found = (name: string): Readonly<Record<string, DoctorCheck>> => {
    const checks = hives.find(({ hive_id }) => hive_id === name)?.checks ?? [];
    return Object.fromEntries(checks.map((check) => [check.check, check]));
  };
  return { code, text: keeper.stdout(), hives, found };
}

describe.skipIf(findCommand('openssl') === null)('the doctor of a fleet', () => {
  it.each([60, 200])('says in %i columns what is wrong at which hive, and what to do', async (cols) => {
    const terminal = fleet.keeperInTerminal(['doctor'], { cols, rows: 120 });
    expect((await terminal.exited).exitCode).toBe(1);
    const lines = terminal.screen().split('\n');
    expect(lines.filter((line) => line.length >= cols)).toEqual([]);
    const of = (name: string) => {
      const from = lines.indexOf(`hive ${name}`);
      return lines.slice(from, lines.indexOf('', from)).join(' ').replaceAll(/\s+/g, ' ');
    };
    expect(of('old-token')).toMatch(/✗ token 127\.0\.0\.1:\d+ rejects the token → create another at/);
    expect(of('untrusting')).toMatch(/✗ tls .* does not trust .*NODE_EXTRA_CA_CERTS/);
    expect(of('untrusting')).toMatch(/✗ hub .* → see tls/);
    expect(of('trusting')).toMatch(/✓ tls|! tls/);
    expect(of('well')).toMatch(/✓ token .*accepts the token of somebody - |✓ token .*accepts the token of somebody ✓ /);
  });

  it('exits with 0 for a healthy hive, uses its token at the hub, and prints no secret', async () => {
    const { code, text, hives, found } = await examine(['--hive', 'well']);
    const failed = hives.flatMap(({ checks = [] }) => checks).filter(({ status }) => status === 'failed');
    // The free space depends on the machine that runs the test.
    expect(failed.filter(({ check }) => check !== 'disk_space')).toEqual([]);
    expect(code).toBe(failed.length === 0 ? 0 : 1);
    expect(hives.map(({ hive_id }) => hive_id)).toEqual(['well']);
    expect(Object.keys(found('well'))).toEqual(HIVE_CHECKS);
    expect(found('well')['range']?.status).toBe('ok');
    expect(text).not.toContain(TOKEN);
    expect(text).not.toContain('Signature=');
  });

  it('trusts the same chain if NODE_EXTRA_CA_CERTS names its authority', async () => {
    const { found } = await examine([]);
    expect(found('trusting')['tls']?.message).toMatch(/127\.0\.0\.1.* \d{4}-\d{2}-\d{2}$/);
    expect(found('trusting')['hub']?.status).toBe('ok');
    expect(found('untrusting')['tls']?.status).toBe('failed');
  });

  it('reports a hive that is down along with the results of the others', async () => {
    const gone = fleet.hives.find(({ id }) => id === 'trusting');
    await gone?.program.kill();
    const { code, hives, found } = await examine([]);
    expect(code).toBe(1);
    expect(hives.find(({ hive_id }) => hive_id === 'trusting')?.error).toMatchObject({
      code: 'HIVE_UNAVAILABLE',
      hint: expect.stringContaining(gone?.url ?? ''),
    });
    expect(found('well')['hub']?.status).toBe('ok');
  });
});
