import { exitCodes } from '../errors/exit-codes.ts';
import { type CommandGroup, createCommand } from './create-command.ts';
import { endWith } from './end-with.ts';
import { getModel, listModels, pruneModels, removeModels, verifyModels } from './model-store.ts';
import { assertHiveNames, type HiveOption } from './option-values.ts';
import { downloadModels } from './pull.ts';

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
    const [{ modelPlanSchema, parseModelRef }, { chooseQuantisation }, { runOperation }, { planText }] =
      await Promise.all([
        import('@rbee/contract'),
        import('../operations/pull/choose-quantisation.ts'),
        import('../operations/run-operation.ts'),
        import('../render/model-text.ts'),
      ]);
    parseModelRef(model);
    assertHiveNames(hive);
    return session.withQueen(async (deps) => {
      const chosen = await chooseQuantisation(session, deps, model, hive);
      if (chosen === null) return exitCodes.failed;
      const operation = { operation: 'model_plan', model: chosen } as const;
      const { results, failure } = await runOperation(deps, operation, modelPlanSchema, { hive });
      const [planned] = results;
      if (planned !== undefined) session.renderer.result(planned, () => planText(planned, session.text));
      return endWith(session, failure);
    });
  },
});

export const modelGroup: CommandGroup = {
  name: 'model',
  description: 'download, list, verify and remove models',
  commands: [downloadModels, plan, listModels, getModel, removeModels, verifyModels, pruneModels],
};
