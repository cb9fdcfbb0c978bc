import type { Failure } from '../errors/failure.ts';
import type { WatchEvent } from '../watch-event.ts';
import { createDownloadViews } from './download-view.ts';
import { endText, failureText } from './end-text.ts';
import type { Output, Renderer } from './renderer.ts';
import { plain } from './style.ts';

/**
 * For programs: one JSON object a line on stdout and nothing else there. Events are `{"event":…,"data":…}` with the
 * data as it came, answers are the object itself, failures are `{"error":{code,message,hint?,details?}}`. What a
 * person should read when it fails is on stderr as well.
 */
export function createJsonRenderer(stdout: Output, stderr: Output, isQuiet: boolean): Renderer {
  const views = createDownloadViews();
  const print = (object: unknown) => stdout.write(`${JSON.stringify(object)}\n`);

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
      // A watch of the fleet may last for months.
      views.forget(view.id);
    },
    answer: (data) => void print(data),
    note(text) {
      if (!isQuiet) stderr.write(`${text}\n`);
    },
    failure,
    close() {},
  };
}
