import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Agent, type buildConnector, type Dispatcher } from 'undici';

/** More than one slab, and no multiple of anything. */
const contentBytes = 654_321;
/** The reader pauses after every so many chunks. */
const pauseEvery = 3;

/**
 * Reads a known response over loopback through undici and sockets that read into a pool, with pauses and memory given back on the way.
 * The response ends with its connection, so that a lost tail shows. Returns what went wrong; null if every byte was right.
 */
export async function checkPooledReads(
  connect: buildConnector.connector,
  release: (chunk: Buffer) => void,
  limitMs: number,
): Promise<Error | null> {
  const content = randomFillSync(Buffer.allocUnsafe(contentBytes));
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n');
      socket.end(content);
    });
  });
  const agent = new Agent({ connect, allowH2: false });
  try {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const timer = setTimeout(() => void agent.destroy(new Error(`no end within ${limitMs} ms`)), limitMs);
    await readAll(agent, `http://127.0.0.1:${port}`, content, release).finally(() => clearTimeout(timer));
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    await agent.destroy();
    server.close();
  }
}

function readAll(agent: Dispatcher, origin: string, content: Buffer, release: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0;
    let chunks = 0;
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: () => {},
      onResponseStart: () => {},
      onResponseData: (controller, chunk) => {
        const bytes = chunk as Buffer;
        const isRight = bytes.equals(content.subarray(received, received + bytes.length));
        received += bytes.length;
        release(bytes);
        if (!isRight) {
          reject(new Error(`wrong bytes before offset ${received}`));
          controller.abort(new Error('wrong bytes'));
          return;
        }
        chunks += 1;
        if (chunks % pauseEvery !== 0) return;
        controller.pause();
        setImmediate(() => controller.resume());
      },
      onResponseEnd: () => {
        if (received === content.length) resolve();
        else reject(new Error(`only ${received} bytes came`));
      },
      onResponseError: (_controller, error) => reject(error),
    };
    agent.dispatch({ origin, path: '/', method: 'GET' }, handler);
  });
}
