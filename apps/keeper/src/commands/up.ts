import type { FleetPlaces } from '../answers.ts';
import { exitCodes } from '../errors/exit-codes.ts';
import type { Fleet } from '../own-fleet/embedded.ts';
import { whenAborted } from './when-aborted.ts';

/**
 * Runs a queen and a hive until the signal, and stops both. Returns the exit code.
 * @throws KeeperError DAEMON_FAILED where one of the two ends by itself; the other is stopped then
 */
export async function up(
  start: () => Promise<Fleet>,
  onReady: (places: FleetPlaces) => void,
  signal: AbortSignal,
): Promise<number> {
  const fleet = await start();
  try {
    onReady({
      queen_url: fleet.queenUrl,
      hive_url: fleet.hiveUrl,
      hive_id: fleet.hiveId,
      models_dir: fleet.modelsDir,
    });
    const failure = await Promise.race([fleet.failed, whenAborted(signal)]);
    if (failure !== null) throw failure;
    return exitCodes.done;
  } finally {
    await fleet.stop();
  }
}
