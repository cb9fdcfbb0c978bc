import { rm } from 'node:fs/promises';
import { KeeperError } from '../errors/keeper-error.ts';
import { startDaemon } from './daemon-process.ts';
import { type Fleet, type FleetOptions, registered } from './embedded.ts';
import { type Hold, holdDaemon } from './hold-daemon.ts';
import type { SharedFleet, StoreOwner } from './store-owner.ts';

type JoinOptions = Pick<FleetOptions, 'bins' | 'env' | 'queenEnv' | 'token' | 'signal' | 'onLeave' | 'onTrouble'>;

/**
 * The hive that owns the store, for a command to use: with the queen of the command that started it, with the queen that
 * it registers with, or with a queen of this command. Null while it is starting or ending.
 */
export async function joinFleet(options: JoinOptions, owner: StoreOwner): Promise<Fleet | null> {
  if (owner.fleet !== null) return joinShared(options, owner, owner.fleet);
  if (owner.queen_url !== null) {
    const joined = await connected(options, owner, owner.queen_url, new Promise(() => {}));
    if (joined !== null) return { ...joined, stop: async () => {} };
  }
  // One that a command is starting says more soon.
  return owner.is_of_command ? null : joinStandalone(options, owner);
}

/** Holds both daemons first: they may be about to end. */
async function joinShared(options: JoinOptions, owner: StoreOwner, shared: SharedFleet): Promise<Fleet | null> {
  const hive = await holdDaemon(shared.hive_hold);
  const queen = hive === null ? null : await holdDaemon(shared.queen_hold);
  const held = [hive, queen].filter((hold): hold is Hold => hold !== null);
  let isLeaving = false;
  const stop = async () => {
    isLeaving = true;
    let isStaying = false;
    for (const hold of held) isStaying = await hold.release();
    // The last one clears up.
    if (queen !== null && !isStaying && shared.state_dir !== null)
      await rm(shared.state_dir, { recursive: true, force: true });
  };
  const failed = Promise.race(held.map(({ closed }) => closed)).then(
    () => new KeeperError('DAEMON_FAILED', 'the queen or hive that another command had started exited unexpectedly'),
  );
  // After `stop` it means nothing.
  const gone = failed.then((error) => (isLeaving ? new Promise<never>(() => {}) : error));
  const joined =
    queen === null
      ? null
      : await connected({ ...options, token: null }, owner, shared.queen_url, gone).catch(() => null);
  if (joined !== null) return { ...joined, stop };
  await stop();
  options.signal.throwIfAborted();
  return null;
}

/** A hive without a queen: this command brings one, which ends with it. */
async function joinStandalone(options: JoinOptions, owner: StoreOwner): Promise<Fleet> {
  const { bins, env, queenEnv, token, signal } = options;
  const queen = await startDaemon({
    name: 'queen',
    bin: bins.queen,
    env: {
      ...env,
      ...queenEnv,
      RBEE_QUEEN_HIVES: `${owner.hive_id}=${owner.hive_url}`,
      ...(token === null ? {} : { RBEE_HIVE_TOKEN: token }),
    },
    onTrouble: (message) => options.onTrouble?.('queen', message),
    signal,
  });
  const removeCleanUp = options.onLeave(() => queen.abandon());
  const stop = async () => {
    await queen.stop();
    removeCleanUp();
  };
  try {
    const joined = await connected(options, owner, queen.url, queen.failed, null);
    if (joined !== null) return { ...joined, token: null, stop };
    throw new KeeperError('DAEMON_FAILED', `the hive at ${owner.hive_url} owns this store, but cannot be used`, {
      hint: 'if it needs a token, set RBEE_API_TOKEN',
    });
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The fleet of a queen, once it lists the owner as online; null if it is not reachable, or has another hive of that name. */
async function connected(
  options: Pick<JoinOptions, 'token' | 'signal'>,
  owner: StoreOwner,
  queenUrl: string,
  failed: Promise<KeeperError>,
  queenToken: string | null = options.token,
): Promise<Omit<Fleet, 'stop'> | null> {
  const hiveUrl = owner.hive_url;
  try {
    const info = await registered({ ...options, queenToken }, { queenUrl, hiveUrl, failed });
    if (info.hiveId !== owner.hive_id) return null;
    return { queenUrl, hiveUrl, ...info, isOwn: false, token: queenToken, failed };
  } catch {
    options.signal.throwIfAborted();
    return null;
  }
}
