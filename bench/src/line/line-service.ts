import { fileURLToPath } from 'node:url';
import { type Service, startService } from '../process/service.ts';
import type { Line } from './delayed-pipe.ts';

export interface LineService extends Pick<Service, 'pid' | 'stop'> {
  /** On 127.0.0.1. */
  readonly port: number;
}

const program = fileURLToPath(new URL('./line-main.ts', import.meta.url));

/** The proxy in a process of its own. The caller stops it; it does not outlive the caller. */
export async function startLine(targetPort: number, { delayMs, bytesPerSecond }: Line): Promise<LineService> {
  const numbers = [targetPort, delayMs, bytesPerSecond].map(String);
  const service = await startService(process.execPath, [program, ...numbers]);
  try {
    return { pid: service.pid, port: Number(await service.firstLine), stop: service.stop };
  } catch (error) {
    await service.stop();
    throw error;
  }
}
