import { type HiveRemoved, RbeeError } from '@rbee/contract';
import type { Roster } from '../hives/roster.ts';
import type { Relay } from '../relay/relay.ts';
import type { UndeliveredCancels } from './undelivered-cancels.ts';

export interface RemoveHiveDeps {
  readonly roster: Pick<Roster, 'get' | 'remove'>;
  readonly relay: Pick<Relay, 'activeAt'>;
  readonly undeliveredCancels: Pick<UndeliveredCancels, 'forgetHive'>;
  /** Hives that the settings name. */
  readonly fixed: ReadonlySet<string>;
}

/**
 * Forgets a hive that is gone for good: its limits, its pending cancels, and where it was. The streams of its downloads
 * end, since nobody can say any more how they ended.
 * @throws RbeeError HIVE_NOT_FOUND; STATUS_CONFLICT while it is online, or for a hive of the settings
 */
export function removeHive({ roster, relay, undeliveredCancels, fixed }: RemoveHiveDeps, hiveId: string): HiveRemoved {
  roster.get(hiveId);
  if (fixed.has(hiveId))
    throw new RbeeError('STATUS_CONFLICT', `the settings of the queen name the hive ${hiveId}`, {
      hint: 'take it out of RBEE_QUEEN_HIVES and restart the queen',
    });
  const lost_downloads = relay.activeAt(hiveId);
  roster.remove(hiveId);
  undeliveredCancels.forgetHive(hiveId);
  return { hive_id: hiveId, lost_downloads };
}
