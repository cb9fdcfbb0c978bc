import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EXIT_CODES, RbeeError } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exitCodeTable } from '../../src/errors/exit-codes.ts';
import { type FakeQueen, startFakeQueen } from '../support/fake-queen.ts';
import { runKeeper } from '../support/keeper.ts';

let queen: FakeQueen;
beforeEach(async () => {
  queen = await startFakeQueen();
});
afterEach(() => queen.close());

describe('help', () => {
  it('is printed without arguments, and exits with 0', async () => {
    const { code, stdout, stderr } = await runKeeper([]);
    expect({ code, stderr }).toEqual({ code: EXIT_CODES.done, stderr: '' });
    expect(stdout).toContain('Usage: rbee-keeper');
    expect(stdout).toContain(exitCodeTable());
  });

  it('names every exit code of the contract', () => {
    for (const code of Object.values(EXIT_CODES)) expect(exitCodeTable()).toMatch(new RegExp(`^  ${code}\\b`, 'm'));
  });

  it.each([
    ['model', 'download'],
    ['model', 'plan'],
    ['model', 'list'],
    ['model', 'get'],
    ['model', 'remove'],
    ['model', 'verify'],
    ['model', 'prune'],
    ['download', 'list'],
    ['download', 'show'],
    ['download', 'watch'],
    ['download', 'pause'],
    ['download', 'resume'],
    ['download', 'retry'],
    ['download', 'cancel'],
    ['download', 'clear'],
    ['job', 'list'],
    ['job', 'watch'],
    ['job', 'cancel'],
    ['hive', 'list'],
    ['hive', 'limit'],
    ['completion'],
    ['status'],
    ['up'],
  ])('shows an example for %s %s', async (...words) => {
    const { code, stdout } = await runKeeper([...words, '--help']);
    expect(code).toBe(EXIT_CODES.done);
    expect(stdout).toMatch(/Examples?:\n {2}\$ rbee-keeper /);
  });

  it('shows the version', async () => {
    expect(await runKeeper(['--version'])).toMatchObject({ code: EXIT_CODES.done, stdout: '0.1.0\n' });
  });
});

describe('wrong usage exits with 2 before any request', () => {
  it.each([
    ['an unknown command', ['modle'], "unknown command 'modle' (Did you mean model?)"],
    ['a group without its command', ['model'], 'Usage: rbee-keeper model'],
    ['an unknown option', ['pull', 'org/repo', '--inclde', '*.gguf'], 'Did you mean --include?'],
    ['a missing ref', ['model', 'download'], "missing required argument 'model'"],
    ['a malformed ref', ['pull', 'hf:org/repo::file=../x'], 'hint:'],
    ['one malformed ref among good ones', ['pull', 'org/repo', 'nonsense'], 'hint:'],
    ['an invalid hash', ['pull', 'org/repo', '--sha256', 'abc'], '64 hex digits'],
    ['one hash for two files', ['pull', 'org/a', 'org/b', '--sha256', 'ab'.repeat(32)], 'one model name'],
    ['hives by name and all of them', ['pull', 'org/a', '--hive', 'x', '--all-hives'], 'cannot be used with'],
    ['an invalid hive name', ['pull', 'org/a', '--hive', '../x'], 'not the name of a hive'],
    ['an invalid bandwidth', ['pull', 'org/a', '--max-bandwidth', 'fast'], 'write it like 50MB/s'],
    ['an invalid priority', ['pull', 'org/a', '--priority', '1.5'], 'not a whole number'],
    ['a priority out of range', ['pull', 'org/a', '--priority', '1000001'], 'from -1000000 to 1000000'],
    ['an invalid age', ['download', 'clear', '--older-than', 'a week'], 'write it like 100ms, 10s'],
    ['a status in which none has ended', ['download', 'clear', '--status', 'paused'], 'Allowed choices are complete'],
    ['a download to show without its id', ['download', 'show'], "missing required argument 'id'"],
    ['an invalid id', ['download', 'cancel', 'x!'], 'not the id of a download'],
    ["a job's id in place of a download's", ['download', 'cancel', 'job-12'], 'is the id of a job'],
    ['a limit without its speed', ['hive', 'limit', 'gpu-1'], "required option '--max-bandwidth"],
    ['a limit of no hive', ['hive', 'limit', '../x', '--max-bandwidth', '0'], 'not the name of a hive'],
    ["a download's id in place of a model's", ['model', 'get', 'dl-12'], 'is the id of a download'],
    ['an invalid model', ['model', 'remove', 'x!'], 'hint:'],
    ['a malformed ref to plan', ['model', 'plan', 'hf:org/../x'], 'hint:'],
    ['an unknown shell', ['completion', 'csh'], 'Allowed choices are bash, zsh, fish'],
    ['an invalid port', ['up', '--queen-port', '70000'], 'from 0 to 65535'],
    ['a queen that is no URL', ['ls', '--queen', 'localhost'], '--queen names the queen "localhost", which is unknown'],
    ['a queen with credentials', ['ls', '--queen', 'http://u:p@host'], 'contains credentials'],
  ])('%s', async (_, words, said) => {
    const { code, stdout, stderr } = await runKeeper(words, { queen });
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.usage, stdout: '' });
    expect(stderr).toContain(said);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(queen.requests).toEqual([]);
  });

  it('prints the error as JSON on stdout with --json, wherever that is', async () => {
    const { code, stdout } = await runKeeper(['pull', '--nope', '--json']);
    expect(code).toBe(EXIT_CODES.usage);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'USAGE', message: "unknown option '--nope'" } });
  });

  it('includes a request that the queen rejects as invalid', async () => {
    queen.refuses = () => new RbeeError('REQUEST_INVALID', 'the hash is odd', { hint: 'leave it out' });
    const { code, stdout } = await runKeeper(['pull', 'org/repo', '--json'], { queen });
    expect(code).toBe(EXIT_CODES.usage);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'REQUEST_INVALID',
      hint: 'leave it out',
      details: { queen_url: queen.url },
    });
  });
});

