import { printable, printableJson } from '@rbee/contract';
import type { Failure } from '../errors/failure.ts';
import type { WatchEvent } from '../watch-event.ts';
import { createDownloadViews } from './download-view.ts';
import { endText, failureText } from './end-text.ts';
import type { Output, Renderer } from './renderer.ts';
import { plain } from './style.ts';

/** An object as a line of JSON that controls no terminal. */
export function jsonLine(object: unknown): string {
  return `${printableJson(JSON.stringify(object))}\n`;
}

/**
 * For programs: one JSON object per line on stdout and nothing else. Events are `{"event":…,"data":…}` with the data as
 * received, results are the object itself, failures are `{"error":{code,message,hint?,details?}}`. Failures are also
 * printed on stderr for people.
 */
export function createJsonRenderer(stdout: Output, stderr: Output, isQuiet: boolean): Renderer {
  const views = createDownloadViews();
  const print = (object: unknown) => stdout.write(jsonLine(object));

  function failure(failed: Failure): void {
    const { exitCode: _, ...error } = failed;
    print({ error });
    stderr.write(failureText(failed, plain));
  }

  return {
    event(event: WatchEvent) {
      if (event.event === 'failure') {
        failure(event.failure);
        return;
      }
      print(event);
      const view = views.apply(event);
      const text = endText(event, view && views.nameOf(view), plain);
      if (text === null || view === null) return;
      if (event.event === 'error') stderr.write(text);
      // Watching the fleet may last for months.
      views.forget(view.id);
    },
    // Events name their downloads.
    expect() {},
    result: (data) => void print(data),
    note(text) {
      if (!isQuiet) stderr.write(`${printable(text)}\n`);
    },
    failure,
    close() {},
  };
}
