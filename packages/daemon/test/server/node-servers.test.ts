import { once } from 'node:events';
import { connect } from 'node:net';
import { hiveRoutes } from '@rbee/contract';
import { createStreamHub } from '@rbee/event-stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { addRoute, addStream, createLogger, createServer, listen } from '../../src/index.ts';
import { sendRaw } from '../support.ts';

// Goal: a daemon behaves alike on every address of localhost. Method: real connections to two addresses of loopback,
// which stand for 127.0.0.1 and ::1, since a test machine may have no IPv6.

const ADDRESSES = ['127.0.0.1', '127.0.0.2'];
/** Reserved for documentation (RFC 5737), so no machine has it. */
const NOT_OURS = '192.0.2.1';

async function serve(addresses = ADDRESSES) {
  const logger = createLogger({ name: 'test', level: 'silent' });
  const hub = createStreamHub();
  const app = await createServer({ logger, hub, access: { apiToken: null }, title: 't', version: '1' });
  addRoute(app, hiveRoutes.health, () => ({ status: 'ok' as const }));
  const channel = hub.channel({ mode: 'state' });
  channel.publish({ event: 'heartbeat', data: '{"n":1}' }, 'state');
  addStream(app, hub, hiveRoutes.heartbeats, () => channel);
  const url = await listen(app, { host: 'localhost', port: 0 }, async () => addresses);
  onTestFinished(() => app.close());
  return { app, port: Number(new URL(url).port) };
}

describe.each(ADDRESSES)('at %s', (address) => {
  it('a request gets its response', async () => {
    const { port } = await serve();
    const response = await fetch(`http://${address}:${port}/health`);
    expect(await response.json()).toEqual({ status: 'ok' });
  });

  it('what is not HTTP gets the error envelope', async () => {
    const { port } = await serve();
    expect(await sendRaw(port, 'NONSENSE\r\n\r\n', undefined, address)).toMatch(/^HTTP\/1.1 400 .*REQUEST_INVALID/s);
  });

  it('closing ends streams, and connections that never speak', async () => {
    const { app, port } = await serve();
    const response = await fetch(`http://${address}:${port}/v1/heartbeats/stream`);
    const silent = connect(port, address);
    silent.on('error', () => undefined);
    await once(silent, 'connect');
    const ended = once(silent, 'close');
    await app.close();
    expect(await response.text()).toContain('heartbeat');
    await ended;
    await expect(fetch(`http://${address}:${port}/health`)).rejects.toThrow();
  });
});

describe('the addresses of a daemon', () => {
  it('leave out addresses of localhost that this machine does not have', async () => {
    const { port } = await serve(['127.0.0.1', NOT_OURS, '127.0.0.2']);
    for (const address of ADDRESSES) expect((await fetch(`http://${address}:${port}/health`)).status).toBe(200);
  });

  it('are one where its host is an address', async () => {
    const logger = createLogger({ name: 'test', level: 'silent' });
    const app = await createServer({
      logger,
      hub: createStreamHub(),
      access: { apiToken: null },
      title: 't',
      version: '1',
    });
    onTestFinished(() => app.close());
    expect(await listen(app, { host: '127.0.0.1', port: 0 })).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(app.addresses()).toHaveLength(1);
  });
});
