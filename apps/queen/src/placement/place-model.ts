import { formatBytes, type Hive, RbeeError, type WantedModel } from '@rbee/contract';
import { allOnline, type Choice, type ChoiceReason, type Fleet } from './choice.ts';
import { type Holdings, type Nearness, nearnessOf } from './nearness.ts';

/** What a hive keeps free on its disk whatever it fetches: with less it fetches nothing. */
const LEAST_FREE_BYTES = 2 ** 30;

export interface PlacementDeps {
  readonly fleet: Fleet;
  /** What a hive has, as far as it says so in time. */
  readonly holdings: (hive: Hive) => Promise<Holdings>;
  /** Downloads of a hive that have not ended, as far as the queen knows: newer than the hive's last heartbeat. */
  readonly activeAt: (hiveId: string) => number;
}

interface Candidate {
  readonly hive: Hive;
  /** Where it would write the model; null where it is not known. */
  readonly freeBytes: number | null;
  readonly nearness: Nearness;
  readonly active: number;
}

const ORDER: readonly Nearness[] = ['under way', 'model', 'likely model', 'partial', null];

/**
 * The hive that is best for a model: one that is fetching it already, one that holds it or a part of it, else the one with
 * the fewest active downloads among those with room.
 * @throws RbeeError HIVE_UNAVAILABLE where none is online, DISK_FULL where none has room
 */
export async function placeModel(deps: PlacementDeps, wanted: WantedModel): Promise<Choice> {
  const candidates = await Promise.all(allOnline(deps.fleet).map((hive) => candidateOf(deps, wanted, hive)));
  const fitting = candidates.filter(fits);
  const [best, ...others] = fitting;
  if (!best) throw full(candidates);
  const { hive, nearness } = others.reduce((a, b) => (compare(a, b) <= 0 ? a : b), best);
  const left = candidates.length - fitting.length;
  const besides = left === 0 ? '' : `; ${left} without room ${left === 1 ? 'was' : 'were'} left out`;
  const { reason, why } = reasonOf(nearness);
  return { hives: [hive], reason, why: why + besides };
}

async function candidateOf(deps: PlacementDeps, wanted: WantedModel, hive: Hive): Promise<Candidate> {
  return {
    hive,
    freeBytes: wanted.ref.scheme === 'hf' ? hive.free_bytes : (hive.other_free_bytes ?? hive.free_bytes),
    nearness: nearnessOf(wanted, await deps.holdings(hive)),
    active: Math.max(hive.active_downloads, deps.activeAt(hive.hive_id)),
  };
}

/** A model that is there, or has its place already, needs no more room. */
function fits({ freeBytes, nearness }: Candidate): boolean {
  const needsRoom = nearness === 'partial' || nearness === null;
  return !needsRoom || freeBytes === null || freeBytes >= LEAST_FREE_BYTES;
}

function compare(a: Candidate, b: Candidate): number {
  return ORDER.indexOf(a.nearness) - ORDER.indexOf(b.nearness) || a.active - b.active;
}

function reasonOf(nearness: Nearness): { reason: ChoiceReason; why: string } {
  switch (nearness) {
    case 'under way':
      return { reason: 'under_way', why: 'it is fetching the model already' };
    case 'model':
    case 'likely model':
      return { reason: 'holds_model', why: 'it holds the model already' };
    case 'partial':
      return { reason: 'holds_partial', why: 'it holds a part of the model' };
    case null:
      return { reason: 'least_busy', why: 'it has the fewest active downloads' };
  }
}

function full(candidates: readonly Candidate[]): RbeeError {
  const most = candidates.reduce((a, b) => ((a.freeBytes ?? 0) >= (b.freeBytes ?? 0) ? a : b));
  return new RbeeError('DISK_FULL', 'no hive that is online has room on its disk', {
    hint: `${most.hive.hive_id} has the most, ${formatBytes(most.freeBytes ?? 0)}; free some with "model remove" or "model prune"`,
  });
}
