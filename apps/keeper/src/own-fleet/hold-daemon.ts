import { connect } from 'node:net';
import type { HoldAddress } from './store-owner.ts';

/** A daemon on this machine responds immediately. */
const TIMEOUT_MS = 5_000;
/** A daemon drains for at most 10 s. */
const END_TIMEOUT_MS = 11_000;

/** A daemon that stays as long as this is open. */
export interface Hold {
  /** Resolves when the daemon is gone, or the hold was released. */
  readonly closed: Promise<void>;
  /** Resolves when the daemon has exited, or with true if it stays for other commands. */
  release(): Promise<boolean>;
}

/** Holds a daemon that another command has started; null if it is gone, is ending, or is another program. Never rejects. */
export function holdDaemon({ port, secret }: HoldAddress): Promise<Hold | null> {
  const { promise, resolve } = Promise.withResolvers<Hold | null>();
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  let said = '';
  let isHeld = false;
  const closed = new Promise<void>((gone) => {
    socket.on('close', () => {
      gone();
      resolve(null);
    });
  });
  const release = async () => {
    socket.setTimeout(END_TIMEOUT_MS);
    socket.end();
    await closed;
    return said.endsWith('stays\n');
  };
  socket.on('error', () => {});
  socket.on('end', () => socket.end());
  socket.on('timeout', () => socket.destroy());
  socket.setTimeout(TIMEOUT_MS);
  socket.on('connect', () => socket.write(`${secret}\n`));
  socket.on('data', (data) => {
    said += data.toString('latin1').slice(0, 16);
    if (!isHeld && said !== 'ok\n') {
      socket.destroy();
      return;
    }
    if (isHeld) return;
    isHeld = true;
    socket.setTimeout(0);
    resolve({ closed, release });
  });
  return promise;
}
