import type { PartialChoice } from '@rbee/contract';
import type { DownloadRequest } from '../commands/model-download.ts';
import { usageError } from '../errors/keeper-error.ts';
import { sayingCancel } from '../saying-cancel.ts';
import type { Session } from '../session.ts';
import { keeperVersion } from '../version.ts';
import { showCancel } from './cancel-output.ts';
import { assertHiveName } from './hive-name.ts';

/** Model refs of one command: each opens two streams. */
const MAX_REFS = 100;

// Each action runs one command and shows what it returns; the answer is the exit code. What a command needs is loaded
// here, when it runs, so that help and usage errors come at once.

export interface ModelDownloadOptions {
  readonly hive?: readonly string[];
  readonly allHives?: boolean;
  readonly detach?: boolean;
  readonly sha256?: string;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly maxBandwidth?: string;
  readonly priority?: number;
}

export async function downloadModels(
  session: Session,
  refs: readonly string[],
  { hive, allHives = false, detach = false, sha256, include, exclude, maxBandwidth, priority }: ModelDownloadOptions,
): Promise<number> {
  const [{ parseBandwidth, parseModelRef }, { modelDownload }] = await Promise.all([
    import('@rbee/contract'),
    import('../commands/model-download.ts'),
  ]);
  for (const ref of refs) parseModelRef(ref);
  if (refs.length > MAX_REFS) throw usageError(`at most ${MAX_REFS} models at once`);
  if (sha256 !== undefined && refs.length > 1) throw usageError('--sha256 goes with one model ref, not with several');
  for (const name of hive ?? []) assertHiveName(name);
  const needsQueen = detach
    ? '--detach needs one that goes on when this command has ended'
    : hive !== undefined || allHives
      ? 'hives can be chosen only where one runs'
      : null;
  const request: DownloadRequest = {
    refs: [...new Set(refs)],
    hives: allHives ? '*' : hive === undefined ? null : [...new Set(hive)],
    sha256: sha256 ?? null,
    ...(include === undefined ? {} : { include }),
    ...(exclude === undefined ? {} : { exclude }),
    ...(maxBandwidth === undefined ? {} : { maxBandwidth: parseBandwidth(maxBandwidth) }),
    ...(priority === undefined ? {} : { priority }),
    detach,
  };
  return session.withAnyQueen({ needsQueen }, (deps) => {
    const download = () => modelDownload(deps, request);
    return detach ? download() : sayingCancel(session, download);
  });
}

export async function watchJob(session: Session, id: string): Promise<number> {
  const { jobWatch } = await import('../commands/jobs.ts');
  return session.withQueen((deps) => jobWatch(deps, id));
}

export async function cancelJob(session: Session, id: string, partial: PartialChoice): Promise<number> {
  const { jobCancel } = await import('../commands/job-cancel.ts');
  return showCancel(session, await session.withQueen((deps) => jobCancel(deps, id, partial)));
}

export async function examineFleet(session: Session, { hive }: { readonly hive?: string }): Promise<number> {
  const [{ doctor, exitCodeOfReport }, { doctorText }, { paintFor }] = await Promise.all([
    import('../commands/doctor.ts'),
    import('../render/doctor-text.ts'),
    import('../render/style.ts'),
  ]);
  if (hive !== undefined) assertHiveName(hive);
  const { io, renderer, text } = session;
  const needsQueen = hive === undefined ? null : 'hives can be chosen only where one runs';
  const report = await session.withAnyQueen({ needsQueen, isBystander: true }, (deps) => {
    renderer.note('looking; this takes up to 25 s');
    return doctor(deps, { hive, version: keeperVersion(), now: io.now });
  });
  const paint = paintFor({ isTerminal: io.stdout.isTTY === true, env: io.env });
  renderer.answer(report, () => doctorText(report, { width: text.width, paint }));
  return exitCodeOfReport(report);
}

export interface UpOptions {
  readonly queenPort?: number;
  readonly hivePort?: number;
}

export async function runUp(session: Session, { queenPort, hivePort }: UpOptions): Promise<number> {
  const [{ up }, { upEnv }, { placesText }] = await Promise.all([
    import('../commands/up.ts'),
    import('../own-fleet/fleet-env.ts'),
    import('../render/list-text.ts'),
  ]);
  const { io, renderer } = session;
  const env = upEnv(io.env, queenPort ?? null, hivePort ?? null);
  const start = { temporaryState: false, token: io.env.RBEE_API_TOKEN || null, signal: io.interrupt };
  return up(
    () => session.startFleet(env, start),
    (places) => renderer.answer({ event: 'up', data: places }, () => placesText(places)),
    io.interrupt,
  );
}
