import { errnoOf, formatSeconds, RbeeError } from '@rbee/contract/plain';
import type { ResponseHeaders } from '@rbee/http';
import { isRedirect, type RedirectResponse } from '@rbee/http';
import type { Dispatcher } from 'undici';
import { BODY_CUT } from '../outage.ts';
import { errorOfConnection } from './http-error.ts';
import { blamesRange, RangeDeniedError } from './range-refusal.ts';
import type { RangeOptions, RangeSink } from './range-sink.ts';
import { rawHead } from './raw-head.ts';
import { checkHead, type RangeHead, type RangeRequest } from './response-head.ts';
import { StallTimer } from './stall-timer.ts';

/** Up to this much of the body of a redirect or an error is read, so that its connection can be reused. */
const maxDiscardedBytes = 64 * 2 ** 10;
/** And for no longer than this. */
const discardTimeoutMs = 1_000;
/** Of the text of a refusal, to tell what it blames. */
const maxReasonBytes = 2 * 2 ** 10;
/** Limited bytes pass in pieces of this size: a larger one would be a burst, and the last one of a file is never waited for. */
const limitedPieceBytes = 64 * 2 ** 10;

/** undici's code for a body that is cut; before the head of a response, for a Content-Length that the parser refuses. */
const LENGTH_CODE = 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH';

export interface ExchangeOutcome extends RedirectResponse {
  /** Describes the body that the sink received; null for a redirect. */
  readonly head: RangeHead | null;
}

interface AcceptedResponse extends ExchangeOutcome {
  readonly head: RangeHead;
}

type Verdict = { readonly outcome: ExchangeOutcome } | { readonly error: unknown };

/** One request and its response. Chunks go straight from undici's parser to the sink, without a stream in between. */
export class RangeExchange implements Dispatcher.DispatchHandler {
  readonly #request: RangeRequest;
  readonly #url: URL;
  readonly #options: RangeOptions;
  readonly #sink: RangeSink;
  readonly #result = Promise.withResolvers<ExchangeOutcome>();
  readonly #stallTimer = new StallTimer();
  readonly #onAbort = () => this.#fail(this.#options.signal.reason);
  #controller: Dispatcher.DispatchController | null = null;
  #accepted: AcceptedResponse | null = null;
  /** Set while the rest of an unwanted body is being read. */
  #verdict: Verdict | null = null;
  /** What the server says about a refusal with 403. */
  #reason = '';
  #received = 0;
  /** The sink has paused the body. */
  #isHeldBySink = false;
  /** Chunks that still wait for the limiter. */
  #unpassed = 0;
  /** The rest of the last chunk, not yet given to sink and limiter. */
  #rest: Buffer | null = null;
  #isSettled = false;

  constructor(request: RangeRequest, url: URL, options: RangeOptions, sink: RangeSink) {
    this.#request = request;
    this.#url = url;
    this.#options = options;
    this.#sink = sink;
  }

