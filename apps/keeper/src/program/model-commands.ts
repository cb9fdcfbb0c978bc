import { type Command, Option } from 'commander';
import { downloadModels, type ModelDownloadOptions } from '../actions/fleet-actions.ts';
import { listModels } from '../actions/list-actions.ts';
import * as actions from '../actions/model-actions.ts';
import { collect, examples, priority, sha256 } from './option-values.ts';
import type { Run } from './run-action.ts';

const ID_TEXT = 'the id of a model, its beginning, or its ref';

/** The commands below `model`. */
export function addModelCommands(group: Command, run: Run): void {
  defineDownload(group.command('download').aliases(['pull', 'dl']), run);
  definePlan(group.command('plan'), run);
  defineList(group.command('list').alias('ls'), run);
  defineGet(group.command('get').alias('show'), run);
  defineRemove(group.command('remove').alias('rm'), run);
  defineVerify(group.command('verify'), run);
  definePrune(group.command('prune'), run);
}

/** What people write who come from other programs. */
export function addModelShortcuts(program: Command, run: Run): void {
  defineDownload(program.command('pull').alias('dl'), run).description('the same as model download');
  defineList(program.command('ls'), run).description('the same as model list');
}

function defineDownload(command: Command, run: Run): Command {
  return command
    .description('download models and follow to the end; prints the path of each verified file')
    .argument('<ref...>', 'what to download: hf:org/repo[@rev][::file=path] or org/repo[:QUANT]')
    .option('--hive <name>', 'the hive that shall download it (repeatable)', collect)
    .addOption(new Option('--all-hives', 'download it on every hive').conflicts('hive'))
    .option('--detach', 'print the ids of the downloads and leave')
    .option('--include <glob>', 'files of the repo to take (repeatable)', collect)
    .option('--exclude <glob>', 'files of the repo to leave (repeatable)', collect)
    .option('--sha256 <hex>', 'what the file must hash to', sha256)
    .option('--max-bandwidth <speed>', 'at most so fast: 50MB/s, 400Mbit/s; 0 is unlimited')
    .option('--priority <number>', 'higher goes first where downloads wait for a place (default: 0)', priority)
    .addHelpText(
      'after',
      examples(
        'model download hf:org/repo::file=model.Q4_K_M.gguf',
        'pull org/repo --hive gpu-1 --detach',
        "pull org/repo --include '*.safetensors' --include '*.json'",
        'pull org/repo --max-bandwidth 50MB/s --priority 10',
      ),
    )
    .action((refs: string[], options: ModelDownloadOptions) =>
      run(command, options.detach ? 'detach' : 'download', (session) => downloadModels(session, refs, options)),
    );
}

function definePlan(command: Command, run: Run): void {
  command
    .description('show what a download would do: files, sizes, what is already there, free space; downloads nothing')
    .argument('<ref>', 'what to look at, as for model download')
    .option('--hive <name>', 'the hive to ask; without it the one that the queen would choose')
    .addHelpText('after', examples('model plan hf:org/repo', 'model plan org/repo:Q4_K_M --hive gpu-1'))
    .action((ref: string, options: actions.HiveOption) =>
      run(command, 'ask', (session) => actions.planModel(session, ref, options)),
    );
}

function defineList(command: Command, run: Run): Command {
  return command
    .description('list the models of every hive, and below them what has been started and what is broken')
    .option('--hive <name>', 'those of one hive')
    .addHelpText('after', examples('model list', 'ls --hive gpu-1 --json'))
    .action((options: actions.HiveOption) => run(command, 'ask', (session) => listModels(session, options), 'light'));
}

function defineGet(command: Command, run: Run): void {
  command
    .description('show one model: its files, where they are, and what a GGUF says of itself')
    .argument('<id>', ID_TEXT)
    .option('--hive <name>', 'the copy of one hive; without it every copy')
    .addHelpText('after', examples('model get m-0123456789ab', 'model show hf:org/repo::file=model.Q4_K_M.gguf'))
    .action((id: string, options: actions.HiveOption) =>
      run(command, 'ask', (session) => actions.showModel(session, id, options)),
    );
}

function defineRemove(command: Command, run: Run): void {
  command
    .description('remove models from a store, with the files that no other model uses; says how much that frees')
    .argument('<id...>', 'ids of models, their beginnings, or their refs')
    .option('--hive <name>', 'the hive to remove them from; needed where several have one')
    .addHelpText('after', examples('model remove m-0123456789ab', 'model rm m-0123456789ab --hive gpu-1'))
    .action((ids: string[], options: actions.HiveOption) =>
      run(command, 'ask', (session) => actions.removeModels(session, ids, options)),
    );
}

function defineVerify(command: Command, run: Run): void {
  command
    .description('read every byte of a model again, or of all models, and compare with its digests')
    .argument('[id]', `${ID_TEXT}; without one every model`)
    .option('--repair', 'download again what is damaged')
    .option('--hive <name>', 'on one hive; without it on every hive')
    .addHelpText('after', examples('model verify', 'model verify m-0123456789ab --repair'))
    .action((id: string | undefined, options: actions.VerifyOptions) =>
      run(command, options.repair ? 'download' : 'ask', (session) => actions.verifyModels(session, id, options)),
    );
}

function definePrune(command: Command, run: Run): void {
  command
    .description('remove what no model needs: old partials, files that nothing uses, damaged files, dead links')
    .option('--dry-run', 'say what would go, and remove nothing')
    .option('--hive <name>', 'on one hive; without it on every hive')
    .addHelpText('after', examples('model prune --dry-run', 'model prune --hive gpu-1'))
    .action((options: actions.PruneOptions) => run(command, 'ask', (session) => actions.pruneModels(session, options)));
}
