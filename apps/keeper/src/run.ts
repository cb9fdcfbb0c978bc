import { type Command, CommanderError } from 'commander';
import type { Run } from './commands/create-command.ts';
import { COMPLETE_WORD } from './completion/scripts.ts';
import { exitCodes } from './errors/exit-codes.ts';
import { toFailure } from './errors/failure.ts';
import { usageError } from './errors/keeper-error.ts';
import { loadFullProgram } from './full-program.ts';
import type { Io } from './io.ts';
import { buildProgram } from './program.ts';
import { createRenderer } from './render/create-renderer.ts';
import type { Renderer } from './render/renderer.ts';
import { FullProgramNeeded, openSession } from './session.ts';
import type { GlobalOptions } from './settings.ts';
import { keeperVersion } from './version.ts';

/** Runs one command line, the words after the program's name, and returns the exit code. */
export async function runProgram(words: readonly string[], io: Io): Promise<number> {
  if (words[0] === COMPLETE_WORD) return complete(words.slice(1), io);
  let code: number = exitCodes.done;
  const run: Run = async (command, display, action, weight = 'full') => {
    if (weight === 'full' && loadFullProgram !== null) {
      code = await (await loadFullProgram()).runProgram(words, io);
      return;
    }
    const options = command.optsWithGlobals<GlobalOptions>();
    const renderer = await createRenderer(options, io, display);
    const stays = io.onLeave(() => renderer.close());
    try {
      code = await action(openSession(options, io, renderer));
    } catch (error) {
      code =
        error instanceof FullProgramNeeded && loadFullProgram !== null
          ? await (await loadFullProgram()).runProgram(words, io)
          : await fail(renderer, error, io);
    } finally {
      renderer.close();
      stays();
    }
    // Like `| head`: the reader has what it wanted. A download of its own that ends for it was interrupted.
    if (isReaderGone(io) && code === exitCodes.interrupted && display !== 'download') code = exitCodes.done;
  };
  const program = buildProgram(keeperVersion(), run, words);
  prepare(program, io);
  try {
    if (words.length === 0) program.outputHelp();
    else await program.parseAsync([...words], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done;
    // For a group without a command, commander has shown the group's help.
    if (error instanceof CommanderError && error.code === 'commander.help') return exitCodes.usage;
    // Options are unknown if the command line could not be parsed, so `--json` counts anywhere.
    const renderer = await createRenderer({ json: wantsJson(words) }, io, 'result');
    return fail(renderer, error instanceof CommanderError ? toUsageError(error) : error, io);
  }
}

/** Whether a command line that could not be parsed asks for JSON. */
function wantsJson(words: readonly string[]): boolean {
  const after = words[words.findIndex((word) => word === '-o' || word === '--output') + 1];
  return after === 'json' || words.some((word) => ['--json', '-ojson', '--output=json'].includes(word));
}

async function complete(words: readonly string[], io: Io): Promise<number> {
  const { completions } = await import('./completion/complete.ts');
  const program = buildProgram(keeperVersion(), async () => {}, null);
  for (const { value, note } of await completions(program, words, io)) io.stdout.write(`${value}\t${note}\n`);
  return exitCodes.done;
}

const isReaderGone = ({ interrupt }: Io): boolean =>
  interrupt.aborted && interrupt.reason instanceof Error && interrupt.reason.name === 'ReaderGone';

/** Shows why a command failed and returns the exit code. An interrupt is not a failure. */
async function fail(renderer: Renderer, error: unknown, io: Io): Promise<number> {
  if (io.interrupt.aborted && error === io.interrupt.reason) return exitCodes.interrupted;
  const failure = await toFailure(error);
  renderer.failure(failure);
  return failure.exitCode;
}

/** Makes commander throw in place of exiting, print no errors, and write help to our streams. */
function prepare(command: Command, io: Io): void {
  command.exitOverride();
  command.configureOutput({
    writeOut: (text) => void io.stdout.write(text),
    writeErr: (text) => void io.stderr.write(text),
    outputError: () => {},
    getOutHelpWidth: () => io.stdout.columns ?? HELP_COLUMNS,
    getErrHelpWidth: () => io.stderr.columns ?? HELP_COLUMNS,
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  });
  for (const child of command.commands) prepare(child, io);
}

const HELP_COLUMNS = 100;

function toUsageError(error: CommanderError): Error {
  const text = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
  return usageError(text, 'run rbee-keeper --help, or add --help to the command');
}
