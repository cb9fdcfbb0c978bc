import {
  DOWNLOAD_EVENT_NAMES,
  type DownloadEvent,
  type DownloadEventName,
  downloadEventSchemas,
  isTerminalEvent,
  JOB_EVENT_NAMES,
  type JobEnd,
  jobDataSchema,
  narrationSchema,
  parseJobEnd,
  queenRoutes,
  SNAPSHOT_END_EVENT,
} from '@rbee/contract';
import { FollowError, type FollowedEvent, follow } from '@rbee/event-stream';
import type { Emit } from '../watch-event.ts';
import type { QueenClient, StreamTarget } from './client.ts';
import { unexpected } from './exchange.ts';
import { refusalOf } from './refusal.ts';
import { connectionLost } from './unreachable.ts';

/** The list of a whole store is one event. */
const MAX_EVENT_CHARS = 16 * 1024 * 1024;

/** Lines of a job that are remembered; as many as a daemon keeps. */
const MAX_SHOWN = 4_000;

/** The id used for the stream of all downloads. */
const FLEET = 'fleet';

/** How reconnecting is retried. */
interface ReconnectPolicy {
  /** Failed connections in a row before the follower gives up. */
  readonly maxAttempts: number;
  readonly backoff: { readonly baseMs: number; readonly maxMs: number };
}

/** About 20 s. */
const RECONNECT: ReconnectPolicy = { maxAttempts: 8, backoff: { baseMs: 200, maxMs: 5_000 } };

export interface FollowDeps {
  readonly client: QueenClient;
  readonly emit: Emit;
  /** Closes the stream; the promise then rejects with its reason. */
  readonly signal: AbortSignal;
  readonly reconnect?: ReconnectPolicy;
}

/**
 * Follows a job's stream to its last event and emits its narration and data.
 * @throws RbeeError or KeeperError (`QUEEN_UNREACHABLE` after about 20 s without a connection)
 */
export async function followJob(deps: FollowDeps, jobId: string): Promise<JobEnd> {
  let end: JobEnd | null = null;
  const isRepeat = createRepeats();
  await followStream(deps, jobId, deps.client.stream(queenRoutes.streamJob, jobId), {
    events: JOB_EVENT_NAMES,
    isTerminal: ({ event }) => event === 'message',
    onReconnect: isRepeat.startOver,
    onEvent({ event, data }) {
      if (isRepeat.has(data)) return;
      if (event === 'narration') deps.emit({ event, data: read(deps, event, narrationSchema, data) });
      else if (event === 'data') deps.emit({ event, data: read(deps, event, jobDataSchema, data) });
      else end = parseJobEnd(data);
    },
  });
  if (end === null) throw unexpected(at(deps), 'the stream of the job ended without a result');
  return end;
}

/**
 * Follows a download's stream to its terminal event, emits every event and returns the last.
 * @throws as `followJob`
 */
export async function followDownload(deps: FollowDeps, downloadId: string): Promise<DownloadEvent> {
  let last: DownloadEvent | null = null;
  await followStream(deps, downloadId, deps.client.stream(queenRoutes.streamDownload, downloadId), {
    events: DOWNLOAD_EVENT_NAMES,
    isTerminal: ({ event }) => isTerminalEvent(event),
    onEvent({ event, data }) {
      if (!isDownloadEvent(event)) return;
      last = readDownloadEvent(deps, event, data);
      deps.emit(last);
    },
  });
  if (last === null) throw unexpected(at(deps), 'the stream of the download ended without a result');
  return last;
}

/**
 * Follows the stream of all downloads and emits every event, until the signal.
 * @throws as `followJob`; the signal's reason
 */
export async function followFleet(deps: FollowDeps): Promise<never> {
  await followStream(deps, FLEET, deps.client.fleetStream(), {
    events: [...DOWNLOAD_EVENT_NAMES, SNAPSHOT_END_EVENT],
    isTerminal: () => false,
    onEvent({ event, data }) {
      if (event === SNAPSHOT_END_EVENT) deps.emit({ event, data: {} });
      if (isDownloadEvent(event)) deps.emit(readDownloadEvent(deps, event, data));
    },
  });
  throw unexpected(at(deps), 'the stream of all downloads has ended');
}

/** A restarted queen has other ids, and reads the lines of a job from its hive again: those that were shown are passed over. */
function createRepeats() {
  const shown = new Set<string>();
  let before = new Set<string>();
  return {
    startOver: () => {
      before = new Set(shown);
    },
    has(data: string): boolean {
      if (before.delete(data)) return true;
      shown.add(data);
      const [oldest] = shown;
      if (shown.size > MAX_SHOWN && oldest !== undefined) shown.delete(oldest);
      return false;
    },
  };
}

interface StreamReader {
  readonly events: readonly string[];
  /** The connection is open again after it was lost. */
  readonly onReconnect?: () => void;
  onEvent(event: FollowedEvent): void;
  isTerminal(event: FollowedEvent): boolean;
}

async function followStream(deps: FollowDeps, id: string, target: StreamTarget, reader: StreamReader): Promise<void> {
  let lost = false;
  try {
    await follow({
      ...target,
      ...reader,
      signal: deps.signal,
      ...(deps.reconnect ?? RECONNECT),
      maxEventChars: MAX_EVENT_CHARS,
      onConnection(change) {
        if (change.state === 'open' && !lost) return;
        if (change.state === 'open') reader.onReconnect?.();
        lost = change.state === 'lost';
        const data =
          change.state === 'lost'
            ? { state: change.state, id, reason: change.reason, attempt: change.attempt }
            : { state: change.state, id, reason: null, attempt: 0 };
        deps.emit({ event: 'connection', data });
      },
    });
  } catch (error) {
    if (!(error instanceof FollowError)) throw error;
    if (error.status === null) throw connectionLost(deps.client.url, error);
    throw refusalOf({ ...at(deps), status: error.status, body: jsonOf(error.body) });
  }
}

const at = (deps: FollowDeps) => ({ daemon: 'queen' as const, url: deps.client.url });

function isDownloadEvent(name: string): name is DownloadEventName {
  return name in downloadEventSchemas;
}

/** TypeScript cannot relate a union of names to a union of schemas, so there is one case per name. */
function readDownloadEvent(deps: FollowDeps, event: DownloadEventName, data: string): DownloadEvent {
  switch (event) {
    case 'progress':
      return { event, data: read(deps, event, downloadEventSchemas.progress, data) };
    case 'notice':
      return { event, data: read(deps, event, downloadEventSchemas.notice, data) };
    case 'complete':
      return { event, data: read(deps, event, downloadEventSchemas.complete, data) };
    case 'error':
      return { event, data: read(deps, event, downloadEventSchemas.error, data) };
    case 'cancelled':
      return { event, data: read(deps, event, downloadEventSchemas.cancelled, data) };
  }
}

interface Schema<T> {
  safeParse(input: unknown): { readonly success: true; readonly data: T } | { readonly success: false };
}

/** The checked data of an event. Fields unknown to the schema are kept: `--json` passes them on. */
function read<T extends object>(deps: FollowDeps, event: string, schema: Schema<T>, text: string): T {
  const raw = jsonOf(text);
  const parsed = schema.safeParse(raw);
  if (!parsed.success) throw unexpected(at(deps), `invalid event "${event}"`);
  return { ...(raw as object), ...parsed.data };
}

function jsonOf(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
