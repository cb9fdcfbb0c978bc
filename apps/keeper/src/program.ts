import { Command, Option } from 'commander';
import { completion } from './commands/completion.ts';
import { login, open } from './commands/connection.ts';
import { type CommandGroup, examples, type Run } from './commands/create-command.ts';
import { downloadGroup } from './commands/download.ts';
import { fleetCommands } from './commands/fleet.ts';
import { hiveGroup } from './commands/hive.ts';
import { jobGroup } from './commands/job.ts';
import { modelGroup } from './commands/model.ts';
import { listModels } from './commands/model-store.ts';
import { downloadModels } from './commands/pull.ts';
import { search } from './commands/search.ts';
import { exitCodeTable } from './errors/exit-codes.ts';
import { OUTPUT_FORMATS } from './settings.ts';

const GROUPS: readonly CommandGroup[] = [modelGroup, downloadGroup, jobGroup, hiveGroup];

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
  for (const { name, description, commands } of GROUPS) {
    const group = program.command(name).description(description);
    if (words !== null && !words.includes(name)) continue;
    for (const command of commands) command.addTo(group, run);
  }
  for (const command of fleetCommands) command.addTo(program, run);
  // The words that users of other model tools expect.
  downloadModels.addTo(program, run, { name: 'pull', aliases: ['dl'], description: 'same as model download' });
  search.addTo(program, run);
  listModels.addTo(program, run, { name: 'ls', description: 'same as model list' });
  for (const command of [login, open, completion]) command.addTo(program, run);
  return program.addHelpText(
    'after',
    `\n${exitCodeTable()}\n${examples('model download org/repo:Q4_K_M', 'download watch', 'status --json')}`,
  );
}
