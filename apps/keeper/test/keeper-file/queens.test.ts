import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT_CODES } from '@rbee/contract';
import { startProgram, type TempDir, type TestTerminal, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeQueen, startFakeQueen } from '../support/fake-queen.ts';
import { NODE_ARGS, openKeeper, runKeeper } from '../support/keeper.ts';

const TOKEN = 'a-token-of-16-characters';
/** Nothing listens there. */
const NOBODY = 'http://127.0.0.1:9';

let folder: TempDir;
let path: string;
let queen: FakeQueen;
let locked: FakeQueen;
beforeEach(async () => {
  folder = await tempDir();
  path = join(folder.path, 'rbee/keeper.toml');
  await mkdir(join(folder.path, 'rbee'));
  [queen, locked] = await Promise.all([startFakeQueen(), startFakeQueen({ token: TOKEN })]);
});
afterEach(async () => {
  await Promise.all([queen.close(), locked.close()]);
  await folder.remove();
});

const env = (more: Readonly<Record<string, string>> = {}) => ({ XDG_CONFIG_HOME: folder.path, ...more });
const keeper = (words: readonly string[], more?: Readonly<Record<string, string>>) =>
  runKeeper(words, { env: env(more) });
const write = (text: string) => writeFile(path, text, { mode: 0o600 });
const twoQueens = () =>
  `default = "home"\n[queens.home]\nurl = "${queen.url}"\n[queens.lab]\nurl = "${locked.url}"\ntoken = "${TOKEN}"\n`;

describe('the queens of the file', () => {
  it('the default is used if none is named', async () => {
    await write(twoQueens());
    expect((await keeper(['hive', 'list'])).code).toBe(EXIT_CODES.done);
    expect(queen.requests).toHaveLength(1);
  });

  it.each([
    [0o644, 1],
    [0o640, 1],
    [0o600, 0],
  ])('a file with a token and mode %i is warned of %i times', async (mode, times) => {
    await write(twoQueens());
    await chmod(path, mode);
    const { code, stderr } = await keeper(['hive', 'list']);
    expect(code).toBe(EXIT_CODES.done);
    expect(stderr.split(`warning: other users can read the tokens in ${path}`)).toHaveLength(times + 1);
  });

  it('another is used by its name, with its token', async () => {
    await write(twoQueens());
    expect((await keeper(['hive', 'list', '--queen', 'lab'])).code).toBe(EXIT_CODES.done);
    expect(locked.requests.at(-1)?.headers.authorization).toBe(`Bearer ${TOKEN}`);
  });

  it('the environment comes before the default of the file, a flag before both', async () => {
    await write(twoQueens());
    await keeper(['hive', 'list'], { RBEE_QUEEN_URL: 'lab' });
    expect(locked.requests).toHaveLength(1);
    await keeper(['hive', 'list', '--queen', 'home'], { RBEE_QUEEN_URL: 'lab' });
    expect(queen.requests).toHaveLength(1);
  });

  it('a stored token goes to its own queen only', async () => {
    await write(twoQueens());
    await keeper(['hive', 'list', '--queen', 'home']);
    expect(queen.requests[0]?.headers).not.toHaveProperty('authorization');
    expect((await keeper(['hive', 'list', '--queen', locked.url])).code).toBe(EXIT_CODES.done);
  });

  it('the token of the environment is not sent to a queen of the file that has its own', async () => {
    await write(twoQueens());
    expect((await keeper(['hive', 'list', '--queen', 'lab'], { RBEE_API_TOKEN: 'another-token-1234' })).code).toBe(0);
  });

  it('of several addresses the first that responds is used', async () => {
    const { code } = await keeper(['hive', 'list', '--queen', `${NOBODY},${queen.url}, ${locked.url}`]);
    expect(code).toBe(EXIT_CODES.done);
    expect(queen.requests.map((request) => request.path)).toContain('/v1/hives');
  });

  it('if none of several responds, the error names them all', async () => {
    const { code, stderr } = await keeper(['model', 'plan', 'org/repo', '--queen', `${NOBODY},http://127.0.0.1:10`]);
    expect(code).toBe(EXIT_CODES.unreachable);
    expect(stderr).toContain(`no queen responds at ${NOBODY}, http://127.0.0.1:10`);
  });

  it.each([
    ['--queen', ['--queen', 'laab'], {}],
    ['RBEE_QUEEN_URL', [], { RBEE_QUEEN_URL: 'laab' }],
  ])('an unknown name in %s is an error that suggests the closest', async (where, words, more) => {
    await write(twoQueens());
    const { code, stderr } = await keeper(['hive', 'list', ...words], more);
    expect(code).toBe(EXIT_CODES.usage);
    expect(stderr).toContain(`${where} names the queen "laab", which is unknown`);
    expect(stderr).toContain('did you mean "lab"?');
  });
});

