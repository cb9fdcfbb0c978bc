// The main job on this machine: starts a queen and a hive, downloads with live progress, and prints the path of the
// verified file. Without a model name it downloads a sample GGUF from a hub that it starts on loopback.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const demo = join(root, '.rbee');
const children = [];

/** Settings that this script sets itself and does not inherit: addresses, names, tokens, log levels. */
const OWN =
  /^RBEE_(?:API_TOKEN|LOG_LEVEL|(?:HIVE|QUEEN)_TOKEN|QUEEN_.*|HIVE_(?:HOST|PORT|ID|ADVERTISED_URL|QUEEN_URL))$/;
const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OWN.test(name)));

const refs = process.argv.slice(2);
// The keeper also gets Ctrl+C: it cancels and shows what it kept, and this script waits for it.
process.on('SIGINT', () => {});
process.on('exit', () => {
  for (const child of children) child.kill();
});
try {
  process.exitCode = refs.length > 0 ? await pull(refs, {}) : await pullSample();
} catch (error) {
  process.stderr.write(`start: ${error.message}\n`);
  process.exitCode = 1;
}
// Waits for the daemons to exit, so that nothing is left running.
await Promise.all(children.map((child) => child.kill() && once(child, 'exit')));

async function pullSample() {
  // Downloaded again each time, so that there is something to see.
  rmSync(demo, { recursive: true, force: true });
  const { url, model } = await start('hub', 'packages/testing/dist/hub-main.js', []);
  process.stderr.write(`start: started a hub at ${url} with a sample model: ${model}\n`);
  return pull([model], {
    HF_ENDPOINT: url,
    RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
    RBEE_HIVE_MODELS_DIR: join(demo, 'models'),
    RBEE_HIVE_STATE_DIR: join(demo, 'hive'),
    RBEE_QUEEN_STATE_DIR: join(demo, 'queen'),
  });
}

/** Runs the keeper against a queen and a hive on free ports, and returns its exit code. */
async function pull(models, env) {
  const queen = await start('queen', 'apps/queen/bin/rbee-queen.js', ['--port', '0'], env);
  const hiveArgs = ['--port', '0', '--queen-url', queen.url, '--id', 'local'];
  const hive = await start('hive', 'apps/hive/bin/rbee-hive.js', hiveArgs, env);
  process.stderr.write(`start: started a queen at ${queen.url} and a hive at ${hive.url}\n`);
  await registered(queen.url);
  const keeper = spawn(
    process.execPath,
    [join(root, 'apps/keeper/bin/rbee-keeper.js'), 'model', 'download', ...models],
    {
      stdio: 'inherit',
      env: { ...inherited, RBEE_QUEEN_URL: queen.url },
    },
  );
  const [code] = await once(keeper, 'exit');
  return code ?? 1;
}

/** Starts a program and waits for the first line with a URL. The program exits with this process, however that exits. */
async function start(name, script, args, env = {}) {
  const child = spawn(process.execPath, [join(root, script), ...args], {
    stdio: ['pipe', 'pipe', 'inherit', 'ipc'],
    detached: true,
    env: { ...inherited, ...env },
  });
  children.push(child);
  // The output is read to the end: a full pipe would block the program.
  const lines = createInterface({ input: child.stdout });
  return new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      const record = JSON.parse(line);
      if (record.url !== undefined) resolve(record);
    });
    child.once('exit', (code) => reject(new Error(`the ${name} exited with code ${code}`)));
  });
}

async function registered(queenUrl) {
  for (let tries = 0; tries < 200; tries += 1) {
    const { hives } = await (await fetch(`${queenUrl}/v1/hives`)).json();
    if (hives.some((hive) => hive.online)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the hive did not register with the queen within 10 s');
}
