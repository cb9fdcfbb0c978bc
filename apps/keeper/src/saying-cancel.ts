import type { Session } from './session.ts';

/** Does work that the first Ctrl+C cancels, and says so when it comes. */
export async function sayingCancel<T>(session: Session, work: () => Promise<T>): Promise<T> {
  const say = () => session.renderer.note('cancelling; press Ctrl+C again to leave at once');
  session.io.interrupt.addEventListener('abort', say, { once: true });
  try {
    return await work();
  } finally {
    session.io.interrupt.removeEventListener('abort', say);
  }
}
