import { formatBytes, type Hive, RbeeError, type WantedModel } from '@rbee/contract';
import { allOnline, type Choice, type ChoiceReason, type Fleet } from './choice.ts';
import { type Holdings, type Nearness, nearnessOf } from './nearness.ts';

/** Space that a hive always keeps free on its disk: with less it downloads nothing. */
const LEAST_FREE_BYTES = 2 ** 30;

export interface PlacementDeps {
  readonly fleet: Fleet;
  /** The holdings of a hive; empty when it does not respond in time. */
  readonly holdings: (hive: Hive) => Promise<Holdings>;
  /** Active downloads of a hive that the queen knows of: newer than the hive's last heartbeat. */
  readonly activeAt: (hiveId: string) => number;
}

interface Candidate {
  readonly hive: Hive;
  /** Free space where it would write the model; null if unknown. */
  readonly freeBytes: number | null;
  readonly nearness: Nearness;
  readonly active: number;
}

const ORDER: readonly Nearness[] = ['under way', 'model', 'likely model', 'partial', null];

/**
 * The best hive for a model: one that is downloading it already, one that holds it or a part of it, else the one with the
 * fewest active downloads among those with enough disk space.
 * @throws RbeeError HIVE_UNAVAILABLE when none is online, DISK_FULL when none has the space
 */
export async function placeModel(deps: PlacementDeps, wanted: WantedModel): Promise<Choice> {
  const candidates = await Promise.all(allOnline(deps.fleet).map((hive) => candidateOf(deps, wanted, hive)));
  const fitting = candidates.filter(fits);
  const [best, ...others] = fitting.toSorted(compare);
  if (!best) throw diskFull(candidates);
  const { hive, nearness } = best;
  const full = candidates.length - fitting.length;
  const skipped = full === 0 ? '' : `; ${full} with too little disk space ${full === 1 ? 'was' : 'were'} skipped`;
  const { reason, why } = reasonOf(nearness);
  return { hives: [hive], others: others.map((other) => other.hive), reason, why: why + skipped };
}

async function candidateOf(deps: PlacementDeps, wanted: WantedModel, hive: Hive): Promise<Candidate> {
  return {
    hive,
    freeBytes: wanted.ref.scheme === 'hf' ? hive.free_bytes : (hive.other_free_bytes ?? hive.free_bytes),
    nearness: nearnessOf(wanted, await deps.holdings(hive)),
    active: Math.max(hive.active_downloads, deps.activeAt(hive.hive_id)),
  };
}

/** A model that is there, or being downloaded, needs no more space. */
function fits({ freeBytes, nearness }: Candidate): boolean {
  const needsSpace = nearness === 'partial' || nearness === null;
  return !needsSpace || freeBytes === null || freeBytes >= LEAST_FREE_BYTES;
}

function compare(a: Candidate, b: Candidate): number {
  return ORDER.indexOf(a.nearness) - ORDER.indexOf(b.nearness) || a.active - b.active;
}

function reasonOf(nearness: Nearness): { reason: ChoiceReason; why: string } {
  switch (nearness) {
    case 'under way':
      return { reason: 'under_way', why: 'already downloading the model' };
    case 'model':
    case 'likely model':
      return { reason: 'holds_model', why: 'already has the model' };
    case 'partial':
      return { reason: 'holds_partial', why: 'has a part of the model' };
    case null:
      return { reason: 'least_busy', why: 'fewest active downloads' };
  }
}

function diskFull(candidates: readonly Candidate[]): RbeeError {
  const most = candidates.reduce((a, b) => ((a.freeBytes ?? 0) >= (b.freeBytes ?? 0) ? a : b));
  return new RbeeError('DISK_FULL', 'no online hive has enough disk space', {
    hint: `${most.hive.hive_id} has the most free, ${formatBytes(most.freeBytes ?? 0)}; free space with "model remove" or "model prune"`,
  });
}
