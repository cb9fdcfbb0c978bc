import { formatSeconds } from '@rbee/contract';
import { headerOf } from '@rbee/http';
import type { HubToken } from '../sources/hugging-face/hub-token.ts';
import type { WhoamiResponse } from './hub-request.ts';
import { failed, ok, skipped, type Verdict, warning } from './verdict.ts';

/** A `Date` header has only seconds, and the response takes time to arrive. */
const CLOCK_WARNING_MS = 60_000;
/** The tolerance of servers that sign URLs and requests. */
const CLOCK_FAILURE_MS = 15 * 60_000;

const CLOCK_HINT = 'set the clock of this machine: enable NTP (timedatectl set-ntp true)';
const NEW_TOKEN_HINT =
  'create another at ENDPOINT/settings/tokens, and set HF_TOKEN on the hive or run "hf auth login" there';

/** Whether a hub would respond like this: it knows the request, whatever it says about the token. */
export function isHubResponse({ status }: WhoamiResponse): boolean {
  return status === 200 || status === 401 || status === 403;
}

/** Whether a working hub responds at the endpoint. */
export function judgeHub(host: string, response: WhoamiResponse, isFileThere: boolean): Verdict {
  const { status, sentAtMs, receivedAtMs } = response;
  if (status === 429)
    return warning(`${host} limits the rate of requests (status 429)`, 'wait; with HF_TOKEN the limit is higher');
  if (status >= 500)
    return failed(`${host} is not available (status ${status})`, 'wait and retry; check its status page');
  const took = `in ${((receivedAtMs - sentAtMs) / 1_000).toFixed(2)} s`;
  if (isHubResponse(response)) return ok(`${host} responds ${took}`);
  // A mirror may have files but no users.
  if (isFileThere) return ok(`${host} responds ${took}, as a mirror does`);
  return warning(`${host} responds, but not like a hub (status ${status})`, 'check HF_ENDPOINT');
}

/** Whether the hub accepts the token. */
export function judgeToken(endpoint: string, { status, user }: WhoamiResponse, token: HubToken): Verdict {
  const { host } = new URL(endpoint);
  const problem = token.problem();
  if (problem !== null) return failed(problem, NEW_TOKEN_HINT.replace('ENDPOINT', endpoint));
  if (token.current() === null) {
    return skipped('no token is set: public models need none', 'for private and gated models set HF_TOKEN on the hive');
  }
  if (status === 200) return ok(`${host} accepts the token${user === null ? '' : ` of ${user}`}`);
  if (status === 401) return failed(`${host} rejects the token`, NEW_TOKEN_HINT.replace('ENDPOINT', endpoint));
  if (status === 403) {
    return warning(`${host} does not let the token see its owner (status 403)`, 'check the permissions of the token');
  }
  return skipped(`${host} does not say whether the token is valid (status ${status})`);
}

/** How far the clock of this machine is from the hub's. */
export function judgeClock(host: string, { headers, sentAtMs, receivedAtMs }: WhoamiResponse): Verdict {
  const serverMs = Date.parse(headerOf(headers, 'date') ?? '');
  if (Number.isNaN(serverMs)) return skipped(`${host} sends no time`);
  // A cache repeats an old date, and says how old it is.
  const hubMs = serverMs + (Number(headerOf(headers, 'age')) || 0) * 1_000;
  const aheadMs = (sentAtMs + receivedAtMs) / 2 - hubMs;
  const off = Math.abs(aheadMs);
  if (off < CLOCK_WARNING_MS) return ok(`the clock agrees with that of ${host}`);
  const message = `the clock is ${formatSeconds(off / 1_000)} ${aheadMs > 0 ? 'ahead of' : 'behind'} that of ${host}`;
  return off < CLOCK_FAILURE_MS ? warning(message, CLOCK_HINT) : failed(message, CLOCK_HINT);
}
