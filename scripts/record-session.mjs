// Records a session of the real programs as an animated SVG, docs/session.svg: a queen, two hives and a hub on this
// machine, and a keeper in a pseudo-terminal whose screen is captured at intervals. After a build:
// node_modules/.bin/node --conditions=@rbee/source scripts/record-session.mjs
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { makeSampleGguf, openTerminal, startHub, startProgram, tempDir } from '@rbee/testing';
import { sessionSvg } from './session-svg.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const keeper = join(root, 'apps/keeper/bin/rbee-keeper.js');
const COLS = 104;
const ROWS = 17;
/** The interval of captures, and the pause after each command. */
const FRAME_MS = 300;
const REST_MS = 2_500;
const MODEL_BYTES = 24_000_000;
const HUB_BYTES_PER_SECOND = 14_000_000;

const COMMANDS = [
  'model plan demo/tiny-llama-GGUF --hive gpu-1',
  'pull demo/tiny-llama-GGUF --all-hives',
  'model list',
  'hive limit gpu-2 --max-bandwidth 50MB/s',
  'model verify --hive gpu-1 --quiet',
];

const folder = await tempDir();
const hub = await startHub();
const programs = [];
try {
  const file = makeSampleGguf({ size: MODEL_BYTES, seed: 7 });
  hub.addRepo({ id: 'demo/tiny-llama-GGUF', files: { 'tiny-llama.Q4_K_M.gguf': file } });
  hub.throttle(HUB_BYTES_PER_SECOND);
  const queenUrl = await start('queen', ['--port', '0', '--state-dir', join(folder.path, 'queen')]);
  for (const id of ['gpu-1', 'gpu-2']) {
    const home = join(folder.path, id);
    await mkdir(home);
    const places = ['--models-dir', join(home, 'models'), '--state-dir', join(home, 'state')];
    await start('hive', ['--port', '0', '--id', id, '--queen-url', queenUrl, '--allow-private-sources', ...places]);
  }
  const frames = [];
  let shown = [];
  for (const command of COMMANDS) shown = await record(command, queenUrl, shown, frames);
  const path = join(root, 'docs/session.svg');
  await writeFile(path, sessionSvg(frames, { cols: COLS, rows: ROWS }));
  process.stdout.write(`${path}\n`);
} finally {
  for (const program of programs.reverse()) await program.stop();
  await hub.close();
  await folder.remove();
}

/** Starts a daemon and returns its URL. */
async function start(name, flags) {
  const args = [join(root, `apps/${name}/bin/rbee-${name}.js`), ...flags];
  const program = await startProgram({ command: process.execPath, args, env: { HF_ENDPOINT: hub.url } });
  programs.push(program);
  const line = await program.waitForLine(({ json }) => json?.msg === 'listening', `the ${name} to listen`);
  return line.json.url;
}

/** Runs one command in a terminal below the lines above, adds a frame per capture, and returns the final lines. */
async function record(command, queenUrl, above, frames) {
  const prompt = `$ rbee-keeper ${command}`;
  frames.push({ lines: [...above, '$ '], ms: FRAME_MS }, { lines: [...above, prompt], ms: FRAME_MS * 2 });
  const env = { RBEE_QUEEN_URL: queenUrl, HOME: folder.path };
  const args = [keeper, ...command.split(' ')];
  const terminal = openTerminal({ command: process.execPath, args, cols: COLS, rows: ROWS, env });
  const lines = () => [...above, prompt, ...terminal.history().split('\n').map(shorter)];
  let isOver = false;
  const over = terminal.exited.then(() => {
    isOver = true;
  });
  while (!isOver) {
    await Promise.race([over, delay(FRAME_MS)]);
    frames.push({ lines: lines(), ms: FRAME_MS });
  }
  frames.push({ lines: lines(), ms: REST_MS });
  return [...lines(), ''];
}

/** The line without the temporary folder, which differs in each run. */
function shorter(line) {
  return line.replaceAll(folder.path, '/srv');
}
