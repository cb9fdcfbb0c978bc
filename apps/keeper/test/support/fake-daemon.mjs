// A minimal daemon with what the keeper relies on: it logs its address and exits on SIGTERM and when its IPC channel
// closes. FAKE_QUEEN and FAKE_HIVE make one of the two misbehave; with FAKE_NOTES it writes down its pid and environment.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

export function serve(name, answer, onListening = () => {}) {
  const fault = process.env[`FAKE_${name}`];
  if (process.env.FAKE_NOTES) {
    writeFileSync(`${process.env.FAKE_NOTES}/${name}`, JSON.stringify({ pid: process.pid, env: process.env }));
  }
  if (fault === 'bad-settings') {
    process.stderr.write('bad settings:\n  - RBEE_HIVE_PORT: it is odd\n');
    process.exit(78);
  }
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const answered = answer(request, text === '' ? null : JSON.parse(text));
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answered));
  });
  server.listen(Number(process.env[`RBEE_${name}_PORT`] ?? 0), '127.0.0.1', () => {
    const url = `http://127.0.0.1:${server.address().port}`;
    log(30, 'listening', { url });
    onListening(url);
    if (fault === 'troubled') log(50, 'the disk does not answer');
  });
  process.on('SIGTERM', () => {
    if (fault !== 'deaf') process.exit(0);
  });
  process.on('disconnect', () => process.exit(0));
}

export async function register(hive) {
  if (process.env.FAKE_HIVE === 'silent') return;
  await fetch(`${process.env.RBEE_HIVE_QUEEN_URL}/v1/hive/ready`, { method: 'POST', body: JSON.stringify(hive) });
  if (process.env.FAKE_HIVE === 'dies') {
    process.stderr.write('the store is gone\n');
    process.exit(1);
  }
}

function log(level, msg, more = {}) {
  process.stdout.write(`${JSON.stringify({ level, time: Date.now(), msg, ...more })}\n`);
}
