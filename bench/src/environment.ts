import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, release, type } from 'node:os';
import { promisify } from 'node:util';
import { findCommand } from '@rbee/testing';

/** The machine, and what runs on it. */
export interface Environment {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  /** As each program reports it. */
  readonly versions: Readonly<Record<string, string>>;
}

/** How to ask a program for its version, and where its output has it. */
const versionCalls = {
  nginx: { flag: '-v', pattern: /nginx\/(\S+)/ },
  curl: { flag: '--version', pattern: /^curl (\S+)/ },
  openssl: { flag: 'version', pattern: /^OpenSSL (\S+)/ },
  aria2c: { flag: '--version', pattern: /^aria2 version (\S+)/ },
} as const;

export type Program = keyof typeof versionCalls;

interface Parts {
  readonly programs: readonly Program[];
  /** In the bench's own manifest. */
  readonly packages: readonly string[];
}

/** The machine and the versions of what runs on it. A program that is not installed is left out. */
export async function readEnvironment(path: string, { programs, packages }: Parts): Promise<Environment> {
  const versions: Record<string, string> = { node: process.versions.node };
  for (const name of programs) {
    const { flag, pattern } = versionCalls[name];
    const command = findCommand(name, path);
    if (command === null) continue;
    const { stdout, stderr } = await promisify(execFile)(command, [flag]);
    versions[name] = pattern.exec(stdout + stderr)?.[1] ?? '(version unknown)';
  }
  // The manifest pins them.
  const manifest: unknown = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
  for (const name of packages) versions[name] = pinnedVersion(manifest, name);
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    kernel: `${type()} ${release()}`,
    versions,
  };
}

/** In one line. */
export function describeMachine({ cores, cpu, kernel, versions }: Environment): string {
  const parts = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${cores} x ${cpu}, ${kernel}. ${parts.join(', ')}.`;
}

function pinnedVersion(manifest: unknown, name: string): string {
  const { dependencies, devDependencies } = manifest as Record<string, Record<string, string> | undefined>;
  return dependencies?.[name] ?? devDependencies?.[name] ?? '(version unknown)';
}
