import { execFile, spawn } from 'node:child_process';
import type { ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { findCommand } from '@rbee/testing';
import { EventSource } from 'eventsource';
import { afterEach, describe, expect, it } from 'vitest';
import type { Channel } from '../src/publish/channel.ts';
import { createStreamHub } from '../src/publish/stream-hub.ts';
import { parseEvents } from './support/parse-events.ts';
import { type StreamServer, serveChannel, startServer } from './support/stream-server.ts';
import { waitFor } from './support/wait-for.ts';

/*
 * Goal: the programs that people read event streams with see every event, one after another as they come, and stop after the terminal one.
 * Method: each reads a stream of three events, of which the next is published when the server knows that the last arrived or is on its way;
 * it comes back with the last id and gets 204. A failure shows as a missing event, or as a client that never ends.
 */

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const curl = findCommand('curl');
const chromium = findCommand('chromium');
/** Under CI a program that is missing is a failure. */
const mayMiss = process.env['CI'] !== 'true';
const browserLimitMs = 60_000;

function stream(retryMs = 20) {
  const streamHub = createStreamHub({ retryMs });
  return { streamHub, channel: streamHub.channel({ mode: 'state', epoch: 'e' }) };
}

async function serve(...args: Parameters<typeof startServer>): Promise<StreamServer> {
  const server = await startServer(...args);
  cleanups.push(server.close);
  return server;
}

describe.skipIf(curl === null && mayMiss)('curl -N', () => {
  it('prints each event as it comes, and ends with 0', async () => {
    const { channel } = stream();
    const server = await serve(serveChannel(channel));
    const child = spawn(curl ?? 'curl', ['--disable', '-sSN', server.url]);
    cleanups.push(() => child.kill('SIGKILL'));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    await waitFor(() => text.includes('retry'), 'the greeting');
    for (const kind of ['state', 'keep', 'terminal'] as const) {
      const id = channel.publish({ event: kind, data: `{"kind":"${kind}"}` }, kind);
      await waitFor(() => text.includes(`id: ${id}\n`), `the event ${id}`);
    }
    expect(await ended).toBe(0);
    expect(parseEvents(text).events).toEqual(
      ['state', 'keep', 'terminal'].map((kind, index) => ({
        event: kind,
        data: `{"kind":"${kind}"}`,
        id: `e.${index + 1}`,
      })),
    );
  });
});

describe('the eventsource package', () => {
  it('gets each event once over a lost connection, and closes for good after the terminal one', async () => {
    const { channel } = stream();
    const server = await serve(serveChannel(channel));
    const seen: string[] = [];
    const source = new EventSource(server.url);
    cleanups.push(() => source.close());
    for (const name of ['progress', 'complete']) {
      source.addEventListener(name, (event) => seen.push(`${event.lastEventId} ${event.data}`));
    }
    await waitFor(() => source.readyState === source.OPEN, 'the stream');
    channel.publish({ event: 'progress', data: 'one' }, 'state');
    await waitFor(() => seen.length === 1, 'the first event');
    for (const socket of [...server.sockets]) socket.resetAndDestroy();
    await waitFor(() => server.requests.length === 2, 'the second connection');
    channel.publish({ event: 'progress', data: 'two' }, 'state');
    await waitFor(() => seen.at(-1) === 'e.2 two', 'the second event');
    channel.publish({ event: 'complete', data: 'three' }, 'terminal');
    await waitFor(() => source.readyState === source.CLOSED, 'the end');
    // Whoever comes back gets the newest state again.
    expect([...new Set(seen)]).toEqual(['e.1 one', 'e.2 two', 'e.3 three']);
    expect(server.requests.map((request) => request.headers['last-event-id'])).toEqual([undefined, 'e.1', 'e.3']);
  });
});

describe.skipIf(chromium === null && mayMiss)("a browser's EventSource", () => {
  it(
    'shows each event and closes for good after the terminal one',
    async () => {
      const { streamHub, channel } = stream();
      const page = await servePage(channel);
      const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--dump-dom'];
      const dumped = promisify(execFile)(chromium ?? 'chromium', [...flags, page.server.url], {
        timeout: browserLimitMs,
      });
      await waitFor(() => streamHub.readers === 1 || page.hasClosed(), 'the browser at the stream', browserLimitMs);
      for (const [index, data] of ['one', 'two', 'three'].entries()) {
        channel.publish({ event: index < 2 ? 'progress' : 'complete', data }, index < 2 ? 'state' : 'terminal');
        await waitFor(() => page.shown.length > index, `the page to have ${data}`, browserLimitMs);
      }
      const { stdout } = await dumped;
      expect(page.shown).toEqual(['e.1 one', 'e.2 two', 'e.3 three']);
      expect(stdout).toContain('<pre>e.1 one\ne.2 two\ne.3 three\nclosed\n</pre>');
      expect(page.lastEventIds).toEqual([undefined, 'e.3']);
    },
    2 * browserLimitMs,
  );
});

/** A page that shows and reports its events. It has loaded, and can be dumped, when its stream has closed. */
async function servePage(channel: Channel) {
  const shown: string[] = [];
  const lastEventIds: unknown[] = [];
  let waiting: ServerResponse | null = null;
  let hasClosed = false;
  const html = `<!doctype html><link rel="icon" href="data:,"><pre></pre><img src="/loaded"><script>
    const say = (line) => document.querySelector('pre').append(line + '\\n');
    const source = new EventSource('/stream');
    for (const name of ['progress', 'complete']) source.addEventListener(name, (event) => {
      say(event.lastEventId + ' ' + event.data);
      fetch('/shown?' + encodeURIComponent(event.lastEventId + ' ' + event.data));
    });
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return;
      say('closed');
      fetch('/closed');
    };
  </script>`;
  const release = () => {
    if (hasClosed) waiting?.writeHead(204).end();
  };
  const server = await serve((request, response, count) => {
    const [path, query = ''] = (request.url ?? '').split('?');
    if (path === '/stream') {
      lastEventIds.push(request.headers['last-event-id']);
      return serveChannel(channel)(request, response, count);
    }
    if (path === '/loaded') {
      waiting = response;
      return release();
    }
    if (path === '/shown') shown.push(decodeURIComponent(query));
    if (path === '/closed') hasClosed = true;
    release();
    response.setHeader('content-type', 'text/html').end(path === '/' ? html : '');
  });
  return { server, shown, lastEventIds, hasClosed: () => hasClosed };
}
