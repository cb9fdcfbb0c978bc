import { basename } from 'node:path';
import { toFailure } from '../../errors/failure.ts';
import { acceptedIds, type WatchEvent } from '../../watch-event.ts';
import type { CommandDeps } from '../command-deps.ts';
import { type Asking, asks, confirm } from '../confirm.ts';
import { type DownloadRequest, wantedBy } from '../model-download.ts';
import { placeModel } from './local-dir.ts';

/** Where the models of a command end up, as its events tell. */
export interface Placing {
  onEvent(event: WatchEvent): void;
  /** Waits until all files are in place. The paths are in the order in which the models were named. */
  settle(): Promise<{ readonly paths: readonly string[]; readonly codes: readonly number[] }>;
}

/**
 * Passes events on. With a local folder, the end of a download is passed on once its files are there, and names their path there.
 * The first hive of a job whose files are on this machine is enough.
 */
export function createPlacing(
  asking: Asking,
  deps: CommandDeps,
  request: Pick<DownloadRequest, 'include' | 'exclude' | 'noProjector'>,
  localDir: string | null,
): Placing {
  const modelOf = new Map<string, string>();
  const paths = new Map<string, string>();
  const codes: number[] = [];
  const work: Promise<void>[] = [];
  const mayReplace = async (path: string) => {
    if (asking.isYes) {
      asking.renderer.note(`replaced ${path}`);
      return true;
    }
    if (!asks(asking)) return false;
    const question = `Replace ${basename(path)}?`;
    return confirm(asking, { preview: `${path} is there and different\n`, question, refusal: 'it was left as it is' });
  };
  const place = async (event: Extract<WatchEvent, { event: 'complete' }>, dir: string) => {
    const { download_id: id, path: stored } = event.data;
    const model = modelOf.get(id) ?? '';
    try {
      const path = await placeModel(deps, wantedBy(request, model), stored, { path: dir, mayReplace });
      paths.set(id, path);
      deps.emit({ ...event, data: { ...event.data, path } });
    } catch (error) {
      deps.emit(event);
      if (deps.signal.aborted) return;
      const failure = await toFailure(error);
      codes.push(failure.exitCode);
      deps.emit({ event: 'failure', failure });
    }
  };
  return {
    onEvent(event) {
      if (event.event === 'accepted') for (const id of acceptedIds(event.data)) modelOf.set(id, event.model);
      if (event.event !== 'complete') return deps.emit(event);
      if (localDir !== null) {
        // One at a time: two models of a repo may share files.
        const before = work.at(-1) ?? Promise.resolve();
        work.push(before.then(() => place(event, localDir)));
        return;
      }
      paths.set(event.data.download_id, event.data.path);
      deps.emit(event);
    },
    async settle() {
      await Promise.all(work);
      return { paths: [...modelOf.keys()].flatMap((id) => paths.get(id) ?? []), codes };
    },
  };
}
