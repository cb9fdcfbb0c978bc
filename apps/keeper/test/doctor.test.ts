import { createServer } from 'node:http';
import { type DoctorCheck, EXIT_CODES, RbeeError } from '@rbee/contract';
import { freePort } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judgeClock, judgeHives, judgeVersions } from '../src/operations/doctor-checks.ts';
import { type FakeQueen, hiveNamed, startFakeQueen } from './support/fake-queen.ts';
import { openKeeper, runKeeper } from './support/keeper.ts';

const check = (name: string, status: DoctorCheck['status'], message: string, hint?: string): DoctorCheck => ({
  check: name,
  status,
  message,
  ...(hint === undefined ? {} : { hint }),
  duration_secs: 0.1,
});
const LONG_HINT = 'where a proxy or a mirror of your own signs it, start the hive with NODE_EXTRA_CA_CERTS=FILE';

let queen: FakeQueen;
beforeEach(async () => {
  queen = await startFakeQueen();
});
afterEach(() => queen.close());

/** A fleet with a result of every kind. */
function beIll(): void {
  queen.hives.push(hiveNamed('gpu-2', { online: false, version: '0.0.9' }));
  queen.doctor = {
    hives: [
      {
        hive_id: 'gpu-1',
        online: true,
        checks: [
          check('dns', 'ok', 'hub.example is 192.0.2.1'),
          check(
            'tls',
            'failed',
            'the certificate of hub.example is signed by 模型公司, which is not trusted',
            LONG_HINT,
          ),
          check('token', 'skipped', 'not tested: hub.example was not reached'),
          check('disk_space', 'warning', '5.0 GB are free in /models\u001b[2J', 'free some'),
        ],
      },
      {
        hive_id: 'gpu-2',
        online: false,
        error: { code: 'HIVE_UNAVAILABLE', message: 'gpu-2 is offline', hint: 'start it' },
      },
    ],
  };
}

describe.each([60, 200])('doctor in a terminal of %i columns', (cols) => {
  it('has a line for each check, with a mark, the result and what to do', async () => {
    beIll();
    const terminal = openKeeper(['doctor'], { queen, cols, rows: 40 });
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.failed);
    const screen = terminal.screen();
    const lines = screen.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(cols);
    expect(lines.filter((line) => !line.startsWith(' ') && line !== '')).toEqual([
      'checking; this takes up to 25 s',
      'keeper',
      'hive gpu-1',
      'hive gpu-2',
      '2 failed, 3 warnings',
    ]);
    expect(screen).toMatch(/^ {2}✓ queen {7}http:\/\/127\.0\.0\.1:\d+ responded in \d+ ms$/m);
    expect(screen).toMatch(/^ {2}! hives {7}1 of 2 online\n {16}→ start the offline/m);
    expect(screen).toMatch(/^ {2}✗ tls {9}the certificate of hub\.example/m);
    expect(screen).toMatch(/^ {2}- token {7}not tested/m);
    expect(screen).toMatch(/^ {2}! disk_space {2}5\.0 GB are free in \/models \[2J\n {16}→ free some$/m);
    expect(screen).toMatch(/^ {2}✗ hive {8}gpu-2 is offline\n {16}→ start it$/m);
    expect(screen.replaceAll(/\s+/g, ' ')).toContain(LONG_HINT);
  });
});

