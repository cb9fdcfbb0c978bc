import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type Program, startProgram } from '../src/program.ts';

const programs: Program[] = [];
const lifelines: Server[] = [];
afterEach(async () => {
  for (const program of programs.splice(0)) await program.kill();
  for (const server of lifelines.splice(0)) server.close();
});

async function run(script: string, env: Record<string, string> = {}): Promise<Program> {
  const program = await startProgram({ command: process.execPath, args: ['-e', script], env });
  programs.push(program);
  return program;
}

it('collects lines, parsed where they are JSON, and what goes to stderr', async () => {
  const program = await run(`
    console.log('plain');
    console.log(JSON.stringify({ msg: 'listening', url: 'http://x' }));
    console.log('{broken');
    console.error('oh');
    process.stdout.write('no newline');
    process.exitCode = 3;`);
  expect(await program.exited).toEqual({ code: 3, signal: null });
  expect(program.lines).toEqual([
    { text: 'plain', json: null },
    { text: '{"msg":"listening","url":"http://x"}', json: { msg: 'listening', url: 'http://x' } },
    { text: '{broken', json: null },
    { text: 'no newline', json: null },
  ]);
  expect(program.stdout()).toBe('plain\n{"msg":"listening","url":"http://x"}\n{broken\nno newline\n');
  expect(program.stderr()).toBe('oh\n');
});

it('waits for a line, past or to come', async () => {
  const program = await run(
    `process.on('SIGUSR2', () => console.log('two')); console.log('one'); setInterval(() => {}, 1e6)`,
  );
  expect((await program.waitForLine((line) => line.text === 'one', 'one')).text).toBe('one');
  process.kill(program.pid, 'SIGUSR2');
  expect((await program.waitForLine((line) => line.text === 'two', 'two')).text).toBe('two');
  expect((await program.waitForLine((line) => line.text === 'one', 'one again')).text).toBe('one');
});

it('rejects a wait at once, with the output, when the program ends without the line', async () => {
  const program = await run(`console.log('almost'); console.error('port taken'); process.exit(78)`);
  const failed = await program.waitForLine((line) => line.text === 'ready', 'ready').catch(String);
  expect(failed).toContain('ended with code 78 while waiting for: ready');
  expect(failed).toContain('almost');
  expect(failed).toContain('port taken');
});

it('stops with a signal and gives the exit code', async () => {
  const program = await run(
    `process.on('SIGTERM', () => process.exit(5)); console.log('ready'); setInterval(() => {}, 1e6)`,
  );
  await program.waitForLine((line) => line.text === 'ready', 'ready');
  expect(await program.stop()).toBe(5);
  expect(await program.stop()).toBe(5);
});

it('kills what does not stop, and says so', async () => {
  const program = await run(`process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1e6)`);
  await program.waitForLine((line) => line.text === 'ready', 'ready');
  await expect(program.stop('SIGTERM', { timeoutMs: 50 })).rejects.toThrow('did not end within 50 ms of SIGTERM');
  expect(await program.exited).toEqual({ code: null, signal: 'SIGKILL' });
});

it('kills what the program started too', async () => {
  const lifeline = await openLifeline();
  const program = await run(`
    const { spawn } = require('node:child_process');
    spawn(process.execPath, ['-e', ${JSON.stringify(lifeline.script)}]);
    setInterval(() => {}, 1e6)`);
  await lifeline.taken;
  await program.kill();
  await lifeline.cut;
});

it('starts with a clean environment', async () => {
  process.env.HF_TOKEN = 'hf_of_whoever_runs_this';
  try {
    const program = await run('console.log(JSON.stringify(process.env))', { EXTRA: 'yes' });
    await program.exited;
    expect(program.lines[0]?.json).toMatchObject({ EXTRA: 'yes', PATH: process.env.PATH });
    expect(program.lines[0]?.json).not.toHaveProperty('HF_TOKEN');
    expect(program.lines[0]?.json).not.toHaveProperty('NODE_ENV');
  } finally {
    delete process.env.HF_TOKEN;
  }
});

it('rejects a command that cannot be started', async () => {
  await expect(startProgram({ command: '/no/such/program' })).rejects.toThrow('ENOENT');
});

it('is killed when the process that started it ends', async () => {
  const lifeline = await openLifeline();
  const source = new URL('../src/program.ts', import.meta.url).href;
  const outer = await run(`
    import(${JSON.stringify(source)}).then(async ({ startProgram }) => {
      await startProgram({ command: process.execPath, args: ['-e', ${JSON.stringify(lifeline.script)}] });
      process.on('SIGTERM', () => process.exit(0));
      console.log('ready');
    })`);
  await outer.waitForLine((line) => line.text === 'ready', 'ready');
  await lifeline.taken;
  expect(await outer.stop()).toBe(0);
  await lifeline.cut;
});

/** How a process that is nobody's child shows that it lives, and that it has ended: by a connection that it holds. */
async function openLifeline(): Promise<{ script: string; taken: Promise<void>; cut: Promise<void> }> {
  const server = createServer();
  lifelines.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = once(server, 'connection').then(([connection]) => connection as Socket);
  return {
    script: `require('node:net').connect(${(server.address() as AddressInfo).port}, '127.0.0.1').resume()`,
    taken: socket.then(() => undefined),
    cut: socket.then(async (connection) => {
      connection.on('error', () => undefined).resume();
      await once(connection, 'close');
    }),
  };
}
