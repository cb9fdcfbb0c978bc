// The proxy runs in its own process, so that its work does not count as that of a client or of the bench.
// Arguments: the target's port, the delay one way in milliseconds, bytes per second. Prints its own port.
import { startProxy } from './proxy.ts';

const [targetPort, delayMs, bytesPerSecond] = process.argv.slice(2).map(Number);
if (targetPort === undefined || delayMs === undefined || bytesPerSecond === undefined) {
  throw new Error('usage: line-main TARGET_PORT DELAY_MS BYTES_PER_SECOND');
}
const proxy = await startProxy({ targetPort, line: { delayMs, bytesPerSecond } });
process.stdout.write(`${proxy.port}\n`);
process.once('SIGTERM', () => void proxy.close().then(() => process.exit()));
// The bench holds the other end of stdin, so the proxy does not outlive a bench that was killed.
process.stdin.once('end', () => process.exit());
process.stdin.resume();
