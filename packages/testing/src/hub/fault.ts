import { parseRange } from './range.ts';
import type { FaultAction, HubRequest, ServerName } from './request.ts';

/** Which requests meet the fault. */
export interface FaultMatch {
  /** Default `cdn`, where the bytes of large files come from. */
  readonly server?: ServerName;
  /** Default: GET for faults in the body, any method for the others. */
  readonly method?: string;
  /** Part of the URL's path and query, encoded or not. */
  readonly path?: string;
  /** For how many matching requests; default 1. */
  readonly times?: number;
}

export type Fault = FaultMatch & FaultAction;

export interface FaultHandle {
  /** Requests that have met it. */
  readonly taken: number;
  /** Removes it from the queue. */
  remove(): void;
}

export interface FaultQueue {
  add(fault: Fault): FaultHandle;
  /** The first waiting fault that matches; it counts as used. */
  take(request: HubRequest): Fault | null;
  readonly waiting: readonly Fault[];
  clear(): void;
}

const BODY_FAULTS: readonly string[] = ['reset', 'close', 'stall', 'corrupt'];
const RANGE_FAULTS: readonly string[] = ['ignore_range', 'wrong_content_range'];

export function createFaultQueue(): FaultQueue {
  const entries = new Set<{ readonly fault: Fault; taken: number }>();
  return {
    add(fault) {
      const entry = { fault, taken: 0 };
      entries.add(entry);
      return {
        get taken() {
          return entry.taken;
        },
        remove: () => {
          entries.delete(entry);
        },
      };
    },
    take(request) {
      for (const entry of entries) {
        if (!matches(entry.fault, request)) continue;
        entry.taken += 1;
        if (entry.taken >= (entry.fault.times ?? 1)) entries.delete(entry);
        return entry.fault;
      }
      return null;
    },
    get waiting() {
      return [...entries].map((entry) => entry.fault);
    },
    clear: () => entries.clear(),
  };
}

function matches(fault: Fault, request: HubRequest): boolean {
  if ((fault.server ?? 'cdn') !== request.server) return false;
  const method = fault.method ?? (BODY_FAULTS.includes(fault.kind) ? 'GET' : request.method);
  if (method !== request.method) return false;
  if (fault.path !== undefined && !request.url.includes(fault.path) && !decoded(request.url).includes(fault.path)) {
    return false;
  }
  if (RANGE_FAULTS.includes(fault.kind) && request.range === null) return false;
  return fault.kind !== 'corrupt' || covers(request.range, fault.at);
}

function covers(header: string | null, at: number): boolean {
  const range = parseRange(header, Number.MAX_SAFE_INTEGER);
  if (range === null || range === 'unsatisfiable') return true;
  return at >= range.start && at < range.end;
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url);
  } catch {
    return url;
  }
}
