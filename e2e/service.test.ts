import { execFile } from 'node:child_process';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findCommand, type Program, startProgram, type TempDir, tempDir } from '@rbee/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BIN, startDaemon } from './support/fleet.ts';

// Goal: systemd starts, reloads, stops and confines the daemons as the units say. Method: a real socket that takes what
// real daemons tell by systemd's own program, and systemd's own reader of units. Failure shows as a message that does not
// come, or as a fault that it finds.

const run = promisify(execFile);
const UNITS = fileURLToPath(new URL('../packaging/systemd', import.meta.url));
const LISTENER = fileURLToPath(new URL('support/notify-socket.pl', import.meta.url));
/** Tenths of the exposure from 0 to 10 that `systemd-analyze security` reckons; what is left is the network itself. */
const MOST_EXPOSURE = 20;

// Debian's packages `systemd` and `perl-base`. Under CI they have to be there.
const isMissing =
  process.env['CI'] === undefined &&
  ['systemd-analyze', 'systemd-notify', 'perl'].some((name) => findCommand(name) === null);

let folder: TempDir;
beforeAll(async () => {
  folder = await tempDir();
});
afterAll(() => folder.remove());

describe.skipIf(isMissing)('a service manager', () => {
  let manager: Program;
  const socket = () => join(folder.path, 'notify');
  const told = () => manager.lines.slice(1).map(({ text }) => text.replace(/(?<=USEC=)\d+$/, 'now'));
  beforeAll(async () => {
    manager = await startProgram({ command: 'perl', args: [LISTENER, socket()] });
    await manager.waitForLine(({ text }) => text === 'LISTENING', 'the socket');
  });
  afterAll(() => manager.kill());

  it('is told when a daemon is ready, reloads, is ready again and stops', async () => {
    const env = { HOME: folder.path, XDG_STATE_HOME: folder.path, NOTIFY_SOCKET: socket() };
    const { program } = await startDaemon('queen', [], env);
    const ready = ['READY=1', 'STATUS=serving'];
    await manager.waitFor(() => told().length >= 2, 'READY');
    expect(told()).toEqual(ready);
    process.kill(program.pid, 'SIGHUP');
    await manager.waitFor(() => told().length >= 6, 'READY after the reload');
    expect(told()).toEqual([...ready, 'RELOADING=1', 'MONOTONIC_USEC=now', ...ready]);
    expect(await program.stop()).toBe(0);
    await manager.waitFor(() => told().length >= 8, 'STOPPING');
    expect(told().slice(6)).toEqual(['STOPPING=1', 'STATUS=draining']);
  });

  it('that does not listen holds nothing up', async () => {
    const env = {
      HOME: folder.path,
      XDG_STATE_HOME: join(folder.path, 'other'),
      NOTIFY_SOCKET: join(folder.path, 'nobody'),
    };
    const { program } = await startDaemon('queen', [], env);
    const warned = await program.waitForLine(({ json }) => /cannot notify/.test(String(json?.['msg'])), 'a warning');
    expect(warned.json?.['level']).toBe(40);
    expect(await program.stop()).toBe(0);
  });
});

describe.skipIf(isMissing)('the units', () => {
  /** The unit with the programs of this folder in place of installed ones. */
  async function unitHere(kind: 'hive' | 'queen', change = (text: string) => text): Promise<string> {
    const program = join(folder.path, `rbee-${kind}`);
    await symlink(BIN[kind], program).catch(() => {});
    const text = await readFile(join(UNITS, `rbee-${kind}.service`), 'utf8');
    expect(text).toContain(`ExecStart=/usr/local/bin/rbee-${kind} `);
    const unit = join(folder.path, `rbee-${kind}.service`);
    await writeFile(unit, change(text.replace(`/usr/local/bin/rbee-${kind}`, program)));
    return unit;
  }

  it.each(['hive', 'queen'] as const)('of a %s has no fault and leaves little open', async (kind) => {
    const unit = await unitHere(kind);
    const { stdout, stderr } = await run('systemd-analyze', ['verify', unit]);
    expect(stdout + stderr).toBe('');
    // It ends with 1 above the threshold.
    const args = ['security', '--offline=true', `--threshold=${MOST_EXPOSURE}`, '--no-pager', unit];
    expect((await run('systemd-analyze', args)).stdout).toMatch(/Overall exposure level/);
  });

  it('are read with rules that find faults', async () => {
    const misspelt = await unitHere('hive', (text) => text.replace('ProtectHome=yes', 'ProtectHouse=yes'));
    expect(
      (await run('systemd-analyze', ['verify', misspelt]).catch((error: unknown) => error as never))['stderr'],
    ).toMatch(/ProtectHouse/);
    const open = await unitHere('hive', (text) => text.replaceAll(/^(?:Protect|Private|Restrict|SystemCall).*$/gm, ''));
    const args = ['security', '--offline=true', `--threshold=${MOST_EXPOSURE}`, '--no-pager', open];
    await expect(run('systemd-analyze', args)).rejects.toThrow(/Command failed/);
  });

  it.each(['hive', 'queen'] as const)('of a %s comes with a file of settings that it understands', async (kind) => {
    const program = await startProgram({
      command: process.execPath,
      args: [BIN[kind], '--config', join(UNITS, `${kind}.toml`), '--print-config'],
      // What the unit gives: with these alone the state lies where the unit may write.
      env: { HOME: folder.path, XDG_STATE_HOME: '/var/lib', HF_HOME: '/var/lib/rbee/huggingface' },
    });
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stdout()).toContain(`state_dir = "/var/lib/rbee/${kind}" # default`);
    if (kind === 'hive') expect(program.stdout()).toContain('models_dir = "/var/lib/rbee/huggingface/hub" # default');
  });
});
