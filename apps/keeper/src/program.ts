import { Command, Option } from 'commander';
import * as actions from './actions.ts';
import type { Run } from './command-run.ts';
import { exitCodeTable } from './exit-codes.ts';
import { collect, type DiscardOption, examples, partialOf, port, priority, sha256 } from './option-values.ts';
import { addDownloadCommands } from './program-downloads.ts';
import { DEFAULT_QUEEN_URL } from './settings.ts';

/** The command line: what can be written, and which action that runs. Does nothing by itself. */
export function buildProgram(version: string, run: Run): Command {
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
  addModelCommands(program.command('model').description('models: download, list'), run);
  addDownloadCommands(
    program.command('download').description('downloads: list, show, watch, pause, resume, retry, cancel, clear'),
    run,
  );
  addJobCommands(program.command('job').description('jobs: list, watch, cancel'), run);
  addFleetCommands(program, run);
  addShortcuts(program, run);
  return program.addHelpText(
    'after',
    `\n${exitCodeTable()}\n${examples('model download org/repo:Q4_K_M', 'download watch', 'status --json')}`,
  );
}

function addModelCommands(group: Command, run: Run): void {
  defineModelDownload(group.command('download').aliases(['pull', 'dl']), run);
  defineModelList(group.command('list').alias('ls'), run);
}

/** What people write who come from other programs. */
function addShortcuts(program: Command, run: Run): void {
  defineModelDownload(program.command('pull').alias('dl'), run).description('the same as model download');
  defineModelList(program.command('ls'), run).description('the same as model list');
}

function defineModelDownload(command: Command, run: Run): Command {
  return command
    .description('download models and follow to the end; prints the path of each verified file')
    .argument('<ref...>', 'what to download: hf:org/repo[@rev][::file=path] or org/repo[:QUANT]')
    .option('--hive <name>', 'the hive that shall download it (repeatable)', collect)
    .addOption(new Option('--all-hives', 'download it on every hive').conflicts('hive'))
    .option('--detach', 'print the ids of the downloads and leave')
    .option('--sha256 <hex>', 'what the file must hash to', sha256)
    .option('--max-bandwidth <speed>', 'at most so fast: 50MB/s, 400Mbit/s; 0 is unlimited')
    .option('--priority <number>', 'higher goes first where downloads wait for a place (default: 0)', priority)
    .addHelpText(
      'after',
      examples(
        'model download hf:org/repo::file=model.Q4_K_M.gguf',
        'pull org/repo --hive gpu-1 --detach',
        'pull org/repo --max-bandwidth 50MB/s --priority 10',
      ),
    )
    .action((refs: string[], options: actions.ModelDownloadOptions) =>
      run(command, options.detach ? 'detach' : 'download', (session) => actions.downloadModels(session, refs, options)),
    );
}

function defineModelList(command: Command, run: Run): Command {
  return command
    .description('list the models of every hive')
    .addHelpText('after', examples('model list', 'ls --json'))
    .action(() => run(command, 'ask', actions.listModels));
}

function addJobCommands(group: Command, run: Run): void {
  const list = group.command('list').alias('ls');
  list
    .description('list the jobs of the queen, newest first')
    .addHelpText('after', examples('job list'))
    .action(() => run(list, 'ask', actions.listJobs));
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

function addFleetCommands(program: Command, run: Run): void {
  const hives = program.command('hive').description('hives: list').command('list').alias('ls');
  hives
    .description('list the hives that the queen knows')
    .addHelpText('after', examples('hive list'))
    .action(() => run(hives, 'ask', actions.listHives));
  const status = program.command('status');
  status
    .description('show the queen, its hives and the downloads that run')
    .addHelpText('after', examples('status'))
    .action(() => run(status, 'ask', actions.showStatus));
  const up = program.command('up');
  up.description('run a queen and a hive in the foreground until Ctrl+C')
    .option('--queen-port <port>', 'where the queen listens; 0 takes a free port (default: 7833)', port)
    .option('--hive-port <port>', 'where the hive listens; 0 takes a free port (default: 7835)', port)
    .addHelpText('after', examples('up', 'up --queen-port 0 --hive-port 0'))
    .action((options: actions.UpOptions) => run(up, 'ask', (session) => actions.runUp(session, options)));
}
