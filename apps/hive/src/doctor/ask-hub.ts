import type { Clock } from '@rbee/contract';
import { errorOfConnection, type ResponseHeaders } from '@rbee/transfer';
import { ask, parseJson, readBody } from '../sources/http/request.ts';
import type { HubAccess } from '../sources/hugging-face/hub-file.ts';

const MAX_ANSWER_BYTES = 64 * 1024;

/** What the hub answers to the question whose the token is. */
export interface HubAnswer {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Who the token belongs to; null where the hub does not say. */
  readonly user: string | null;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}

/** Asks the hub whose the token is. @throws RbeeError as `errorOfConnection` says; the signal's reason */
export async function askHub(hub: HubAccess, clock: Clock, signal: AbortSignal): Promise<HubAnswer> {
  const askedAtMs = clock.now();
  try {
    const answer = await ask(hub, {
      method: 'GET',
      url: new URL(`${hub.endpoint}/api/whoami-v2`),
      headers: hub.token === null ? {} : { authorization: `Bearer ${hub.token}` },
      signal,
    });
    const answeredAtMs = clock.now();
    const body = parseJson(await readBody(answer, MAX_ANSWER_BYTES, signal));
    return { status: answer.status, headers: answer.headers, user: userIn(body), askedAtMs, answeredAtMs };
  } catch (error) {
    signal.throwIfAborted();
    throw errorOfConnection(error, new URL(hub.endpoint).host);
  }
}

function userIn(body: unknown): string | null {
  if (typeof body !== 'object' || body === null || !('name' in body)) return null;
  return typeof body.name === 'string' && /^[\w.-]{1,96}$/.test(body.name) ? body.name : null;
}
