import type { Program } from '@rbee/testing';

/** Sends SIGHUP to a daemon and resolves with the log line about its result. */
export async function hangUp(program: Program): Promise<Readonly<Record<string, unknown>>> {
  const before = program.lines.length;
  process.kill(program.pid, 'SIGHUP');
  const answer = () => program.lines.slice(before).find(({ json }) => /reloaded/.test(String(json?.['msg'])));
  await program.waitFor(() => answer() !== undefined, 'the answer to SIGHUP');
  return answer()?.json ?? {};
}