describe('doctor', () => {
  it('exits with 0 if there are only warnings, and prints no escape codes into a pipe', async () => {
    beIll();
    queen.doctor = { hives: [{ hive_id: 'gpu-1', online: true, checks: [check('speed', 'warning', 'slow', 'wait')] }] };
    const { code, stdout } = await runKeeper(['doctor'], { queen });
    expect(code).toBe(EXIT_CODES.done);
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toContain('hive gpu-1\n  ! speed     slow\n              → wait\n\n3 warnings\n');
  });

  it('checks one named hive, and suggests the closest name', async () => {
    beIll();
    const { code, stdout } = await runKeeper(['doctor', '--hive', 'gpu-2', '--json'], { queen });
    expect(code).toBe(EXIT_CODES.failed);
    expect(JSON.parse(stdout)).toMatchObject({ queen_url: queen.url, hives: [queen.doctor.hives[1]] });
    const wrong = await runKeeper(['doctor', '--hive', 'gpu-3'], { queen });
    expect(wrong.code).toBe(EXIT_CODES.failed);
    expect(wrong.stderr).toContain('did you mean');
  });

  it('reports that a named queen does not respond, and what to do', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const { code, stdout } = await runKeeper(['doctor', '--json'], { queen: { url } });
    expect(code).toBe(EXIT_CODES.failed);
    const { keeper, hives } = JSON.parse(stdout);
    expect(keeper.checks).toMatchObject([
      { check: 'queen', status: 'failed', hint: expect.stringContaining('rbee-keeper up') },
    ]);
    expect(hives).toEqual([]);
  });

  it('reports a server that is not a queen', async () => {
    const server = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    const port = await new Promise<number>((resolve) => {
      server.once('listening', () => resolve((server.address() as { port: number }).port));
    });
    const { stdout } = await runKeeper(['doctor', '--json'], { queen: { url: `http://127.0.0.1:${port}` } });
    server.close();
    expect(JSON.parse(stdout).keeper.checks).toContainEqual(
      expect.objectContaining({ check: 'queen', status: 'failed', message: expect.stringContaining('is not a queen') }),
    );
  });

  it('reports a wrong token without printing it', async () => {
    await queen.close();
    queen = await startFakeQueen({ token: 'the-token-of-the-queen' });
    const { code, stdout, stderr } = await runKeeper(['doctor', '--token', 'some-other-token'], { queen });
    expect(code).toBe(EXIT_CODES.failed);
    expect(stdout).toMatch(/^ {2}✗ token {2}the token is not the right one\n {11}→ .*RBEE_API_TOKEN/m);
    expect(stdout + stderr).not.toContain('some-other-token');
    const { stdout: right } = await runKeeper(['doctor', '--token', 'the-token-of-the-queen'], { queen });
    expect(right).toContain('accepted by the queen');
  });

  it('reports its own checks and a queen without the doctor route', async () => {
    queen.refuses = ({ path }) =>
      path === '/v1/doctor' ? new RbeeError('ROUTE_NOT_FOUND', 'there is no such route') : null;
    const { code, stdout } = await runKeeper(['doctor', '--json'], { queen });
    expect(code).toBe(EXIT_CODES.failed);
    expect(JSON.parse(stdout).keeper.checks).toMatchObject([
      { check: 'queen', status: 'ok' },
      { check: 'clock', status: 'ok' },
      { check: 'token', status: 'ok' },
      { check: 'versions', status: 'ok' },
      { check: 'hives', status: 'failed', message: 'there is no such route' },
    ]);
  });
});

describe('the verdicts of the keeper', () => {
  const NOW = Date.parse('2026-03-01T12:00:00Z');
  const at = (ms: number) => new Date(ms).toUTCString();

  it.each([
    [at(NOW), 'ok'],
    [at(NOW - 4_000), 'ok'],
    [at(NOW - 3 * 3_600_000), 'warning'],
    [at(NOW + 3_600_000), 'warning'],
    ['soon', 'skipped'],
    [null, 'skipped'],
  ])('a queen whose date is %s: %s', (date, status) => {
    expect(judgeClock(date, NOW - 100, NOW + 100).status).toBe(status);
  });

  it('ignores a clock difference within the response time', () => {
    expect(judgeClock(at(NOW), NOW, NOW + 12_000).status).toBe('ok');
  });

  it('names each version if they differ', () => {
    expect(judgeVersions('0.2.0', '0.2.0', [hiveNamed('gpu-1', { version: null })]).status).toBe('ok');
    expect(judgeVersions('0.2.0', '0.1.0', [hiveNamed('gpu-1', { version: '0.2.0' })])).toMatchObject({
      status: 'warning',
      message: 'versions differ: the keeper 0.2.0, the queen 0.1.0, gpu-1 0.2.0',
    });
  });

  it('warns of a fleet without hives', () => {
    expect(judgeHives([])).toMatchObject({ status: 'warning', hint: expect.stringContaining('rbee-hive') });
    expect(judgeHives([hiveNamed('gpu-1')]).status).toBe('ok');
  });
});
