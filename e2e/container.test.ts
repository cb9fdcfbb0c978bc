import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startProgram, type TempDir, tempDir } from '@rbee/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { BIN, startDaemon } from './support/fleet.ts';

// Goal: images that build and containers that start. Method: no container runs here; the test looks up every path in the two
// files, lets the daemons read the settings in them, and runs the health checks against real daemons. Failure shows as a
// path, a program, a stage, a volume or a setting that does not exist.

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const KINDS = ['queen', 'hive'] as const;
/** Variables of the image, not of a daemon. */
const IMAGE_ENV = new Set(['PATH']);
const TOKEN = 'a-token-of-sixteen-or-more';

interface Instruction {
  readonly stage: string;
  readonly name: string;
  readonly rest: string;
}

interface Service {
  readonly build: { readonly context: string; readonly target: string };
  readonly environment: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  readonly ports?: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
}

/** The instructions of the Dockerfile, each with its stage. */
function instructionsOf(text: string): readonly Instruction[] {
  let stage = '';
  return text.split('\n').flatMap((line) => {
    const [, name, rest] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined) return [];
    if (name === 'FROM') stage = / AS (\S+)$/.exec(rest)?.[1] ?? '';
    return [{ stage, name, rest }];
  });
}

const instructions = instructionsOf(await readFile(join(ROOT, 'Dockerfile'), 'utf8'));
const compose = parse(await readFile(join(ROOT, 'compose.yaml'), 'utf8'), { merge: true }) as Compose;
const of = (name: string, ...stages: readonly string[]) =>
  instructions.filter((one) => one.name === name && stages.includes(one.stage)).map(({ rest }) => rest);
const kindOf = (target: string) => KINDS.find((kind) => kind === target) ?? expect.fail(`${target} is no daemon`);

/** The environment that an image sets. */
function imageEnv(kind: string): Record<string, string> {
  const words = of('ENV', 'runtime', kind).flatMap((rest) => rest.split(' '));
  const pairs = words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)] as const);
  return Object.fromEntries(pairs.filter(([name]) => !IMAGE_ENV.has(name)));
}

let folder: TempDir;
beforeAll(async () => {
  folder = await tempDir();
});
afterAll(() => folder.remove());

async function printed(kind: 'hive' | 'queen', env: Record<string, string>) {
  const args = [BIN[kind], '--print-config'];
  const program = await startProgram({ command: process.execPath, args, env: { HOME: folder.path, ...env } });
  return { ...(await program.exited), stdout: program.stdout(), stderr: program.stderr() };
}

describe('the Dockerfile', () => {
  it('copies and runs existing files', async () => {
    const copies = instructions.filter(({ name }) => name === 'COPY').map(({ rest }) => rest.split(' '));
    for (const [first = '', second = ''] of copies) {
      const from = /^--from=(.*)$/.exec(first)?.[1];
      if (from === undefined) await access(join(ROOT, first));
      else
        expect(
          instructions
            .filter(({ stage }) => stage === from)
            .map(({ rest }) => rest)
            .join(),
        ).toContain(second);
    }
    const scripts = of('RUN', 'build').flatMap((rest) =>
      [...rest.matchAll(/node (\S+\.mjs)/g)].map(([, path]) => path),
    );
    expect(scripts).toHaveLength(2);
    for (const path of scripts) await access(join(ROOT, path ?? ''));
  });

  it.each(KINDS)('builds an image of a %s that is not root, with its program, volumes and port', async (kind) => {
    expect(of('FROM', kind)).toEqual([`runtime AS ${kind}`]);
    expect(of('USER', 'runtime', kind)).toEqual(['node']);
    const manifest = JSON.parse(await readFile(join(ROOT, `apps/${kind}/package.json`), 'utf8')) as { bin: object };
    const [entrypoint = '[]'] = of('ENTRYPOINT', kind);
    expect(JSON.parse(entrypoint)).toEqual(Object.keys(manifest.bin));
    const { code, stdout } = await printed(kind, { RBEE_API_TOKEN: TOKEN, ...imageEnv(kind) });
    expect(code).toBe(0);
    expect(of('EXPOSE', kind)).toEqual([/^port = (\d+)/m.exec(stdout)?.[1]]);
    const volumes = JSON.parse(of('VOLUME', kind)[0] ?? '[]') as string[];
    const folders = [...stdout.matchAll(/^\w+_dir = "([^"]+)"/gm)].map(([, path = '']) => path);
    expect(folders.map((path) => `/${path.split('/')[1]}`).sort()).toEqual([...volumes].sort());
  });

  it.each(KINDS)('checks the health of a %s', async (kind) => {
    const [, command = '[]'] = /CMD (\[.*\])$/.exec(of('HEALTHCHECK', kind)[0] ?? '') ?? [];
    const [, ...args] = JSON.parse(command) as string[];
    const check = (port: string) =>
      run(process.execPath, args, { env: { ...process.env, [`RBEE_${kind.toUpperCase()}_PORT`]: port } });
    const daemon = await startDaemon(kind, [], { HOME: folder.path, XDG_STATE_HOME: join(folder.path, 'state') });
    const { port } = new URL(daemon.url);
    await check(port);
    await daemon.program.stop();
    await expect(check(port)).rejects.toMatchObject({ code: 1 });
  });
});

describe('compose.yaml', () => {
  it('runs a queen and two hives, with valid settings and existing volumes', async () => {
    const targets = Object.values(compose.services).map(({ build }) => build.target);
    expect(targets.sort()).toEqual(['hive', 'hive', 'queen']);
    for (const [name, { build, environment, volumes }] of Object.entries(compose.services)) {
      const kind = kindOf(build.target);
      await access(join(ROOT, build.context, 'Dockerfile'));
      const filled = Object.entries(environment).map(
        ([key, value]) => [key, value.replace(/^\$\{.*\}$/, TOKEN)] as const,
      );
      const { code, stdout, stderr } = await printed(kind, { ...imageEnv(kind), ...Object.fromEntries(filled) });
      expect({ name, code, stderr }).toEqual({ name, code: 0, stderr: '' });
      // Every variable is a setting in effect, none is misspelt.
      for (const [key] of filled) expect(stdout, name).toMatch(new RegExp(`(?:# |\\()${key}\\)?$`, 'm'));
      const mounts = volumes.map((volume) => volume.split(':'));
      for (const [volume = ''] of mounts) expect(compose.volumes).toHaveProperty(volume);
      expect(mounts.map(([, target]) => target).sort()).toEqual(JSON.parse(of('VOLUME', kind)[0] ?? '[]'));
    }
  });

  it('gives each hive the address at which the queen reaches it', () => {
    const hives = Object.entries(compose.services).filter(([, { build }]) => build.target === 'hive');
    for (const [name, { environment }] of hives) {
      const { RBEE_HIVE_ID: id, RBEE_HIVE_ADVERTISED_URL: url, RBEE_HIVE_QUEEN_URL: queen } = environment;
      expect([id, url, queen]).toEqual([name, `http://${name}:7835`, 'http://queen:7833']);
    }
  });
});
