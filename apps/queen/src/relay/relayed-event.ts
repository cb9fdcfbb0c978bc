import { type DownloadEventName, type DownloadId, downloadEventSchemas, type Progress } from '@rbee/contract';
import { type FollowedEvent, spliceFields } from '@rbee/event-stream';
import { issueOf } from '../hives/drop-log.ts';

/** Whose events they are, whatever the hive writes into them. */
export interface Origin {
  readonly id: DownloadId;
  readonly hiveId: string;
  readonly queenId: string;
}

/** The event as readers of the queen get it, or why it cannot be relayed. */
export type RelayedEvent =
  | { readonly event: 'progress'; readonly data: string; readonly progress: Progress }
  | { readonly event: Exclude<DownloadEventName, 'progress'>; readonly data: string }
  | { readonly event: null; readonly problem: string };

/**
 * Puts `orchestrator_id` and `hive_id` before the payload of an event. The payload is passed on as it is, except for
 * fields of these names: only the queen knows who sent it. An event that the contract does not know is refused: it would
 * end the readers that check it.
 */
export function relayedEvent({ event, data }: Pick<FollowedEvent, 'event' | 'data'>, origin: Origin): RelayedEvent {
  if (!isDownloadEvent(event)) return refused('it has an unknown name');
  const payload = parse(data);
  if (payload === null) return refused('it is not a JSON object');
  const checked = downloadEventSchemas[event].safeParse(payload);
  if (!checked.success) return refused(issueOf(checked.error));
  if (payload['download_id'] !== origin.id) return refused('it is about another download');
  const relayed = withOrigin(event, data, payload, origin);
  if (event !== 'progress') return { event, data: relayed };
  return { event, data: relayed, progress: { ...(checked.data as Progress), hive_id: origin.hiveId } };
}

type Payload = Readonly<Record<string, unknown>>;

function withOrigin(event: DownloadEventName, data: string, payload: Payload, { hiveId, queenId }: Origin): string {
  const names = { orchestrator_id: queenId, hive_id: hiveId };
  const isProgress = event === 'progress';
  const isClean = !('orchestrator_id' in payload) && payload['hive_id'] === (isProgress ? hiveId : undefined);
  // Text that is written otherwise may name a field twice, which clients read differently.
  if (!isClean || JSON.stringify(payload) !== data) return JSON.stringify({ ...names, ...payload, ...names });
  const queenField = `"orchestrator_id":${JSON.stringify(queenId)}`;
  // A progress event has its own hive_id.
  return spliceFields(data, isProgress ? queenField : `${queenField},"hive_id":${JSON.stringify(hiveId)}`);
}

const refused = (problem: string) => ({ event: null, problem });

function isDownloadEvent(name: string): name is DownloadEventName {
  return Object.hasOwn(downloadEventSchemas, name);
}

function parse(data: string): Payload | null {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Payload) : null;
  } catch {
    return null;
  }
}
