// What one writes without a library: a set of responses, and one Buffer for all of them.
import type { ServerResponse } from 'node:http';
import { listen, serveBench } from './serve-bench.ts';

const path = '/stream';
const readers = new Set<ServerResponse>();
let sequence = 0;

const port = await listen((_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write('retry: 3000\n\n');
  readers.add(response);
  response.on('close', () => readers.delete(response));
});

await serveBench({
  port,
  path,
  publish(data) {
    sequence += 1;
    const event = Buffer.from(`event: progress\nid: 0123456789ab.${sequence}\ndata: ${data}\n\n`);
    for (const response of readers) response.write(event);
  },
});
