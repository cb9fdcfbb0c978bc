import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMachine, type Program, readEnvironment } from './environment.ts';
import { helpOf, type OptionTable, parseOptions, path, toggle, UsageError, type ValuesOf } from './options.ts';

/** What a bench gets from the outside. */
interface BenchIo {
  readonly signal: AbortSignal;
  /** The report. */
  readonly print: (text: string) => void;
  /** Progress. */
  readonly log: (line: string) => void;
  /** Where programs are searched. */
  readonly path: string;
}

export interface BenchRun<Options> extends Omit<BenchIo, 'print'> {
  readonly options: Options;
  /** Temporary, of this run; removed afterwards. */
  readonly folder: string;
}

interface Report {
  /** Markdown, printed with blank lines between. The machine is described after the first. */
  readonly sections: readonly string[];
  /** What the gate objects to, a line each. */
  readonly failures: readonly string[];
}

export interface BenchDefinition<Table extends OptionTable, Result> {
  readonly name: string;
  /** Of the saved report. */
  readonly title: string;
  /** In addition to the options of every bench. */
  readonly options: Table;
  /** Whose versions belong into the report. */
  readonly programs?: readonly Program[];
  readonly packages?: readonly string[];
  /** @throws Error when something does not work at all: then there is no report */
  run(run: BenchRun<ValuesOf<Table>>): Promise<Result>;
  report(result: Result, options: ValuesOf<Table>): Report;
}

export interface Bench {
  readonly name: string;
  readonly usage: string;
  /** Checks a command line. @throws UsageError */
  parse(args: readonly string[]): unknown;
  /** Measures and reports. Returns the exit code: 1 only with `--gate`. @throws UsageError; Error from the run */
  run(args: readonly string[], io: BenchIo): Promise<number>;
}

/** Everything that benches have in common: their options, a temporary folder, the report and the gate. */
export function defineBench<Table extends OptionTable, Result>(definition: BenchDefinition<Table, Result>): Bench {
  const { name, programs = [], packages = [] } = definition;
  const common = {
    folder: path(
      'FOLDER',
      tmpdir(),
      "where to write, which decides what disk is measured (the system's temporary folder)",
    ),
    json: path('FILE', null, 'writes the figures of every run'),
    save: toggle(`writes bench/results/${name}.md`),
    gate: toggle('ends with 1 when a target is missed or cannot be measured'),
  };
  const usage = `usage: npm run bench -- ${name} [options]\n${helpOf({ ...definition.options, ...common })}`;
  const parse = (args: readonly string[]) => {
    try {
      const all = parseOptions<OptionTable>(args, { ...definition.options, ...common });
      return { options: all as ValuesOf<Table>, ...(all as ValuesOf<typeof common>) };
    } catch (error) {
      throw error instanceof UsageError ? new UsageError(`${error.message}\n${usage}`) : error;
    }
  };
  return {
    name,
    usage,
    parse,
    async run(args, io) {
      const { options, folder: parent, json, save, gate } = parse(args);
      const { signal, log } = io;
      const startedAt = new Date().toISOString();
      const environment = await readEnvironment(io.path, { programs, packages });
      const folder = await mkdtemp(join(parent, 'rbee-bench-'));
      const result = await definition
        .run({ options, folder, signal, log, path: io.path })
        .finally(() => rm(folder, { recursive: true, force: true }));
      const { sections, failures } = definition.report(result, options);
      const [first = '', ...others] = sections;
      const text = [first, describeMachine(environment), ...others].join('\n\n');
      io.print(`${text}\n`);
      const figures = { startedAt, environment, options, result, failures };
      if (json !== null) await writeFile(json, `${JSON.stringify(figures, null, 2)}\n`);
      if (save) await saveReport(definition, startedAt, text);
      if (!gate) return 0;
      for (const line of failures) log(`gate: ${line}`);
      log(failures.length === 0 ? 'gate: passed' : 'gate: failed');
      return failures.length === 0 ? 0 : 1;
    },
  };
}

async function saveReport(
  { name, title }: Pick<Bench & { title: string }, 'name' | 'title'>,
  startedAt: string,
  text: string,
): Promise<void> {
  const file = fileURLToPath(new URL(`../results/${name}.md`, import.meta.url));
  await mkdir(dirname(file), { recursive: true });
  const origin = `Written by \`npm run bench -- ${name} --save\`; [how to read it](../README.md).`;
  await writeFile(file, `# ${title}, measured ${startedAt.slice(0, 10)}\n\n${origin}\n\n${text}\n`);
}
