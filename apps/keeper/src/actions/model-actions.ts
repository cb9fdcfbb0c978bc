import type { VerifiedModel } from '../answers.ts';
import { exitCodes, worstOf } from '../errors/exit-codes.ts';
import type { Failure } from '../errors/failure.ts';
import { sayingCancel } from '../saying-cancel.ts';
import type { Session } from '../session.ts';
import { assertHiveName } from './hive-name.ts';

// The actions of the commands for the models of a store, and for what a hive may use, made like the others.

export interface HiveOption {
  /** The name of one hive. */
  readonly hive?: string;
}

export async function planModel(session: Session, ref: string, { hive }: HiveOption): Promise<number> {
  const [{ parseModelRef }, { modelPlan }, { planText }] = await Promise.all([
    import('@rbee/contract'),
    import('../commands/model-plan.ts'),
    import('../render/model-text.ts'),
  ]);
  parseModelRef(ref);
  checkHive(hive);
  const { results, failure } = await session.withQueen((deps) => modelPlan(deps, ref, hive));
  const [plan] = results;
  if (plan !== undefined) session.renderer.answer(plan, () => planText(plan, session.text));
  return endWith(session, failure);
}

export async function showModel(session: Session, id: string, { hive }: HiveOption): Promise<number> {
  const [{ modelGet }, { modelText }] = await Promise.all([
    import('../commands/model-get.ts'),
    import('../render/model-text.ts'),
  ]);
  checkHive(hive);
  const { results, failure } = await session.withQueen((deps) => modelGet(deps, id, hive));
  const text = () => results.map((model) => modelText(model, session.text)).join('\n');
  if (results.length > 0) session.renderer.answer({ models: results }, text);
  return endWith(session, failure);
}

export async function removeModels(session: Session, ids: readonly string[], { hive }: HiveOption): Promise<number> {
  const [{ modelRemove }, { removedText }] = await Promise.all([
    import('../commands/models.ts'),
    import('../render/model-text.ts'),
  ]);
  checkHive(hive);
  const { removed, failures } = await session.withQueen((deps) => modelRemove(deps, ids, hive));
  session.renderer.answer({ removed }, () => removedText(removed));
  return worstOf(failures.map((failure) => endWith(session, failure)));
}

export interface VerifyOptions extends HiveOption {
  readonly repair?: boolean;
}

export async function verifyModels(
  session: Session,
  id: string | undefined,
  { hive, repair = false }: VerifyOptions,
): Promise<number> {
  const [{ modelVerify, repairModels }, { verifiedText }] = await Promise.all([
    import('../commands/model-verify.ts'),
    import('../render/model-text.ts'),
  ]);
  checkHive(hive);
  const { renderer } = session;
  const verify = () =>
    session.withQueen(async (deps) => {
      const { models, failure } = await modelVerify(deps, id, hive, (text) => renderer.note(text));
      renderer.answer({ models }, () => verifiedText(models, repair, session.text));
      const damaged = models.filter((model) => !model.ok);
      const repaired = repair && damaged.length > 0 ? await repairModels(deps, damaged) : exitOf(damaged);
      return worstOf([repaired, endWith(session, failure)]);
    });
  return sayingCancel(session, verify);
}

const exitOf = (damaged: readonly VerifiedModel[]): number =>
  damaged.length === 0 ? exitCodes.done : exitCodes.failed;

export interface PruneOptions extends HiveOption {
  readonly dryRun?: boolean;
}

export async function pruneModels(session: Session, { hive, dryRun = false }: PruneOptions): Promise<number> {
  const [{ modelPrune }, { prunedText }] = await Promise.all([
    import('../commands/model-prune.ts'),
    import('../render/model-text.ts'),
  ]);
  checkHive(hive);
  const { results, failure } = await session.withQueen((deps) => modelPrune(deps, dryRun, hive));
  const pruned = {
    dry_run: dryRun,
    freed_bytes: results.reduce((sum, result) => sum + result.freed_bytes, 0),
    removed: results.flatMap(({ hive_id, removed }) => removed.map((entry) => ({ hive_id, ...entry }))),
  };
  session.renderer.answer(pruned, () => prunedText(pruned, session.text));
  return endWith(session, failure);
}

export async function limitHive(
  session: Session,
  name: string,
  { maxBandwidth }: { readonly maxBandwidth: string },
): Promise<number> {
  const [{ parseBandwidth }, { hiveLimit }, { limitText }] = await Promise.all([
    import('@rbee/contract'),
    import('../commands/hive-limit.ts'),
    import('../render/model-text.ts'),
  ]);
  assertHiveName(name);
  const speed = parseBandwidth(maxBandwidth);
  const limit = await session.withQueen((deps) => hiveLimit(deps, name, speed));
  session.renderer.answer(limit, () => limitText(limit));
  return exitCodes.done;
}

function checkHive(hive: string | undefined): void {
  if (hive !== undefined) assertHiveName(hive);
}

/** Shows why not every hive did it; the answer is the exit code. */
function endWith(session: Session, failure: Failure | null): number {
  if (failure === null) return exitCodes.done;
  session.renderer.failure(failure);
  return failure.exitCode;
}