describe('a file that is wrong', () => {
  it.each([
    ['no TOML', 'default = "home\n', 1, 'correct the line'],
    ['an unknown key', '\ndefalt = "home"\n', 2, 'did you mean "default"?'],
    ['a default that is not there', 'default = "x"\n[queens.home]\nurl = "http://a:1"\n', 1, 'set it to home'],
    ['a queen without a url', '[queens.home]\ntoken = "x"\n', 1, 'url ='],
    ['a url that is not one', '[queens.home]\n\nurl = "home:7833"\n', 3, 'http://127.0.0.1:7833'],
    ['credentials in a url', '[queens.home]\nurl = "http://a:b@c"\n', 2, 'token'],
    ['a token that cannot be sent', '[queens.home]\nurl = "http://a:1"\ntoken = "a b"\n', 3, 'login --name home'],
    ['an unknown key of a queen', '[queens.home]\nurl = "http://a:1"\ntokn = "x"\n', 3, 'did you mean "token"?'],
    ['a number as a queen', 'queens = 1\n', 1, '[queens.NAME]'],
  ])('%s: exit 2 with the line and what to do', async (_, text, line, hint) => {
    await write(text);
    const { code, stderr, stdout } = await keeper(['hive', 'list']);
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.usage, stdout: '' });
    expect(stderr).toContain(`error: ${path}, line ${line}: `);
    expect(stderr).toContain(hint);
    expect(stderr).not.toContain('a:b@c');
  });

  it('does not get in the way of help', async () => {
    await write('nonsense');
    expect((await keeper(['--help'])).code).toBe(EXIT_CODES.done);
  });
});

describe('login', () => {
  let terminal: TestTerminal | null = null;
  afterEach(async () => {
    await terminal?.kill();
    terminal = null;
  });

  /** The keeper with a text on its stdin. */
  async function loginWith(input: string, ...words: string[]) {
    const script = `printf '%s' "$1" | { shift; exec "$@"; }`;
    const args = ['-c', script, 'sh', input, process.execPath, ...NODE_ARGS, 'login', ...words];
    const program = await startProgram({ command: 'sh', args, env: env() });
    const { code } = await program.exited;
    return { code, stdout: program.stdout(), stderr: program.stderr() };
  }

  it('stores a queen that needs no token, without a question', async () => {
    const { code, stdout } = await keeper(['login', `${queen.url}/`]);
    expect(code).toBe(EXIT_CODES.done);
    expect(stdout).toContain(`stored ${queen.url}, which needs no token, as "local" in ${path}`);
    expect(await readFile(path, 'utf8')).toBe(`default = "local"\n\n[queens.local]\nurl = "${queen.url}"\n`);
    expect((await keeper(['hive', 'list'])).code).toBe(EXIT_CODES.done);
  });

  it('reads the token from stdin, and prints it nowhere', async () => {
    const { code, stdout, stderr } = await loginWith(`${TOKEN}\n`, locked.url, '--name', 'lab');
    expect(code, stderr).toBe(EXIT_CODES.done);
    expect(stdout + stderr).not.toContain(TOKEN);
    expect((await keeper(['hive', 'list'])).code).toBe(EXIT_CODES.done);
  });

  it('asks for the token on a terminal without an echo', async () => {
    terminal = openKeeper(['login', locked.url], { env: env(), cols: 120 });
    await terminal.waitFor(() => terminal?.screen().includes('Token of the queen') === true, 'the prompt');
    terminal.write(`x\u007f${TOKEN}\r`);
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    expect(terminal.raw()).not.toContain(TOKEN);
    expect((await keeper(['hive', 'list'])).code).toBe(EXIT_CODES.done);
  });

  it('Ctrl+C at the prompt stores nothing', async () => {
    terminal = openKeeper(['login', locked.url], { env: env(), cols: 120 });
    await terminal.waitFor(() => terminal?.screen().includes('Token of the queen') === true, 'the prompt');
    terminal.write('abc\u0003');
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.interrupted);
    await expect(readFile(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.each([
    ['a wrong token', 'another-token-1234', EXIT_CODES.unauthorised],
    ['no token', '', EXIT_CODES.unauthorised],
  ])('stores nothing with %s', async (_, input, expected) => {
    const { code, stderr } = await loginWith(input, locked.url);
    expect(code, stderr).toBe(expected);
    await expect(readFile(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('stores nothing if no queen responds', async () => {
    expect((await keeper(['login', NOBODY])).code).toBe(EXIT_CODES.unreachable);
    await expect(readFile(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('replaces the address of a name, and asks for a name that another queen has', async () => {
    await write(twoQueens().replace('"home"\n[queens.home]', '"local"\n[queens.local]'));
    const { code, stderr } = await loginWith(TOKEN, locked.url, '--name', 'local');
    expect(code, stderr).toBe(EXIT_CODES.done);
    const other = await keeper(['login', queen.url]);
    expect(other.code).toBe(EXIT_CODES.usage);
    expect(other.stderr).toContain('choose one with --name');
  });
});

describe('open', () => {
  it('prints the address of what the queen has for a browser', async () => {
    const { code, stdout, stderr } = await keeper(['open', '--queen', queen.url]);
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.done, stdout: `${queen.url}/docs\n` });
    expect(stderr).toContain('reference of its API');
    queen.refuses = ({ path: asked }) => (asked === '/' ? { status: 200, body: 'page' } : null);
    expect((await keeper(['open', '--queen', queen.url])).stdout).toBe(`${queen.url}/\n`);
  });
});
