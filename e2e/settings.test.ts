import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openTerminal, startProgram, type TempDir, tempDir } from '@rbee/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { BIN, type Daemon, startDaemon } from './support/fleet.ts';
import { hangUp } from './support/hang-up.ts';
import { readStream } from './support/sse.ts';

// Goal: an operator sees the effective settings and changes limits without a restart. Method: real daemons as processes, a
// real file, real signals. Failure shows as a setting that is not in force, a lost limit, or a secret in the output.

const TOKEN = 'a-token-of-sixteen-or-more';
let folder: TempDir;
let env: Record<string, string>;
beforeAll(async () => {
  folder = await tempDir();
  env = { HOME: folder.path, XDG_STATE_HOME: join(folder.path, 'state') };
});
afterAll(() => folder.remove());

async function printed(kind: 'hive' | 'queen', args: readonly string[], more: Record<string, string> = {}) {
  const program = await startProgram({
    command: process.execPath,
    args: [BIN[kind], '--print-config', ...args],
    env: { ...env, ...more },
  });
  return { ...(await program.exited), stdout: program.stdout(), stderr: program.stderr() };
}

const settingsOf = async ({ url }: Daemon, path: string) => (await api('GET', `${url}${path}`)).body;

describe('the line that says where a daemon listens', () => {
  it.each(
    (['hive', 'queen'] as const).flatMap((kind) => ['warn', 'error', 'fatal', 'silent'].map((level) => [kind, level])),
  )('[K13] is logged by a %s at the log level %s', async (kind, level) => {
    const args = kind === 'hive' ? ['--models-dir', join(folder.path, `models-${level}`)] : [];
    const stateDir = { [`RBEE_${kind.toUpperCase()}_STATE_DIR`]: join(folder.path, `${kind}-${level}`) };
    const daemon = await startDaemon(kind as 'hive' | 'queen', args, { ...env, ...stateDir, RBEE_LOG_LEVEL: level });
    try {
      expect((await fetch(`${daemon.url}/health`)).status).toBe(200);
      expect(daemon.program.stdout().trim().split('\n')).toHaveLength(1);
    } finally {
      await daemon.program.kill();
    }
  });
});

