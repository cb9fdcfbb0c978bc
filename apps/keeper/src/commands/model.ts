import { Option } from 'commander';
import { usageError } from '../errors/keeper-error.ts';
import { withCancelNote } from './cancel-output.ts';
import { type CommandGroup, createCommand } from './create-command.ts';
import { endWith } from './end-with.ts';
import { getModel, listModels, pruneModels, removeModels, verifyModels } from './model-store.ts';
import { assertHiveNames, collect, type HiveOption, MAX_BANDWIDTH, priority, sha256 } from './option-values.ts';

/** Models of one command: each opens two streams. */
const MAX_MODELS = 100;

interface DownloadOptions {
  readonly hive?: readonly string[];
  readonly allHives?: boolean;
  readonly detach?: boolean;
  readonly sha256?: string;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** False with `--no-mmproj`. */
  readonly mmproj: boolean;
  readonly maxBandwidth?: string;
  readonly priority?: number;
}

export const downloadModels = createCommand<[models: readonly string[], options: DownloadOptions]>({
  name: 'download',
  aliases: ['pull', 'dl'],
  description: 'download models and print their paths',
  examples: [
    'model download hf:org/repo::file=model.Q4_K_M.gguf',
    'pull org/repo --hive gpu-1 --detach',
    "pull org/repo --include '*.safetensors' --include '*.json'",
    'pull org/repo --max-bandwidth 50MB/s --priority 10',
  ],
  define(command) {
    command
      .argument('<model...>', 'model names: org/repo[:QUANT] or hf:org/repo[@rev][::file=path]')
      .option('--hive <name>', 'download to this hive (repeatable)', collect)
      .addOption(new Option('--all-hives', 'download to every hive').conflicts('hive'))
      .option('--detach', 'print the download ids and exit')
      .option('--include <glob>', 'download only matching files (repeatable)', collect)
      .option('--exclude <glob>', 'skip matching files (repeatable)', collect)
      .option('--no-mmproj', 'download a vision model without its vision part')
      .option('--sha256 <hex>', 'expected SHA-256 of the file', sha256)
      .option(...MAX_BANDWIDTH)
      .option('--priority <number>', 'queue priority, higher starts first (default: 0)', priority);
  },
  display: (_, { detach }) => (detach ? 'detach' : 'download'),
  async run(session, models, { hive, allHives = false, detach = false, ...options }) {
    const [{ parseBandwidth, parseModelRef }, { modelDownload }] = await Promise.all([
      import('@rbee/contract'),
      import('../operations/model-download.ts'),
    ]);
    for (const model of models) parseModelRef(model);
    if (models.length > MAX_MODELS) throw usageError(`too many models: the limit is ${MAX_MODELS} per command`);
    if (options.sha256 !== undefined && models.length > 1) throw usageError('--sha256 needs exactly one model name');
    assertHiveNames(...(hive ?? []));
    const request = {
      refs: [...new Set(models)],
      hives: allHives ? '*' : hive === undefined ? null : [...new Set(hive)],
      sha256: options.sha256 ?? null,
      ...(options.include === undefined ? {} : { include: options.include }),
      ...(options.exclude === undefined ? {} : { exclude: options.exclude }),
      noProjector: !options.mmproj,
      ...(options.maxBandwidth === undefined ? {} : { maxBandwidth: parseBandwidth(options.maxBandwidth) }),
      ...(options.priority === undefined ? {} : { priority: options.priority }),
      detach,
    } as const;
    const needsQueen = detach ? '--detach' : allHives ? '--all-hives' : hive === undefined ? null : '--hive';
    session.renderer.expect(models);
    return session.withQueen(
      (deps) => {
        const work = () => modelDownload(deps, request);
        return detach ? work() : withCancelNote(session, work);
      },
      { needsQueen, resumes: true },
    );
  },
});

const plan = createCommand<[model: string, options: HiveOption]>({
  name: 'plan',
  description: 'show the files, sizes and disk space of a download',
  examples: ['model plan hf:org/repo', 'model plan org/repo:Q4_K_M --hive gpu-1'],
  define(command) {
    command
      .argument('<model>', 'model name, as for model download')
      .option('--hive <name>', 'plan for this hive (default: the queen chooses)');
  },
  async run(session, model, { hive }) {
    const [{ modelPlanSchema, parseModelRef }, { runOperation }, { planText }] = await Promise.all([
      import('@rbee/contract'),
      import('../operations/run-operation.ts'),
      import('../render/model-text.ts'),
    ]);
    parseModelRef(model);
    assertHiveNames(hive);
    const { results, failure } = await session.withQueen((deps) =>
      runOperation(deps, { operation: 'model_plan', model }, modelPlanSchema, { hive }),
    );
    const [planned] = results;
    if (planned !== undefined) session.renderer.result(planned, () => planText(planned, session.text));
    return endWith(session, failure);
  },
});

export const modelGroup: CommandGroup = {
  name: 'model',
  description: 'download, list, verify and remove models',
  commands: [downloadModels, plan, listModels, getModel, removeModels, verifyModels, pruneModels],
};
