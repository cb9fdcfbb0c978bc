import type { Command } from 'commander';
import type { Display } from '../render/renderer.ts';
import type { Session } from '../session.ts';

/** What an action needs: `light` ones only list, and load neither schemas nor streams. */
type Weight = 'light' | 'full';

/** Runs the action of a command with the session it needs. */
export type Run = (
  command: Command,
  display: Display,
  action: (session: Session) => Promise<number>,
  weight?: Weight,
) => Promise<void>;
