import { followRedirects } from '@rbee/http';
import { RangeExchange } from './range-exchange.ts';
import { firstForm, nextForm, type RangeForm, rangeHeaders } from './range-form.ts';
import type { RangeOptions, RangeSink } from './range-sink.ts';
import type { RangeHead, RangeRequest } from './response-head.ts';

/** Some file servers refuse requests without a user agent. */
const userAgent = 'rbee';

/**
 * Fetches a range of a file over one connection. The sink gets no byte of a response whose head was not checked.
 * Resolves when the body has reached its announced end.
 * @throws RbeeError DOWNLOAD_FAILED, DOWNLOAD_TIMEOUT, SOURCE_CHANGED, SOURCE_UNAVAILABLE, SOURCE_NOT_ALLOWED,
 *   MODEL_ACCESS_DENIED, MODEL_NOT_FOUND; the signal's reason when aborted; the sink's own errors as they are
 */
export async function fetchRange(request: RangeRequest, options: RangeOptions, sink: RangeSink): Promise<RangeHead> {
  const tried: RangeForm[] = [];
  // Terminates: each form is tried at most once.
  for (let form: RangeForm = firstForm(request); ; ) {
    tried.push(form);
    try {
      return await fetchAs(form, request, options, sink);
    } catch (error) {
      const next = nextForm(request, tried, error);
      if (next === null) throw error;
      form = next;
    }
  }
}

async function fetchAs(
  form: RangeForm,
  request: RangeRequest,
  options: RangeOptions,
  sink: RangeSink,
): Promise<RangeHead> {
  const start = { url: new URL(request.url), headers: lowerCase(request.headers) };
  const { response } = await followRedirects(start, (url, headers) => {
    const sent = { accept: '*/*', 'user-agent': userAgent, ...headers, ...rangeHeaders(request, form) };
    return new RangeExchange(request, url, options, sink).run(sent);
  });
  if (response.head === null) throw new Error('a final response has no head');
  return response.head;
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
