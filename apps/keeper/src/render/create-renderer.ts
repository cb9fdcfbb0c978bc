import type { Io } from '../io.ts';
import { type GlobalOptions, isJson } from '../settings.ts';
import type { Display, Renderer } from './renderer.ts';

/** Drawn as bars where there is a terminal for them. */
const DRAWN: readonly Display[] = ['download', 'watch', 'fleet'];

/** The renderer for these options and this terminal. Only that one is loaded. */
export async function createRenderer(options: GlobalOptions, io: Io, display: Display): Promise<Renderer> {
  const { quiet } = options;
  const { stdout, stderr, env } = io;
  if (isJson(options)) {
    const { createJsonRenderer } = await import('./json.ts');
    return createJsonRenderer(stdout, stderr, quiet === true);
  }
  const { paintFor } = await import('./style.ts');
  const paint = paintFor({ isTerminal: stderr.isTTY, env });
  if (DRAWN.includes(display) && stderr.isTTY && !quiet && env.TERM !== 'dumb') {
    const { createBarsRenderer } = await import('./bars/bars.ts');
    const { now, onSuspend } = io;
    return createBarsRenderer({ stdout, terminal: stderr, paint, now, onSuspend, isFleet: display === 'fleet' });
  }
  const { createLinesRenderer } = await import('./lines.ts');
  const renderer = createLinesRenderer({ stdout, stderr, paint, display, isQuiet: quiet === true });
  if (display !== 'result' || !stderr.isTTY || quiet || env.TERM === 'dumb') return renderer;
  const { withWaitingLine } = await import('./waiting-line.ts');
  return withWaitingLine(renderer, io);
}
