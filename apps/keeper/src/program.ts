import { Command, Option } from 'commander';
import { completion } from './commands/completion.ts';
import { login, open } from './commands/connection.ts';
import { type CommandGroup, examples, type KeeperCommand, type Run } from './commands/create-command.ts';
import { downloadGroup, ps, watchDownloads } from './commands/download.ts';
import { cancelDownloads } from './commands/download-verbs.ts';
import { fleetCommands } from './commands/fleet.ts';
import { hiveGroup } from './commands/hive.ts';
import { jobGroup } from './commands/job.ts';
import { modelGroup } from './commands/model.ts';
import { getModel, listModels, removeModels } from './commands/model-store.ts';
import { downloadModels } from './commands/pull.ts';
import { search } from './commands/search.ts';
import { exitCodeTable } from './errors/exit-codes.ts';
import { OUTPUT_FORMATS } from './settings.ts';

/** A command at the top, a shortcut to one of a group, or a group. */
type Entry = KeeperCommand | Shortcut | CommandGroup;
type Shortcut = readonly [command: KeeperCommand, name: string, ...aliases: string[]];

/** The commands under the headings of the help: first the words that users of other tools expect, then the groups. */
const SECTIONS: Readonly<Record<string, readonly Entry[]>> = {
  Models: [
    [downloadModels, 'pull', 'dl'],
    [listModels, 'ls'],
    [getModel, 'show'],
    [removeModels, 'rm'],
    modelGroup,
    search,
  ],
  Downloads: [ps, [watchDownloads, 'watch'], [cancelDownloads, 'stop'], downloadGroup, jobGroup],
  'Queens and hives': [hiveGroup, ...fleetCommands, login, open],
  Commands: [completion],
};

/**
 * The command line: its words, and the command that each line runs. Does nothing by itself. Groups that `words` does not
 * name get no commands, since building them takes time; null builds them all.
 */
export function buildProgram(version: string, run: Run, words: readonly string[] | null): Command {
  const program = new Command('rbee-keeper')
    .description('Download and manage AI models on one machine or many.')
    .version(version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ showGlobalOptions: true })
    .option('--queen <queen>', 'its name, its URL or several URLs (environment: RBEE_QUEEN_URL)')
    .option('--token <token>', 'API token of the queen (environment: RBEE_API_TOKEN)')
    .addOption(new Option('-o, --output <format>', 'how results are printed').choices(OUTPUT_FORMATS))
    .option('--json', 'same as --output json: one object per line on stdout')
    .option('-q, --quiet', 'print only results and errors')
    .option('-y, --yes', 'do not ask: remove or replace, and take the default');
  for (const [heading, entries] of Object.entries(SECTIONS)) {
    program.commandsGroup(`${heading}:`);
    for (const entry of entries) addEntry(program, run, words, entry);
  }
  return program.addHelpText(
    'after',
    `\n${exitCodeTable()}\n${examples('model download org/repo:Q4_K_M', 'download watch', 'status --json')}`,
  );
}

function addEntry(program: Command, run: Run, words: readonly string[] | null, entry: Entry): void {
  if (isShortcut(entry)) {
    const [command, name, ...aliases] = entry;
    command.addTo(program, run, { name, aliases });
    return;
  }
  if ('addTo' in entry) {
    entry.addTo(program, run);
    return;
  }
  const { name, description, commands } = entry;
  const group = program.command(name).description(description);
  if (words !== null && !words.includes(name)) return;
  for (const command of commands) command.addTo(group, run);
}

const isShortcut = (entry: Entry): entry is Shortcut => Array.isArray(entry);
