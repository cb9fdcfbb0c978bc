import type { Command, Option } from 'commander';
import { exitCodeTable } from './errors/exit-codes.ts';

/** The manual page of the program in roff, from its own commands. `date` is `YYYY-MM-DD`. */
export function manPage(program: Command, version: string, date: string): string {
  const name = program.name();
  return [
    `.TH ${name.toUpperCase()} 1 "${date}" ${quoted(`rbee ${version}`)} ${quoted('User Commands')}`,
    '.SH NAME',
    `${text(name)}, rbee \\- ${text(lowerFirst(program.description()))}`,
    '.SH SYNOPSIS',
    `.B ${text(name)}`,
    text('[options] <command>'),
    '.SH DESCRIPTION',
    text('Sends commands to a queen, and shows what happens. Results go to stdout and everything else to stderr.'),
    '.SH OPTIONS',
    ...program.options.flatMap(optionOf),
    ...headingsOf(program).flatMap((heading) => [
      `.SH ${quoted(heading.toUpperCase())}`,
      ...leavesOf(program.commands.filter((each) => headingOf(each) === heading)).flatMap((each) =>
        commandOf(each, longFormOf(each, program)),
      ),
    ]),
    '.SH EXIT STATUS',
    ...exitCodeTable()
      .split('\n')
      .slice(1)
      .flatMap((line) => {
        const [, code = '', meaning = ''] = /^ *(\d+) +(.*)$/.exec(line) ?? [];
        return ['.TP', `.B ${code}`, text(meaning)];
      }),
    '.SH SEE ALSO',
    text('rbee-hive --help, rbee-queen --help'),
    '',
  ].join('\n');
}

/** The headings of the help, in its order. */
const headingOf = (command: Command): string => command.helpGroup().replace(/:$/, '');
const headingsOf = (program: Command): string[] => [...new Set(program.commands.map(headingOf))];

/** The commands that do something, in groups or not. */
function leavesOf(commands: readonly Command[]): Command[] {
  return commands
    .filter((each) => each.name() !== 'help')
    .flatMap((each) => (each.commands.length > 0 ? leavesOf(each.commands) : [each]));
}

/** The command of a group that a command at the top is short for. */
function longFormOf(command: Command, program: Command): Command | undefined {
  if (command.parent !== program) return undefined;
  const inGroups = program.commands.flatMap((group) => leavesOf(group.commands));
  return inGroups.find((each) => each.description() === command.description());
}

function wordsOf(command: Command): string {
  const words: string[] = [];
  for (let each: Command | null = command; each?.parent; each = each.parent) words.unshift(each.name());
  return words.join(' ');
}

function commandOf(command: Command, longForm: Command | undefined): string[] {
  const aliases = command.aliases();
  const head = [
    `.SS ${quoted(`${wordsOf(command)} ${command.usage()}`)}`,
    text(`${upperFirst(command.description())}.`),
    ...(aliases.length > 0 ? ['.br', text(`Also: ${aliases.join(', ')}.`)] : []),
  ];
  if (longForm !== undefined) return [...head, '.br', text(`The same as "${wordsOf(longForm)}", with its options.`)];
  const named = command.registeredArguments.filter(({ description }) => description !== '');
  return [
    ...head,
    ...named.flatMap((argument) => ['.TP', `.I ${text(argument.name())}`, text(argument.description)]),
    ...command.options.flatMap(optionOf),
  ];
}

const optionOf = (option: Option): string[] =>
  option.hidden ? [] : ['.TP', `.B ${text(option.flags)}`, text(option.description)];

/** Text for roff: hyphens that can be copied, and no line that begins with a request. */
function text(plain: string): string {
  const escaped = plain.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('\n', ' ').replaceAll('…', '\\&...');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

/** An argument of a request. */
const quoted = (plain: string): string => `"${text(plain).replaceAll('"', '\\(dq')}"`;
const lowerFirst = (sentence: string): string =>
  sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, '');
const upperFirst = (sentence: string): string => sentence.charAt(0).toUpperCase() + sentence.slice(1);
