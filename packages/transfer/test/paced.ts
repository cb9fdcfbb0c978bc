import type { Dispatcher } from 'undici';
import type { Limiter } from '../src/index.ts';

type Pace = Pick<Limiter, 'pass'>;

/** A network that brings so many bytes, and then no more until the transfer is aborted. */
export function endsAfter(bytes: number): Pace {
  let left = bytes;
  return {
    pass: (count, signal) => {
      left -= count;
      if (left > 0) return undefined;
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
  };
}

/**
 * A network that is as slow as the limiter says, over all its connections: a transfer sees a server that sends slowly, not a
 * limit of its own.
 */
export function paced(dispatcher: Dispatcher, limiter: Pace, signal: AbortSignal): Dispatcher {
  return dispatcher.compose(
    (dispatch) => (options, handler) => dispatch(options, pacedHandler(handler, limiter, signal)),
  );
}

function pacedHandler(
  handler: Dispatcher.DispatchHandler,
  limiter: Pace,
  signal: AbortSignal,
): Dispatcher.DispatchHandler {
  let controller: PacedController | null = null;
  const over = (real: Dispatcher.DispatchController): PacedController => {
    controller ??= new PacedController(real);
    return controller;
  };
  return {
    onRequestStart: (real, context) => handler.onRequestStart?.(over(real), context),
    onResponseStart: (real, ...head) => handler.onResponseStart?.(over(real), ...head),
    onResponseData: (real, chunk) => {
      const control = over(real);
      const passing = limiter.pass(chunk.length, signal);
      handler.onResponseData?.(control, chunk);
      if (passing !== undefined) control.holdUntil(passing);
    },
    onResponseEnd: (real, trailers) => handler.onResponseEnd?.(over(real), trailers),
    onResponseError: (real, error) => handler.onResponseError?.(over(real), error),
  };
}

/** Resumes only when neither the network nor the reader stands still. */
class PacedController implements Dispatcher.DispatchController {
  readonly #real: Dispatcher.DispatchController;
  #holds = 0;
  #isPausedByReader = false;

  constructor(real: Dispatcher.DispatchController) {
    this.#real = real;
  }

  get aborted() {
    return this.#real.aborted;
  }

  get paused() {
    return this.#real.paused;
  }

  get reason() {
    return this.#real.reason;
  }

  get rawHeaders() {
    return this.#real.rawHeaders ?? null;
  }

  get rawTrailers() {
    return this.#real.rawTrailers ?? null;
  }

  abort(reason: Error): void {
    this.#real.abort(reason);
  }

  pause(): void {
    this.#isPausedByReader = true;
    this.#real.pause();
  }

  resume(): void {
    this.#isPausedByReader = false;
    this.#goOn();
  }

  holdUntil(passing: Promise<void>): void {
    this.#holds += 1;
    this.#real.pause();
    const passed = () => {
      this.#holds -= 1;
      this.#goOn();
    };
    passing.then(passed, passed);
  }

  #goOn(): void {
    if (this.#holds === 0 && !this.#isPausedByReader) this.#real.resume();
  }
}
