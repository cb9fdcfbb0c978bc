import { Command } from 'commander';
import * as actions from '../actions/fleet-actions.ts';
import * as lists from '../actions/list-actions.ts';
import { limitHive } from '../actions/model-actions.ts';
import { exitCodeTable } from '../errors/exit-codes.ts';
import { DEFAULT_QUEEN_URL } from '../settings.ts';
import { addCompletion } from './completion-command.ts';
import { addDownloadCommands } from './download-commands.ts';
import { addModelCommands, addModelShortcuts } from './model-commands.ts';
import { type DiscardOption, examples, partialOf, port } from './option-values.ts';
import type { Run } from './run-action.ts';

/**
 * The command line: what can be written, and which action that runs. Does nothing by itself. The commands of a group that
 * is not among the words are left out, for none of them can be meant; null: all are there.
 */
export function buildProgram(version: string, run: Run, words: readonly string[] | null): Command {
  const program = new Command('rbee-keeper')
    .description('Brings AI models onto machines: asks the queen, shows progress, cancels.')
    .version(version, '--version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show the help of a command')
    .configureHelp({ showGlobalOptions: true })
    .option('--queen <url>', `the queen to ask (environment: RBEE_QUEEN_URL; default: ${DEFAULT_QUEEN_URL})`)
    .option('--token <token>', 'what the queen wants to see of its clients (environment: RBEE_API_TOKEN)')
    .option('--json', 'print JSON on stdout, one object a line, and nothing else there')
    .option('--quiet', 'print results and errors only');
  const groups: readonly [name: string, description: string, add: (group: Command, run: Run) => void][] = [
    ['model', 'models: download, plan, list, get, remove, verify, prune', addModelCommands],
    ['download', 'downloads: list, show, watch, pause, resume, retry, cancel, clear', addDownloadCommands],
    ['job', 'jobs: list, watch, cancel', addJobCommands],
    ['hive', 'hives: list, limit', addHiveCommands],
  ];
  for (const [name, description, add] of groups) {
    const group = program.command(name).description(description);
    if (words === null || words.includes(name)) add(group, run);
  }
  addFleetCommands(program, run);
  addModelShortcuts(program, run);
  addCompletion(program.command('completion'), run);
  return program.addHelpText(
    'after',
    `\n${exitCodeTable()}\n${examples('model download org/repo:Q4_K_M', 'download watch', 'status --json')}`,
  );
}

function addJobCommands(group: Command, run: Run): void {
  const list = group.command('list').alias('ls');
  list
    .description('list the jobs of the queen, newest first')
    .addHelpText('after', examples('job list'))
    .action(() => run(list, 'ask', lists.listJobs, 'light'));
  const watch = group.command('watch');
  watch
    .description('print what a job tells, from its first line to its end; Ctrl+C leaves and changes nothing')
    .argument('<id>', 'the id of a job, or its beginning')
    .addHelpText('after', examples('job watch job-6f1c2d3e'))
    .action((id: string) => run(watch, 'narrate', (session) => actions.watchJob(session, id)));
  const cancel = group.command('cancel');
  cancel
    .description('cancel a job and say what became of its downloads')
    .argument('<id>', 'the id of a job, or its beginning')
    .option('--discard', 'remove what is on disk')
    .addHelpText('after', examples('job cancel job-6f1c2d3e'))
    .action((id: string, options: DiscardOption) =>
      run(cancel, 'ask', (session) => actions.cancelJob(session, id, partialOf(options))),
    );
}

function addHiveCommands(group: Command, run: Run): void {
  const hives = group.command('list').alias('ls');
  hives
    .description('list the hives that the queen knows')
    .addHelpText('after', examples('hive list'))
    .action(() => run(hives, 'ask', lists.listHives, 'light'));
  const limit = group.command('limit');
  limit
    .description('limit the bandwidth of a hive: of all its downloads together, those that run too')
    .argument('<name>', 'the hive')
    .requiredOption('--max-bandwidth <speed>', 'at most so fast: 50MB/s, 400Mbit/s; 0 is unlimited')
    .addHelpText('after', examples('hive limit gpu-1 --max-bandwidth 50MB/s', 'hive limit gpu-1 --max-bandwidth 0'))
    .action((name: string, options: { maxBandwidth: string }) =>
      run(limit, 'ask', (session) => limitHive(session, name, options)),
    );
}

function addFleetCommands(program: Command, run: Run): void {
  const status = program.command('status');
  status
    .description('show the queen, its hives and the downloads that run')
    .addHelpText('after', examples('status'))
    .action(() => run(status, 'ask', lists.showStatus, 'light'));
  const doctor = program.command('doctor');
  doctor
    .description('test what downloads need: the way to the queen, and each hive its way to the hub and its disk')
    .option('--hive <name>', 'only this hive')
    .addHelpText('after', examples('doctor', 'doctor --hive gpu-1 --json'))
    .action((options: { hive?: string }) => run(doctor, 'ask', (session) => actions.examineFleet(session, options)));
  const up = program.command('up');
  up.description('run a queen and a hive in the foreground until Ctrl+C')
    .option('--queen-port <port>', 'where the queen listens; 0 takes a free port (default: 7833)', port)
    .option('--hive-port <port>', 'where the hive listens; 0 takes a free port (default: 7835)', port)
    .addHelpText('after', examples('up', 'up --queen-port 0 --hive-port 0'))
    .action((options: actions.UpOptions) => run(up, 'ask', (session) => actions.runUp(session, options)));
}