describe('--print-config', () => {
  it.each(['hive', 'queen'] as const)('of a %s prints a file that results in the same settings', async (kind) => {
    const first = await printed(kind, ['--port', '4711'], { RBEE_API_TOKEN: TOKEN, RBEE_LOG_LEVEL: 'warn' });
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^port = 4711 # --port$/m);
    expect(first.stdout).toMatch(/^log_level = "warn" # RBEE_LOG_LEVEL$/m);
    expect(first.stdout).toMatch(/^# api_token is set, fingerprint [0-9a-f]{6} \(RBEE_API_TOKEN\)$/m);
    expect(first.stdout).not.toContain(TOKEN);
    const file = join(folder.path, `${kind}.toml`);
    await writeFile(file, first.stdout);
    const second = await printed(kind, ['--config', file], { RBEE_API_TOKEN: TOKEN });
    expect(second).toMatchObject({ code: 0, stderr: '' });
    const bare = (text: string) => text.replaceAll(/ (?:# .*|\(.*\))$/gm, '');
    expect(bare(second.stdout)).toBe(bare(first.stdout));
  });

  it('prints the settings and every problem together, with exit code 78', async () => {
    const file = join(folder.path, 'bad.toml');
    await writeFile(file, 'colour = "red"\nstall_timeout = "soon"\nqueen_url = "http://127.0.0.1:1"\n');
    const args = ['--config', file, '--port', '99999', '--speed=1', '--host', '0.0.0.0'];
    const { code, stdout, stderr } = await printed('hive', args, { RBEE_LOG_LEVEL: 'loud' });
    expect(code).toBe(78);
    expect(stdout).toContain('queen_url = "http://127.0.0.1:1"');
    expect(stdout).toContain('# port is not valid (--port)');
    expect(stderr.match(/^ {2}- /gm)).toHaveLength(6);
    expect(stderr).toMatch(
      /"colour" is not a setting[\s\S]*--port[\s\S]*stall_timeout[\s\S]*RBEE_LOG_LEVEL[\s\S]*0\.0\.0\.0 requires/,
    );
    expect(stderr).toMatch(/--speed is not a setting/);
  });
});

describe('the OpenAPI document', () => {
  it.each(['hive', 'queen'] as const)('of a %s names routes that it serves', async (kind) => {
    const args = kind === 'hive' ? ['--models-dir', join(folder.path, 'documented')] : [];
    const { url, program } = await startDaemon(kind, args, env);
    const { paths } = (await api('GET', `${url}/openapi.json`)).body as { paths: Record<string, object> };
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => [method, path]),
    );
    expect(operations.length).toBeGreaterThan(15);
    for (const [method = '', path = ''] of operations) {
      const leave = new AbortController();
      const answer = await fetch(url + path.replace('{id}', 'nothing'), {
        method: method.toUpperCase(),
        signal: leave.signal,
      });
      const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream') === true;
      const said = isStream ? '' : await answer.text();
      expect(`${method} ${path} ${said}`).not.toMatch(/ROUTE_NOT_FOUND|METHOD_NOT_ALLOWED/);
      leave.abort();
    }
    expect(await program.stop()).toBe(0);
  });
});

describe('SIGHUP', () => {
  it('applies what changed in the file, keeps what was set over HTTP, and lists what needs a restart', async () => {
    const file = join(folder.path, 'live.toml');
    await writeFile(file, 'max_bandwidth = "50MB/s"\n');
    const models = join(folder.path, 'models');
    const hive = await startDaemon('hive', ['--config', file, '--models-dir', models], env);
    await api('PATCH', `${hive.url}/v2/settings`, { max_bandwidth: '10MB/s' });
    expect(await hangUp(hive.program)).toMatchObject({ changed: {}, needsRestart: [] });
    expect(await settingsOf(hive, '/v2/settings')).toMatchObject({ max_bandwidth: 10_000_000 });

    await writeFile(
      file,
      'max_bandwidth = "20MB/s"\nmax_concurrent_downloads = 7\nallowed_sources = ["hf"]\nid = "other"\nlog_level = "debug"\n',
    );
    expect(await hangUp(hive.program)).toMatchObject({
      changed: { max_bandwidth: 20_000_000, max_concurrent_downloads: 7, allowed_sources: 'hf', log_level: 'debug' },
      needsRestart: ['id'],
    });
    expect(await settingsOf(hive, '/v2/settings')).toEqual({ max_bandwidth: 20_000_000, max_concurrent_downloads: 7 });
    expect((await settingsOf(hive, '/v1/info'))['settings']).toMatchObject({
      log_level: 'debug',
      allowed_sources: 'hf',
    });
    const refused = await api('POST', `${hive.url}/v1/jobs`, { operation: 'model_download', model: 'https://h/x' });
    expect(refused.body).toMatchObject({ error: { code: 'SOURCE_NOT_ALLOWED' } });

    await writeFile(file, 'max_bandwidth = "plenty"\ncolour = "red"\n');
    const refusedFile = await hangUp(hive.program);
    expect(refusedFile['problems']).toHaveLength(2);
    expect(await settingsOf(hive, '/v2/settings')).toEqual({ max_bandwidth: 20_000_000, max_concurrent_downloads: 7 });
    expect(await hive.program.stop()).toBe(0);
  });

  it('disables a source for retries too', async () => {
    const file = join(folder.path, 'sources.toml');
    await writeFile(file, 'allowed_sources = ["http"]\n');
    const args = ['--config', file, '--models-dir', join(folder.path, 'sources')];
    const hive = await startDaemon('hive', args, { ...env, RBEE_HIVE_STATE_DIR: join(folder.path, 'sources-state') });
    const { download_id } = await startDownload(hive.url, 'http://127.0.0.1/private.gguf');
    const events = await (await readStream(`${hive.url}/v2/downloads/${download_id}/stream`)).toEnd();
    expect(events.at(-1)?.event).toBe('error');
    await writeFile(file, 'allowed_sources = ["hf"]\n');
    expect(await hangUp(hive.program)).toMatchObject({ changed: { allowed_sources: 'hf' } });
    const refused = await api('POST', `${hive.url}/v2/downloads/${download_id}/retry`);
    expect(refused).toMatchObject({
      status: 403,
      body: { error: { code: 'SOURCE_NOT_ALLOWED', message: 'this hive does not download http: refs' } },
    });
    expect(await hive.program.stop()).toBe(0);
  });

  it('gives a queen a new budget and a new token', async () => {
    const file = join(folder.path, 'live-queen.toml');
    await writeFile(file, '');
    const queen = await startDaemon('queen', ['--config', file], env);
    await writeFile(file, `max_bandwidth = "30MB/s"\napi_token = "${TOKEN}"\n`);
    const answer = await hangUp(queen.program);
    expect(answer).toMatchObject({ changed: { max_bandwidth: 30_000_000, api_token: '(secret)' } });
    expect(await settingsOf(queen, '/v1/settings')).toMatchObject({ error: { code: 'API_KEY_MISSING' } });
    const headers = { authorization: `Bearer ${TOKEN}` };
    const settings = await (await fetch(`${queen.url}/v1/settings`, { headers })).json();
    expect(settings).toEqual({ max_bandwidth: 30_000_000 });
    expect(await queen.program.stop()).toBe(0);
    expect(queen.program.stdout()).not.toContain(TOKEN);
  });

  it('from a closed terminal ends the daemon', async () => {
    const terminal = openTerminal({
      command: process.execPath,
      args: [BIN.queen, '--port', '0', '--state-dir', join(folder.path, 'terminal')],
      env,
    });
    await terminal.waitFor(() => terminal.raw().includes('"listening"'), 'the queen to listen');
    terminal.hangUp();
    expect(await terminal.exited).toEqual({ exitCode: 0, signal: null });
  });
});
