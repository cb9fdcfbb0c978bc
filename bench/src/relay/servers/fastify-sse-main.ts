// `@fastify/sse` as its page shows it: an object sent to every reply.
import type { AddressInfo } from 'node:net';
import { fastifySSE } from '@fastify/sse';
import { type FastifyReply, fastify } from 'fastify';
import { serveBench } from './serve-bench.ts';

const path = '/stream';
const readers = new Set<FastifyReply>();
let sequence = 0;

const app = fastify();
await app.register(fastifySSE, { heartbeatInterval: 0 });
app.get(path, { sse: 'only' }, async (_request, reply) => {
  reply.sse.keepAlive();
  await reply.sse.send({ event: 'hello', data: {} });
  readers.add(reply);
  reply.sse.onClose(() => readers.delete(reply));
});
await app.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });

await serveBench({
  port: (app.server.address() as AddressInfo).port,
  path,
  publish(data) {
    sequence += 1;
    const event = { id: `0123456789ab.${sequence}`, event: 'progress', data: JSON.parse(data) as object };
    // Awaited, a reader that reads nothing would hold up the next event for all.
    for (const reply of readers) void reply.sse.send(event);
  },
});
