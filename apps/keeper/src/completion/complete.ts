import type { Argument, Command, Option } from 'commander';
import { type Candidate, type CompletionIo, candidatesOf, type Subject } from './subjects.ts';

/** Candidates for the last word of a command line, which is unfinished or empty. */
export async function completions(
  program: Command,
  words: readonly string[],
  io: CompletionIo,
): Promise<readonly Candidate[]> {
  const all = words.flatMap(splitOption);
  const last = all.at(-1) ?? '';
  const before = all.slice(0, -1);
  const [option = '', value] = splitOption(words.at(-1) ?? '');
  if (value !== undefined) {
    const found = await completions(program, all, io);
    return found.map((each) => ({ ...each, value: `${option}=${each.value}` }));
  }
  const place = placeOf(program, before);
  const starting = (candidates: readonly Candidate[]) => candidates.filter(({ value }) => value.startsWith(last));
  if (place.option !== null) return starting(await valuesOf(place.option, before, io));
  if (last.startsWith('-')) return starting(optionsOf(place.command));
  if (place.command.commands.length > 0) return starting(commandsOf(place.command));
  const argument = argumentAt(place.command, place.given.length);
  if (argument === null) return [];
  if (argument.argChoices) return starting(argument.argChoices.map(plainCandidate));
  const found = starting(await candidatesOf(subjectOf(place.command, argument), settingsIn(before), io, last));
  return found.filter(({ value }) => !place.given.includes(value));
}

interface Place {
  readonly command: Command;
  /** The option whose value comes next. */
  readonly option: Option | null;
  /** Arguments of the command before the last word. */
  readonly given: readonly string[];
}

function placeOf(program: Command, words: readonly string[]): Place {
  let command = program;
  let option: Option | null = null;
  let given: string[] = [];
  for (const word of words) {
    if (option !== null) {
      option = null;
      continue;
    }
    if (word.startsWith('-')) {
      const named = allOptions(command).find(({ long, short }) => long === word || short === word);
      option = named?.required === true ? named : null;
      continue;
    }
    const below = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (below === undefined) given.push(word);
    else {
      command = below;
      given = [];
    }
  }
  return { command, option, given };
}

function splitOption(word: string): readonly string[] {
  const [, name, value] = /^(--[a-z-]+)=(.*)$/.exec(word) ?? [];
  return name === undefined || value === undefined ? [word] : [name, value];
}

/** The options of a command and of its parents. */
function allOptions(command: Command): readonly Option[] {
  return command.parent === null ? command.options : [...command.options, ...allOptions(command.parent)];
}

function optionsOf(command: Command): readonly Candidate[] {
  const help = { value: '--help', note: 'show help' };
  const named = allOptions(command).flatMap(({ long, description, hidden }) =>
    long === undefined || long === null || hidden ? [] : [{ value: long, note: description }],
  );
  return [...named.filter(({ value }) => value !== '--version' || command.parent === null), help];
}

function commandsOf(command: Command): readonly Candidate[] {
  return command.commands.map((each) => ({ value: each.name(), note: each.description() }));
}

function argumentAt(command: Command, index: number): Argument | null {
  const { registeredArguments: known } = command;
  return known[index] ?? (known.at(-1)?.variadic === true ? (known.at(-1) ?? null) : null);
}

async function valuesOf(option: Option, words: readonly string[], io: CompletionIo): Promise<readonly Candidate[]> {
  if (option.argChoices) return option.argChoices.map(plainCandidate);
  return option.long === '--hive' ? candidatesOf('hive', settingsIn(words), io, '') : [];
}

const plainCandidate = (value: string): Candidate => ({ value, note: '' });

/** An `<id>` is what its description begins with; a `<name>` below `hive` is one of a hive. */
function subjectOf(command: Command, argument: Argument): Subject | null {
  if (argument.name() === 'name') return command.parent?.name() === 'hive' ? 'hive' : null;
  if (argument.name() !== 'id') return null;
  const [, subject] = /^(download|job|model) ids?\b/.exec(argument.description) ?? [];
  return subject === undefined ? null : (subject as Subject);
}

/** The options on the line that select the queen. */
function settingsIn(words: readonly string[]): { readonly queen?: string; readonly token?: string } {
  const after = (name: string) => words[words.indexOf(name) + 1];
  const queen = words.includes('--queen') ? after('--queen') : undefined;
  const token = words.includes('--token') ? after('--token') : undefined;
  return { ...(queen === undefined ? {} : { queen }), ...(token === undefined ? {} : { token }) };
}
