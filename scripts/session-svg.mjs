// Renders frames of text as one animated SVG. A line that stays is in it once, with the time it is visible.

const CHAR_WIDTH = 8.4;
const LINE_HEIGHT = 18;
const PADDING = 14;
const FONT_SIZE = 14;
const COLOURS = { back: '#14161b', text: '#d6dae2', prompt: '#7fd18b', bar: '#5fb3d9', rest: '#4a505c' };

/** `frames`: the lines of the screen and their duration. The last `rows` lines of each are visible. */
export function sessionSvg(frames, { cols, rows }) {
  const totalMs = frames.reduce((sum, { ms }) => sum + ms, 0);
  const width = Math.ceil(cols * CHAR_WIDTH + 2 * PADDING);
  const height = rows * LINE_HEIGHT + 2 * PADDING;
  const texts = spansOf(frames, rows).map((span) => textOf(span, totalMs));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${FONT_SIZE}">`,
    '<title>rbee-keeper: search, plan, download to two hives, interrupt and resume, list, remove</title>',
    `<rect width="100%" height="100%" rx="8" fill="${COLOURS.back}"/>`,
    ...texts,
    '</svg>\n',
  ].join('\n');
}

/** Each text of each row, with the times in milliseconds when it appears and disappears. */
function spansOf(frames, rows) {
  const spans = [];
  const open = new Map();
  let atMs = 0;
  const close = (row) => {
    const span = open.get(row);
    if (span !== undefined && span.text !== '') spans.push({ ...span, toMs: atMs });
    open.delete(row);
  };
  for (const { lines, ms } of frames) {
    const seen = lines.slice(-rows);
    for (let row = 0; row < rows; row += 1) {
      const text = (seen[row] ?? '').trimEnd();
      if (open.get(row)?.text === text) continue;
      close(row);
      open.set(row, { row, text, fromMs: atMs });
    }
    atMs += ms;
  }
  for (const row of [...open.keys()]) close(row);
  return spans;
}

function textOf({ row, text, fromMs, toMs }, totalMs) {
  const y = PADDING + row * LINE_HEIGHT + FONT_SIZE;
  const share = (ms) => (ms / totalMs).toFixed(4);
  const times = fromMs === 0 ? [0, share(toMs)] : [0, share(fromMs), share(toMs)];
  const values = fromMs === 0 ? ['inline', 'none'] : ['none', 'inline', 'none'];
  const play = `<animate attributeName="display" values="${values.join(';')}" keyTimes="${times.join(';')}" dur="${totalMs}ms" calcMode="discrete" repeatCount="indefinite"/>`;
  const body = text
    .split(/(█+|░+|^\$ )/)
    .filter((part) => part !== '')
    .map(partOf)
    .join('');
  return `<text x="${PADDING}" y="${y}" fill="${COLOURS.text}" xml:space="preserve" textLength="${(text.length * CHAR_WIDTH).toFixed(1)}">${play}${body}</text>`;
}

function partOf(part) {
  const safe = part.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  if (part.startsWith('█')) return `<tspan fill="${COLOURS.bar}">${safe}</tspan>`;
  if (part.startsWith('░')) return `<tspan fill="${COLOURS.rest}">${safe}</tspan>`;
  return part === '$ ' ? `<tspan fill="${COLOURS.prompt}">${safe}</tspan>` : safe;
}