describe('an unreachable queen', () => {
  it('exits with 3, and shows its address and what to do', async () => {
    await queen.hangUp();
    const { code, stdout, stderr } = await runKeeper(['model', 'list'], { queen });
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.unreachable, stdout: '' });
    expect(stderr).toBe(
      `error: no queen responds at ${queen.url} (connection refused)\n` +
        'hint: start one with "rbee-keeper up", or name another with --queen or RBEE_QUEEN_URL\n',
    );
  });

  it('exits with 3 for a download too if the queen was named', async () => {
    await queen.hangUp();
    const { code, stdout } = await runKeeper(['pull', 'org/repo', '--json'], { queen });
    expect(code).toBe(EXIT_CODES.unreachable);
    expect(JSON.parse(stdout).error.code).toBe('QUEEN_UNREACHABLE');
  });

  it('exits with 3 if a hive is unavailable', async () => {
    queen.refuses = () => new RbeeError('HIVE_UNAVAILABLE', 'no hive is online');
    expect((await runKeeper(['pull', 'org/repo'], { queen })).code).toBe(EXIT_CODES.unreachable);
  });

  it('differs from a server that is not a queen', async () => {
    const other = createServer((_, response) => response.writeHead(404).end('<h1>not here</h1>'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { code, stderr } = await runKeeper(['hive', 'list'], { queen: { url } });
    other.close();
    expect(code).toBe(EXIT_CODES.failed);
    expect(stderr).toContain(`the server at ${url} is not a queen of this version: it responded with HTTP 404`);
  });

  it('differs from a queen of another version', async () => {
    queen.refuses = () => ({ status: 200, body: { hives: 'many' } });
    const { code, stderr } = await runKeeper(['hive', 'list'], { queen });
    expect(code).toBe(EXIT_CODES.failed);
    expect(stderr).toContain('invalid response to GET /v1/hives');
  });
});

describe('a token', () => {
  it('that is missing exits with 4 and a hint how to set it', async () => {
    const guarded = await startFakeQueen({ token: 'the-right-one' });
    const { code, stderr } = await runKeeper(['ls'], { queen: guarded });
    expect(code).toBe(EXIT_CODES.unauthorised);
    expect(stderr).toContain('API_KEY_INVALID');
    expect(stderr).toContain('hint: set the token with --token or RBEE_API_TOKEN');
    await guarded.close();
  });

  it('is taken from the environment', async () => {
    const guarded = await startFakeQueen({ token: 'the-right-one' });
    const { code } = await runKeeper(['hive', 'list'], { queen: guarded, env: { RBEE_API_TOKEN: 'the-right-one' } });
    expect(code).toBe(EXIT_CODES.done);
    await guarded.close();
  });

  it('is required by any 401', async () => {
    queen.refuses = () => ({ status: 401, body: 'who are you?' });
    const { code } = await runKeeper(['hive', 'list'], { queen });
    expect(code).toBe(EXIT_CODES.unauthorised);
  });
});
