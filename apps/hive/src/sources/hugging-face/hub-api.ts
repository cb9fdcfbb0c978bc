import { type HfRef, RbeeError } from '@rbee/contract';
import type { ResponseHeaders } from '@rbee/http';
import { HUB_ERRORS, readRefusal } from '@rbee/hub-protocol';
import { jsonRows, MalformedRows } from '../http/json-rows.ts';
import { bodyChunks, discard, type HttpResponse, parseJson, readBody } from '../http/request.ts';
import { unexpectedResponse } from './hub-error.ts';
import { type HubAccess, hops, refused, withToken } from './hub-file.ts';

/** The facts of a repo with 100,000 files have some ten megabytes. */
const MAX_JSON_BYTES = 16 * 1024 * 1024;

/** The API of a hub, for one repo. */
export interface HubApi {
  /** The value that a URL of the API returns. */
  json(url: URL): Promise<unknown>;
  /** A list, row by row; null where the hub has no such list, as mirrors without `/tree`. */
  rows(url: URL, maxRowBytes?: number): Promise<HubRows | null>;
}

interface HubRows {
  readonly headers: ResponseHeaders;
  /** Batches of rows, and the bytes that each took. @throws RbeeError SOURCE_UNAVAILABLE where it is no list */
  readonly batches: AsyncIterable<{ readonly rows: readonly unknown[]; readonly bytes: number }>;
}

type OfRepo = Pick<HfRef, 'repo' | 'revision'>;

/** Statuses of a server that does not know a route of the API. */
const UNKNOWN_ROUTE: ReadonlySet<number> = new Set([404, 405, 410, 501]);

export function createHubApi(hub: HubAccess, of: OfRepo, signal: AbortSignal): HubApi {
  return {
    async json(url) {
      const response = await request(hub, of, url, signal);
      const body = parseJson(await readBody(response, MAX_JSON_BYTES, signal, endless));
      if (body === undefined) throw unexpectedResponse('it is not JSON');
      return body;
    },
    async rows(url, maxRowBytes) {
      const response = await request(hub, of, url, signal, isUnknownRoute);
      if (response.status !== 200) return null;
      return { headers: response.headers, batches: batchesOf(response, signal, maxRowBytes) };
    },
  };
}

/** Final: the hub would send the same again. */
function endless(message: string): RbeeError {
  return new RbeeError('MODEL_NOT_FOUND', message, { hint: 'name the files with ::file=, which needs no list' });
}

/** A response with status 200, or one that `accepts` takes, without its body. */
function request(
  hub: HubAccess,
  of: OfRepo,
  start: URL,
  signal: AbortSignal,
  accepts: (response: HttpResponse) => boolean = () => false,
): Promise<HttpResponse> {
  return withToken(hub, async (token) => {
    // A mirror may redirect the API to the hub that it mirrors.
    for await (const { response, to } of hops(hub, token, 'GET', start, signal)) {
      if (to !== null) continue;
      if (response.status === 200) return response;
      discard(response);
      if (accepts(response)) return response;
      throw refused(hub, token, { ...of, path: null }, response);
    }
    throw new Error('the hops ended without a final response');
  });
}

function isUnknownRoute({ status, headers }: HttpResponse): boolean {
  const { code } = readRefusal(headers);
  return UNKNOWN_ROUTE.has(status) && code !== HUB_ERRORS.repoNotFound && code !== HUB_ERRORS.revisionNotFound;
}

async function* batchesOf(response: HttpResponse, signal: AbortSignal, maxRowBytes?: number) {
  let bytes = 0;
  async function* counted() {
    for await (const chunk of bodyChunks(response, signal)) {
      bytes += chunk.length;
      yield chunk;
    }
  }
  try {
    for await (const rows of jsonRows(counted(), maxRowBytes)) {
      yield { rows, bytes };
      bytes = 0;
    }
  } catch (error) {
    if (error instanceof MalformedRows) throw unexpectedResponse('its JSON is not that of a hub');
    throw error;
  }
}
