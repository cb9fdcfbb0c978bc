import type { RbeeError } from '@rbee/contract';
import { type HoldAddress, type Holders, openHolders } from './holders.ts';

/** What the command that started a daemon says to it, over the IPC channel. */
type Told =
  /** Other commands may use the daemon: it answers with the address where they hold it. */
  | { readonly type: 'share' }
  /** To a hive: the command only looks at things, so nothing of a previous run is to resume for it. */
  | { readonly type: 'bystander' }
  /** The folder is of this daemon's run only, which removes it at its end: the command may be killed before it can. */
  | { readonly type: 'temporary'; readonly folder: string }
  /** To a hive: how other commands find it and its queen. */
  | { readonly type: 'fleet'; readonly fleet: unknown }
  /** The command ends, and so does the daemon unless another command holds it. */
  | { readonly type: 'leave' };

/** What a daemon says to it. */
type ParentMessage =
  | { readonly type: 'hold'; readonly address: HoldAddress }
  /** How many other commands hold it now. */
  | { readonly type: 'held'; readonly count: number }
  | { readonly type: 'stays' }
  | { readonly type: 'failed'; readonly message: string; readonly details: RbeeError['details'] | null };

/** The command that started this daemon: while it and all that hold the daemon are gone, nobody needs it. */
export interface Parent {
  /** What the command shares of its fleet; null until then. */
  readonly fleet: unknown;
  /** Whether what a previous run left waits until a download starts. */
  readonly isBystander: boolean;
  /** A folder that this run removes when it ends; null if there is none. */
  readonly temporaryFolder: string | null;
  /** Calls back when it shares its fleet. */
  onFleet(listener: (fleet: unknown) => void): void;
  /** Calls back once, when nobody needs the daemon any more; immediately if that is so by now. Replaces the callback before. */
  onGone(listener: (reason: string) => void): void;
  /** Says why the daemon did not start, and closes the channel. */
  fail(message: string, details: RbeeError['details'] | null): void;
}

/**
 * Watches the channel to the command that started this daemon. Null if there never was one. Call it first: a channel that
 * closes while the daemon starts must end it too.
 */
export function watchParent(process: NodeJS.Process): Parent | null {
  // Undefined without a channel; false if it was open once.
  if (process.connected === undefined) return null;
  let isLeft = !process.connected;
  let isDone = false;
  let holders: Promise<Holders> | null = null;
  let held = 0;
  let fleet: unknown = null;
  let isBystander = false;
  let temporaryFolder: string | null = null;
  let onFleet = (_: unknown) => {};
  let onGone = (_: string) => {};
  const say = (message: ParentMessage, then = () => {}) => {
    if (process.connected) process.send?.(message, undefined, undefined, then);
    else then();
  };
  const settle = (reason: string) => {
    if (!isLeft || held > 0 || isDone) return;
    isDone = true;
    void holders?.then((open) => open.close());
    onGone(reason);
  };
  const share = () => {
    const onCount = (count: number) => {
      held = count;
      say({ type: 'held', count });
      settle('the last command that used it has ended');
    };
    holders ??= openHolders(onCount, () => !isDone);
    void holders.then(({ address }) => say({ type: 'hold', address }));
  };
  const leave = () => {
    if (held > 0) say({ type: 'stays' }, () => process.disconnect());
    else {
      isLeft = true;
      settle('the command has ended');
    }
  };
  process.on('message', (told: Told) => {
    if (told.type === 'share') share();
    if (told.type === 'bystander') isBystander = true;
    if (told.type === 'temporary') temporaryFolder = told.folder;
    if (told.type === 'leave') leave();
    if (told.type !== 'fleet') return;
    fleet = told.fleet;
    onFleet(fleet);
  });
  process.on('disconnect', () => {
    isLeft = true;
    settle('parent is gone');
  });
  return {
    get fleet() {
      return fleet;
    },
    get isBystander() {
      return isBystander;
    },
    get temporaryFolder() {
      return temporaryFolder;
    },
    onFleet(listener) {
      onFleet = listener;
    },
    onGone(listener) {
      onGone = listener;
      if (isDone) listener('parent is gone');
      else settle('parent is gone');
    },
    fail(message, details) {
      isDone = true;
      void holders?.then((open) => open.close());
      say({ type: 'failed', message, details }, () => {
        if (process.connected) process.disconnect();
      });
    },
  };
}
