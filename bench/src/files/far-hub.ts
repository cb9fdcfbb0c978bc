import type { Line } from '../line/delayed-pipe.ts';
import { type Helper, startHelper } from '../process/helper.ts';
import type { ModelFiles } from './model.ts';

export interface FarHubSetup {
  readonly files: ModelFiles;
  /** In front of both the hub and its CDN. */
  readonly line: Line;
}

export interface FarHubHello {
  /** Of the hub, at the near end of the line. */
  readonly url: string;
  readonly commit: string;
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
}

export interface FarHub extends FarHubHello, Pick<Helper, 'stop'> {}

/** A hub with one model, far away. The caller stops it. */
export async function startFarHub(setup: FarHubSetup, signal: AbortSignal): Promise<FarHub> {
  const script = new URL('./hub-main.ts', import.meta.url);
  const helper = await startHelper({ script, args: [JSON.stringify(setup)], signal });
  return { ...(helper.hello as FarHubHello), stop: helper.stop };
}
