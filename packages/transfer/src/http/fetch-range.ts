import { RbeeError } from '@rbee/contract/plain';
import { RangeExchange } from './range-exchange.ts';
import type { RangeOptions, RangeSink } from './range-sink.ts';
import { maxRedirects, nextTurn } from './redirect.ts';
import { type RangeHead, type RangeRequest, rangeHeaders } from './response-head.ts';

/** Some file servers refuse requests that do not say who asks. */
const userAgent = 'rbee';

/**
 * Fetches a file from an offset to its end over one connection and gives the sink nothing but checked bytes.
 * Resolves when the body has come to the end that was announced.
 * @throws RbeeError DOWNLOAD_FAILED, DOWNLOAD_TIMEOUT, SOURCE_CHANGED, SOURCE_UNAVAILABLE, SOURCE_NOT_ALLOWED,
 *   MODEL_ACCESS_DENIED, MODEL_NOT_FOUND; the signal's reason when aborted; the sink's own errors as they are
 */
export async function fetchRange(request: RangeRequest, options: RangeOptions, sink: RangeSink): Promise<RangeHead> {
  let url = new URL(request.url);
  let headers = lowerCase(request.headers);
  for (let hops = 0; hops <= maxRedirects; hops += 1) {
    await nextTurn();
    const sent = { 'user-agent': userAgent, ...headers, ...rangeHeaders(request) };
    const outcome = await new RangeExchange(request, url, options, sink).run(sent);
    if (outcome.kind === 'received') return outcome.head;
    // A token is for the origin that it was given for: once left, it is not sent again, not even on the way back.
    if (outcome.to.origin !== url.origin) headers = {};
    url = outcome.to;
  }
  throw new RbeeError('DOWNLOAD_FAILED', `${request.name}: more than ${maxRedirects} redirects`);
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
