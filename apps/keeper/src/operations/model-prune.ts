import { modelsPrunedSchema } from '@rbee/contract';
import type { Failure } from '../errors/failure.ts';
import type { Pruned } from '../results.ts';
import type { CommandDeps } from './command-deps.ts';
import { runOperation } from './run-operation.ts';

export interface PruneRequest {
  /** Only this hive; undefined for all. */
  readonly hive: string | undefined;
  readonly dryRun: boolean;
  /** Only partials. */
  readonly partials: boolean;
  /** For how long recent files stay; null for the hives' default. */
  readonly minAgeMs: number | null;
}

/** Prunes the stores of the hives. `failure`: why not every hive did. */
export async function modelPrune(
  deps: CommandDeps,
  { hive, dryRun, partials, minAgeMs }: PruneRequest,
): Promise<{ readonly pruned: Pruned; readonly failure: Failure | null }> {
  const operation = {
    operation: 'model_prune',
    dry_run: dryRun,
    ...(partials ? { partials } : {}),
    ...(minAgeMs === null ? {} : { min_age_secs: Math.ceil(minAgeMs / 1_000) }),
  } as const;
  const { results, failure } = await runOperation(deps, operation, modelsPrunedSchema, { hive });
  const ofHives = <T>(entriesOf: (result: (typeof results)[number]) => readonly T[]) =>
    results.flatMap((result) => entriesOf(result).map((entry) => ({ hive_id: result.hive_id, ...entry })));
  const pruned = {
    dry_run: dryRun,
    freed_bytes: results.reduce((sum, result) => sum + result.freed_bytes, 0),
    removed: ofHives(({ removed }) => removed),
    kept: ofHives(({ kept }) => kept ?? []),
  };
  return { pruned, failure };
}