  run(headers: Readonly<Record<string, string>>): Promise<ExchangeOutcome> {
    const { signal, dispatcher, headersTimeoutMs } = this.#options;
    if (signal.aborted) return Promise.reject(signal.reason);
    signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#stallTimer.start(headersTimeoutMs, () => this.#fail(this.#headersTimeout()));
    const { origin, pathname, search } = this.#url;
    try {
      // undici's own timers are off: they have a resolution of half a second.
      const timeouts = { headersTimeout: 0, bodyTimeout: 0 };
      dispatcher.dispatch({ origin, path: `${pathname}${search}`, method: 'GET', headers, ...timeouts }, this);
    } catch (error) {
      this.#fail(error);
    }
    return this.#result.promise;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Aborted or timed out while waiting for a connection.
    if (this.#isSettled) controller.abort(new Error('the request is no longer wanted'));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    const head = rawHead(controller);
    // Safe: `headers` are strings, not views of this memory.
    if (head !== null) this.#options.release?.(head);
    if (this.#isSettled || status < 200) return;
    try {
      if (isRedirect(status)) {
        this.#discard({ outcome: { status, headers, head: null } });
        return;
      }
      this.#accept({ status, headers, head: checkHead(this.#request, status, headers) });
    } catch (error) {
      // A 2xx body that was refused may be as long as the file: not worth reading.
      if (status < 300) this.#fail(error);
      else this.#discard({ error });
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    // undici delivers an empty chunk after each pause (not documented). Passed on to a sink that pauses on every chunk, it would loop forever.
    if (chunk.length === 0) return;
    this.#received += chunk.length;
    if (this.#isSettled) {
      this.#options.release?.(chunk);
      return;
    }
    if (this.#verdict !== null) {
      this.#explain(this.#verdict, chunk);
      if (this.#received > maxDiscardedBytes) this.#conclude(this.#verdict);
      return;
    }
    const expected = this.#expectedBytes;
    if (expected !== null && this.#received > expected) {
      this.#fail(this.#bodyError(`has more than the announced ${expected} bytes`));
      return;
    }
    this.#stallTimer.refresh();
    const wanted = this.#wantedOf(chunk);
    if (wanted.length > 0) this.#pass(wanted);
    if (!this.#isSettled && this.#isHeld) this.#pause();
    this.#endIfFull();
  }

  /** Reads the beginning of the text that comes with a 403, and gives its memory back. */
  #explain(verdict: Verdict, chunk: Buffer): void {
    const error = 'error' in verdict ? verdict.error : null;
    if (error instanceof RbeeError && error.details?.['status'] === 403 && this.#reason.length < maxReasonBytes) {
      this.#reason += chunk.toString('latin1', 0, maxReasonBytes - this.#reason.length);
      if (blamesRange(this.#reason)) this.#verdict = { error: new RangeDeniedError(403) };
    }
    this.#options.release?.(chunk);
  }

  /** A chunk of the body without what comes before the requested range and after it. */
  #wantedOf(chunk: Buffer): Buffer {
    const { lead = 0, tail = 0 } = this.#accepted?.head ?? {};
    if (lead === 0 && tail === 0) return chunk;
    const at = this.#received - chunk.length;
    const from = Math.min(chunk.length, Math.max(0, lead - at));
    const to = Math.max(from, Math.min(chunk.length, (this.#expectedBytes ?? 0) - tail - at));
    const release = this.#options.release;
    if (from > 0) release?.(chunk.subarray(0, from));
    if (to < chunk.length) release?.(chunk.subarray(to));
    return chunk.subarray(from, to);
  }

  /** Everything requested is there, and the rest of the body may be long. */
  #endIfFull(): void {
    const accepted = this.#accepted;
    if (accepted?.head.tail === undefined || this.#rest !== null) return;
    if (this.#received >= (this.#expectedBytes ?? 0) - accepted.head.tail) this.#conclude({ outcome: accepted });
  }

  /** Gives the sink as much as sink and limiter take now, and keeps the rest. */
  #pass(chunk: Buffer): void {
    for (let rest = chunk; ; ) {
      const piece = this.#options.limiter?.isLimited === true ? rest.subarray(0, limitedPieceBytes) : rest;
      rest = rest.subarray(piece.length);
      this.#isHeldBySink = !this.#sink.write(piece);
      if (this.#isSettled) return;
      this.#limit(piece.length);
      if (rest.length === 0) return;
      if (this.#isHeld) {
        this.#rest = rest;
        return;
      }
    }
  }

  onResponseEnd(): void {
    if (this.#isSettled) return;
    const expected = this.#expectedBytes;
    if (this.#verdict !== null) this.#conclude(this.#verdict);
    else if (this.#accepted === null) this.#fail(this.#bodyError('ended before it began'));
    else if (expected !== null && this.#received < expected) {
      this.#fail(this.#bodyError(`ended after ${this.#received} of ${expected} bytes`, { code: BODY_CUT }));
    } else this.#settle({ outcome: this.#accepted });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isSettled) return;
    if (this.#verdict !== null) this.#settle(this.#verdict);
    else if (this.#accepted === null && errnoOf(error) === LENGTH_CODE)
      this.#settle({ error: this.#lengthError(error) });
    else this.#settle({ error: errorOfConnection(error, this.#url.host) });
  }

  get #expectedBytes(): number | null {
    const { start, end, lead = 0, tail = 0 } = this.#accepted?.head ?? { start: 0, end: null };
    return end === null ? null : lead + end - start + tail;
  }

  #accept(accepted: AcceptedResponse): void {
    this.#accepted = accepted;
    this.#isHeldBySink = true;
    this.#pause();
    const flow = {
      resume: () => this.#release(),
      stop: () => this.#conclude({ outcome: accepted }),
      abort: (error: unknown) => this.#fail(error),
    };
    this.#sink.start(accepted.head, flow).then(
      () => {
        // The body of an accepted 416 is an explanation: every byte of the file is there already.
        if (accepted.status === 416) this.#discard({ outcome: accepted });
        this.#release();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  /** Most chunks pass immediately; while one waits, the socket is paused and no timer runs. */
  #limit(bytes: number): void {
    const passing = this.#options.limiter?.pass(bytes, this.#options.signal);
    if (passing === undefined) return;
    this.#unpassed += 1;
    const passed = () => {
      this.#unpassed -= 1;
      this.#resume();
    };
    passing.then(passed, (error: unknown) => this.#fail(error));
  }

  get #isHeld(): boolean {
    return this.#isHeldBySink || this.#unpassed > 0;
  }

  #release(): void {
    this.#isHeldBySink = false;
    this.#resume();
  }

  #pause(): void {
    this.#stallTimer.stop();
    this.#controller?.pause();
  }

  #resume(): void {
    // A released connection may be serving another request, which this one must not resume.
    if (this.#isSettled || this.#isHeld) return;
    const rest = this.#rest;
    this.#rest = null;
    if (rest !== null) this.#pass(rest);
    this.#endIfFull();
    if (this.#isSettled || this.#isHeld) return;
    if (this.#verdict === null) {
      this.#stallTimer.start(this.#options.stallTimeoutMs, () => {
        this.#options.onStall?.();
        this.#fail(this.#bodyTimeout());
      });
    }
    this.#controller?.resume();
  }

  #discard(verdict: Verdict): void {
    this.#verdict = verdict;
    this.#received = 0;
    this.#stallTimer.start(discardTimeoutMs, () => this.#conclude(verdict));
  }

  /** Ends a response before the end of its body, which costs the connection. */
  #conclude(verdict: Verdict): void {
    if (this.#settle(verdict)) this.#controller?.abort(new Error('the rest of the response is not wanted'));
  }

  #fail(error: unknown): void {
    this.#conclude({ error });
  }

  #settle(verdict: Verdict): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#stallTimer.stop();
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    if ('outcome' in verdict) this.#result.resolve(verdict.outcome);
    else this.#result.reject(verdict.error);
    return true;
  }

  #headersTimeout(): RbeeError {
    const waited = formatSeconds(this.#options.headersTimeoutMs / 1_000);
    return new RbeeError('DOWNLOAD_TIMEOUT', `${this.#url.host} sent no headers for ${waited}`);
  }

  #bodyTimeout(): RbeeError {
    const waited = formatSeconds(this.#options.stallTimeoutMs / 1_000);
    return new RbeeError('DOWNLOAD_TIMEOUT', `${this.#url.host} sent no data for ${waited}`);
  }

  #lengthError(cause: Error): RbeeError {
    const message = `${this.#url.host} sends its Content-Length twice, or together with Transfer-Encoding`;
    return new RbeeError('DOWNLOAD_FAILED', message, { cause });
  }

  #bodyError(what: string, details: Readonly<Record<string, unknown>> = {}): RbeeError {
    return new RbeeError('DOWNLOAD_FAILED', `the body of ${this.#request.name} ${what}`, { details });
  }
}
