import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Program, startProgram, startWebServer } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { BIN, type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';

// Goal: a hive needs one writable folder, uses what it cannot write to, and never writes to another disk than that of its
// start. Method: the built hive as another user, and real mounts. Only root can make both.

const run = promisify(execFile);
const SIZE = 1_000_000;
const FILE = { 'model.gguf': { size: SIZE, seed: 3 } };
const REF = 'hf:org/model::file=model.gguf';
const NOBODY = 65_534;
const AS_NOBODY = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'];

describe.skipIf(process.getuid?.() !== 0)('the folder of a store', () => {
  let fleet: Fleet;
  const programs: Program[] = [];
  const mounts: string[] = [];
  beforeEach(async () => {
    fleet = await startFleet({ hiveEnv: { RBEE_HIVE_ALLOWED_SOURCES: 'hf,http' } });
    fleet.hub.addRepo({ id: 'org/model', files: FILE });
    await chmod(fleet.folder, 0o755);
  });
  afterEach(async () => {
    for (const program of programs.splice(0)) await program.kill();
    for (const mount of mounts.splice(0).toReversed()) await run('umount', ['--lazy', mount]).catch(() => {});
    await fleet.close();
  });

  const at = (...parts: string[]) => join(fleet.folder, ...parts);

  /** A hive without a queen, run by `command`, over the store `<name>/models`. */
  async function startHive(name: string, command: readonly string[] = []): Promise<Program> {
    const state = at(`state-${name}-${programs.length}`);
    await mkdir(state, { recursive: true });
    await chown(state, NOBODY, NOBODY);
    const [program = '', ...args] = [...command, process.execPath, BIN.hive, '--models-dir', at(name, 'models')];
    const env = {
      ...{ HOME: state, HF_ENDPOINT: fleet.hub.url, RBEE_HIVE_ID: 'alone', RBEE_HIVE_PORT: '0' },
      ...{ RBEE_HIVE_STATE_DIR: state, RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true', RBEE_HIVE_ALLOWED_SOURCES: 'hf,http' },
    };
    const hive = await startProgram({ command: program, args, env });
    programs.push(hive);
    return hive;
  }

  async function urlOf(hive: Program): Promise<string> {
    const line = await hive.waitForLine(({ json }) => json?.['msg'] === 'listening', 'the hive to listen', {
      timeoutMs: 60_000,
    });
    return String(line.json?.['url']);
  }

  async function download(url: string, ref: string): Promise<Record<string, unknown>> {
    const { download_id } = await startDownload(url, ref);
    const events = await (await readStream(`${url}/v2/downloads/${download_id}/stream`)).toEnd();
    return { event: events.at(-1)?.event, ...jsonOf(events.at(-1)) };
  }

  /** A store that a hive has filled. */
  async function fill(name: string): Promise<void> {
    await mkdir(at(name, 'models'), { recursive: true });
    const hive = await startHive(name);
    expect(await download(await urlOf(hive), REF)).toMatchObject({ event: 'complete' });
    await hive.kill();
  }

  it('[E2] is the only one that a hive has to write to, for models of every source', async () => {
    const web = await startWebServer();
    await mkdir(at('split', 'models'), { recursive: true });
    await chown(at('split', 'models'), NOBODY, NOBODY);
    const url = await urlOf(await startHive('split', AS_NOBODY));
    expect(await download(url, REF)).toMatchObject({ event: 'complete' });
    const remote = web.put('/model.gguf', { content: { size: SIZE, seed: 3 } });
    expect(await download(url, remote)).toMatchObject({ event: 'complete' });
    expect(await readdir(at('split'))).toEqual(['models']);
    const { body } = await api('GET', `${url}/v1/info`);
    expect(body).not.toHaveProperty('other_free_bytes');
    await web.close();
  });

  it.each([
    ['models folder', [] as string[]],
    ['folder of locks', ['.locks']],
  ])('[E2] is tested at the start: a %s that cannot be written is named', async (_, parts) => {
    await mkdir(at('theirs', 'models', '.locks'), { recursive: true });
    await chown(at('theirs', 'models'), NOBODY, NOBODY);
    await chown(at('theirs', 'models', ...parts), 0, 0);
    const hive = await startHive('theirs', AS_NOBODY);
    await hive.exited;
    expect(hive.stderr() + hive.stdout()).toContain(`cannot write ${at('theirs', 'models', ...parts)}`);
  });

  it('[E6] that somebody else has filled is used without a write to it', async () => {
    await fill('shared');
    await chown(at('shared', 'models'), NOBODY, NOBODY);
    await run('chown', ['-R', String(NOBODY), at('shared', 'models', '.locks')]);
    await rm(at('shared', 'models', 'models--org--model', '.rbee'), { recursive: true });
    fleet.hub.clearRequests();
    const url = await urlOf(await startHive('shared', AS_NOBODY));
    expect(await download(url, REF)).toMatchObject({ event: 'complete', bytes: SIZE });
    expect(fleet.hub.requests.filter(({ server, method }) => server === 'cdn' && method === 'GET')).toEqual([]);
    const { body } = await api('GET', `${url}/v2/models`);
    expect(body['models']).toHaveLength(1);
  });

  it('[E6] that somebody else has begun names the path that cannot be written, before the first byte', async () => {
    await fill('shared');
    await chown(at('shared', 'models'), NOBODY, NOBODY);
    await run('chown', ['-R', String(NOBODY), at('shared', 'models', '.locks')]);
    fleet.hub.addRepo({ id: 'org/model', files: { ...FILE, 'other.gguf': { size: SIZE, seed: 4 } } });
    fleet.hub.clearRequests();
    const url = await urlOf(await startHive('shared', AS_NOBODY));
    const end = await download(url, 'hf:org/model::file=other.gguf');
    expect(end).toMatchObject({ event: 'error', code: 'STORE_NOT_WRITABLE', bytes: 0 });
    expect(JSON.stringify(end)).toContain(at('shared', 'models', 'models--org--model'));
    expect(fleet.hub.requests.filter(({ server, method }) => server === 'cdn' && method === 'GET')).toEqual([]);
  });

  it('[E6] on a read-only mount keeps a hive from starting, with the path', async () => {
    await fill('fixed');
    await run('mount', ['--bind', at('fixed', 'models'), at('fixed', 'models')]);
    mounts.push(at('fixed', 'models'));
    await run('mount', ['-o', 'remount,bind,ro', at('fixed', 'models')]);
    const hive = await startHive('fixed');
    await hive.exited;
    expect(hive.stderr() + hive.stdout()).toContain(`cannot write ${at('fixed', 'models')} (EROFS)`);
  });

  it('[E3] whose disk is unmounted gets no byte on the disk below, and doctor says so', async () => {
    await mkdir(at('disk', 'models'), { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=2g', 'tmpfs', at('disk', 'models')]);
    mounts.push(at('disk', 'models'));
    const url = await urlOf(await startHive('disk'));
    await run('umount', ['--lazy', at('disk', 'models')]);
    const end = await download(url, REF);
    expect(end).toMatchObject({ event: 'error', code: 'STORE_NOT_WRITABLE', bytes: 0 });
    expect(JSON.stringify(end)).toContain(at('disk', 'models'));
    expect(await readdir(at('disk', 'models'))).toEqual([]);
    const { body } = await api('GET', `${url}/v1/doctor`);
    const checks = body['checks'] as { check: string; status: string; message: string }[];
    const store = checks.find(({ check }) => check === 'store');
    expect(store).toMatchObject({ status: 'failed', message: expect.stringContaining('another disk') });
  });

  it('[E2] of an older version on another disk stays there, and is read and written through a link', async () => {
    const web = await startWebServer();
    const remote = web.put('/model.gguf', { content: { size: SIZE, seed: 3 } });
    const beside = at('split', 'rbee');
    await mkdir(join(beside), { recursive: true });
    await mkdir(at('split', 'models'), { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=2g', 'tmpfs', beside]);
    mounts.push(beside);
    const [commit, digest] = ['a'.repeat(40), 'b'.repeat(64)];
    const place = join(beside, 'http', 'models', 'host-old');
    await mkdir(join(place, 'snapshots', commit), { recursive: true });
    await mkdir(join(place, 'blobs'));
    await mkdir(join(place, 'refs'));
    await writeFile(join(place, 'blobs', digest), 'old');
    await symlink(`../../blobs/${digest}`, join(place, 'snapshots', commit, 'old.gguf'));
    const model_ref = 'http://host/old.gguf';
    const entry = {
      ...{
        version: 1,
        model_id: `m-${createHash('sha256').update(model_ref).digest('hex').slice(0, 12)}`,
        model_ref,
        place: 'http:host-old',
        revision: commit,
        commit,
      },
      files: [{ path: 'old.gguf', blob: digest, bytes: 3, sha256: null }],
      downloaded_at: '2026-01-01T00:00:00.000Z',
    };
    const catalog = join(beside, 'catalog', 'models', `${entry.model_id}.json`);
    await mkdir(dirname(catalog), { recursive: true });
    await writeFile(catalog, JSON.stringify(entry));
    for (let start = 0; start < 2; start += 1) {
      const hive = await startHive('split');
      const url = await urlOf(hive);
      const { body } = await api('GET', `${url}/v2/models`);
      expect((body['models'] as { model_ref: string }[]).map((model) => model.model_ref)).toContain(model_ref);
      expect(await download(url, remote)).toMatchObject({ event: 'complete' });
      await hive.kill();
    }
    const link = at('split', 'models', 'models--rbee.http--host-old');
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await readFile(join(link, 'blobs', digest), 'utf8')).toBe('old');
    await web.close();
  });

  it('[F1] is held over PID namespaces, as in two containers, and when .locks is deleted', async () => {
    await mkdir(at('owned', 'models'), { recursive: true });
    const inNamespace = ['unshare', '-pf', '--kill-child=KILL', '--mount-proc'];
    await urlOf(await startHive('owned', inNamespace));
    const second = await startHive('owned', inNamespace);
    await second.exited;
    expect(second.stderr() + second.stdout()).toContain('owns this store');
    await rm(at('owned', 'models', '.locks'), { recursive: true });
    const third = await startHive('owned');
    await third.exited;
    expect(third.stderr() + third.stdout()).toContain('owns this store');
  });
});
