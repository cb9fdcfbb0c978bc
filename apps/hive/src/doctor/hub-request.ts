import type { Clock } from '@rbee/contract';
import type { ResponseHeaders } from '@rbee/http';
import { errorOfConnection } from '@rbee/transfer';
import { parseJson, readBody, requestOnce } from '../sources/http/request.ts';
import type { HubAccess } from '../sources/hugging-face/hub-file.ts';

const MAX_RESPONSE_BYTES = 64 * 1024;

/** The hub's response to `whoami`. */
export interface WhoamiResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** The owner of the token; null where the hub does not say. */
  readonly user: string | null;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
}

/** Asks the hub who owns the token. @throws RbeeError as `errorOfConnection` says; the signal's reason */
export async function requestWhoami(hub: HubAccess, clock: Clock, signal: AbortSignal): Promise<WhoamiResponse> {
  const sentAtMs = clock.now();
  const token = hub.token.current();
  try {
    const response = await requestOnce(hub, {
      method: 'GET',
      url: new URL(`${hub.endpoint}/api/whoami-v2`),
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
      signal,
    });
    const receivedAtMs = clock.now();
    const body = parseJson(await readBody(response, MAX_RESPONSE_BYTES, signal));
    return { status: response.status, headers: response.headers, user: userIn(body), sentAtMs, receivedAtMs };
  } catch (error) {
    signal.throwIfAborted();
    throw errorOfConnection(error, new URL(hub.endpoint).host);
  }
}

function userIn(body: unknown): string | null {
  if (typeof body !== 'object' || body === null || !('name' in body)) return null;
  return typeof body.name === 'string' && /^[\w.-]{1,96}$/.test(body.name) ? body.name : null;
}
