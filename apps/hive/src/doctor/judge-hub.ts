import { formatSeconds } from '@rbee/contract';
import { headerOf } from '@rbee/transfer';
import type { HubAnswer } from './ask-hub.ts';
import { failed, ok, skipped, type Verdict, warning } from './verdict.ts';

/** A `Date` header has no more than seconds, and the way takes its time. */
const CLOCK_WARNING_MS = 60_000;
/** As much as those grant who sign addresses and requests. */
const CLOCK_FAILURE_MS = 15 * 60_000;

const CLOCK_HINT = 'set the clock of this machine: switch NTP on (timedatectl set-ntp true)';
const NEW_TOKEN_HINT =
  'make another at ENDPOINT/settings/tokens, and set HF_TOKEN on the hive or run "hf auth login" there';

/** Whether a hub answers so: it knows the question, whatever it says of the token. */
export function isAnswerOfHub({ status }: HubAnswer): boolean {
  return status === 200 || status === 401 || status === 403;
}

/** Whether what answers at the endpoint is a hub that can be asked. */
export function judgeHub(host: string, answer: HubAnswer, isFileThere: boolean): Verdict {
  const { status, askedAtMs, answeredAtMs } = answer;
  if (status === 429)
    return warning(`${host} wants to be asked less often (status 429)`, 'wait; with HF_TOKEN more is allowed');
  if (status >= 500)
    return failed(`${host} is not available (status ${status})`, 'wait and try again; look at its status page');
  const took = `in ${((answeredAtMs - askedAtMs) / 1_000).toFixed(2)} s`;
  if (isAnswerOfHub(answer)) return ok(`${host} answers ${took}`);
  // A mirror may know files and no users.
  if (isFileThere) return ok(`${host} answers ${took}, as a mirror does`);
  return warning(`${host} answers, but not as a hub does (status ${status})`, 'check HF_ENDPOINT');
}

/** Whether the hub knows the token. */
export function judgeToken(endpoint: string, { status, user }: HubAnswer, hasToken: boolean): Verdict {
  const { host } = new URL(endpoint);
  if (!hasToken) {
    return skipped('no token is set: public models need none', 'for private and gated ones set HF_TOKEN on the hive');
  }
  if (status === 200) return ok(`${host} knows the token${user === null ? '' : `: it belongs to ${user}`}`);
  if (status === 401) return failed(`${host} does not know the token`, NEW_TOKEN_HINT.replace('ENDPOINT', endpoint));
  if (status === 403) {
    return warning(
      `${host} does not let the token ask whose it is (status 403)`,
      'check what the token is allowed to do',
    );
  }
  return skipped(`${host} does not say whether it knows the token (status ${status})`);
}

/** How far the clock of this machine is from the hub's. */
export function judgeClock(host: string, { headers, askedAtMs, answeredAtMs }: HubAnswer): Verdict {
  const toldMs = Date.parse(headerOf(headers, 'date') ?? '');
  if (Number.isNaN(toldMs)) return skipped(`${host} does not tell the time`);
  // A cache on the way repeats an old date, and says for how long it has had it.
  const hubMs = toldMs + (Number(headerOf(headers, 'age')) || 0) * 1_000;
  const aheadMs = (askedAtMs + answeredAtMs) / 2 - hubMs;
  const off = Math.abs(aheadMs);
  if (off < CLOCK_WARNING_MS) return ok(`the clock agrees with that of ${host}`);
  const message = `the clock is ${formatSeconds(off / 1_000)} ${aheadMs > 0 ? 'ahead of' : 'behind'} that of ${host}`;
  return off < CLOCK_FAILURE_MS ? warning(message, CLOCK_HINT) : failed(message, CLOCK_HINT);
}
