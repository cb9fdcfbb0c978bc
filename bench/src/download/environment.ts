import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, release, type } from 'node:os';
import { promisify } from 'node:util';
import { findCommand } from '../process/find-command.ts';
import type { Environment } from './results.ts';

/** How a program is asked for its version, and where in the answer it is. */
const questions = {
  nginx: { flag: '-v', answer: /nginx\/(\S+)/ },
  curl: { flag: '--version', answer: /^curl (\S+)/ },
  openssl: { flag: 'version', answer: /^OpenSSL (\S+)/ },
  aria2c: { flag: '--version', answer: /^aria2 version (\S+)/ },
} as const;
const packages = ['ipull', '@huggingface/hub', 'undici'] as const;

/** The machine and the versions of what runs on it. A program that is not installed is left out. */
export async function describeEnvironment(path: string): Promise<Environment> {
  const versions: Record<string, string> = { node: process.versions.node };
  for (const [name, { flag, answer }] of Object.entries(questions)) {
    const command = findCommand(name, path);
    if (command === null) continue;
    const { stdout, stderr } = await promisify(execFile)(command, [flag]);
    versions[name] = answer.exec(stdout + stderr)?.[1] ?? 'of an unknown version';
  }
  // The manifest pins them.
  const manifest: unknown = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  for (const name of packages) versions[name] = pinnedVersion(manifest, name);
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    kernel: `${type()} ${release()}`,
    versions,
  };
}

function pinnedVersion(manifest: unknown, name: string): string {
  const { dependencies, devDependencies } = manifest as Record<string, Record<string, string> | undefined>;
  return dependencies?.[name] ?? devDependencies?.[name] ?? 'of an unknown version';
}
