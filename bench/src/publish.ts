import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchIo } from './bench-io.ts';

export interface PublishOptions {
  readonly jsonFile: string | null;
  readonly isSaved: boolean;
  readonly isGate: boolean;
}

export interface Publication {
  /** Of the bench. */
  readonly name: string;
  readonly title: string;
  readonly startedAt: string;
  readonly text: string;
  /** Of every run, for programs. */
  readonly figures: object;
  /** What the gate has against it. */
  readonly failures: readonly string[];
}

/** Prints the result and writes it where the options say. Returns the exit code: 1 only where there is a gate. */
export async function publish(publication: Publication, options: PublishOptions, io: BenchIo): Promise<number> {
  const { name, title, startedAt, text, figures, failures } = publication;
  io.print(`${text}\n`);
  if (options.jsonFile !== null) await writeFile(options.jsonFile, `${JSON.stringify(figures, null, 2)}\n`);
  if (options.isSaved) {
    const file = fileURLToPath(new URL(`../results/${name}.md`, import.meta.url));
    await mkdir(dirname(file), { recursive: true });
    const origin = `Written by \`npm run bench -- ${name} --save\`; [what it means](../README.md).`;
    await writeFile(file, `# ${title}, measured ${startedAt.slice(0, 10)}\n\n${origin}\n\n${text}\n`);
  }
  if (!options.isGate) return 0;
  for (const line of failures) io.tell(`gate: ${line}`);
  io.tell(failures.length === 0 ? 'gate: passed' : 'gate: not passed');
  return failures.length === 0 ? 0 : 1;
}
