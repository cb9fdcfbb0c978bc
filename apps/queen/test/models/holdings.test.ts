import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Hive, modelIdOf } from '@rbee/contract';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHiveClient } from '../../src/hives/client.ts';
import { createHoldingsLookup } from '../../src/models/holdings.ts';

// Goal: many concurrent choices cost a hive no more than sequential ones, and none uses a response that is older than the
// choice. Method: a hive that holds its responses back until they are released.

let server: Server;
let dispatcher: Agent;
let hive: Hive;
/** Requests for models that wait for their response. */
let waiting: ServerResponse[];
let asked: number;
let arrived: PromiseWithResolvers<void>;
let holdings: ReturnType<typeof createHoldingsLookup>;

beforeEach(async () => {
  waiting = [];
  asked = 0;
  arrived = Promise.withResolvers();
  server = createServer((request, response) => {
    if (!request.url?.startsWith('/v2/models')) {
      response.end('{"downloads":[],"next_cursor":null}');
      return;
    }
    asked += 1;
    waiting.push(response);
    arrived.resolve();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  hive = { hive_id: 'hive-a', hive_url: `http://127.0.0.1:${port}`, online: true } as Hive;
  dispatcher = new Agent();
  holdings = createHoldingsLookup(createHiveClient({ dispatcher, token: null }));
});
afterEach(async () => {
  await dispatcher.destroy();
  server.closeAllConnections();
  server.close();
});

async function answer(file: string): Promise<void> {
  await arrived.promise;
  arrived = Promise.withResolvers();
  const ref = `hf:org/repo@main::file=${file}`;
  const modified_at = '2026-01-01T00:00:00.000Z';
  const model = { model_id: modelIdOf(ref), model_ref: ref, bytes: 1, files: 1, path: `/models/${file}`, modified_at };
  const list = { models: [model], partials: [], problems: [] };
  for (const response of waiting.splice(0)) response.end(JSON.stringify(list));
}

describe('what a hive has', () => {
  it('is requested once for all calls during a request, after they came', async () => {
    const first = holdings(hive);
    const others = Array.from({ length: 50 }, () => holdings(hive));
    await answer('old.gguf');
    expect((await first).store.models.map(({ model_ref }) => model_ref)).toEqual(['hf:org/repo@main::file=old.gguf']);
    await answer('new.gguf');
    for (const { store } of await Promise.all(others)) {
      expect(store.models.map(({ model_ref }) => model_ref)).toEqual(['hf:org/repo@main::file=new.gguf']);
    }
    expect(asked).toBe(2);
  });

  it('is requested again for a later call', async () => {
    const first = holdings(hive);
    await answer('old.gguf');
    await first;
    const later = holdings(hive);
    await answer('new.gguf');
    expect((await later).store.models).toHaveLength(1);
    expect(asked).toBe(2);
  });
});
