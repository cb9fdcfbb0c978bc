import { RbeeError } from './error.ts';

const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  bit: 1 / 8,
  kbit: 1e3 / 8,
  Mbit: 1e6 / 8,
  Gbit: 1e9 / 8,
};

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** How much of an invalid value a message repeats. */
const MAX_SHOWN_CHARACTERS = 40;

const DECIMAL_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

function invalid(what: string, text: unknown, examples: string): RbeeError {
  const shown = JSON.stringify(String(text).slice(0, MAX_SHOWN_CHARACTERS));
  return new RbeeError('REQUEST_INVALID', `invalid ${what}: ${shown}`, {
    hint: `write it like ${examples}`,
  });
}

/**
 * A bandwidth as bytes per second, or null for unlimited.
 * Accepts a number (bytes per second), `50MB/s`, `400Mbit/s`, `1.5GiB/s`; `0` and `unlimited` mean unlimited.
 * @throws RbeeError REQUEST_INVALID
 */
export function parseBandwidth(input: string | number): number | null {
  const text = String(input).trim();
  if (text === 'unlimited') return null;
  const match = /^(\d+(?:\.\d+)?)\s*(?:([A-Za-z]+)(?:\/s)?)?$/.exec(text);
  const factor = match ? BYTES_PER_UNIT[match[2] ?? 'B'] : undefined;
  if (!match || factor === undefined) throw invalid('bandwidth', input, '50MB/s, 400Mbit/s or 0 for unlimited');
  const bytesPerSecond = Number(match[1]) * factor;
  if (!Number.isSafeInteger(Math.round(bytesPerSecond))) throw invalid('bandwidth', input, '50MB/s or 400Mbit/s');
  return bytesPerSecond === 0 ? null : Math.max(1, Math.round(bytesPerSecond));
}

/**
 * A duration in milliseconds from `100ms`, `10s`, `5m`, `12h` or `7d`.
 * @throws RbeeError REQUEST_INVALID
 */
export function parseDuration(input: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(input.trim());
  const factor = match?.[2] === undefined ? undefined : MS_PER_UNIT[match[2]];
  if (!match || factor === undefined) throw invalid('duration', input, '100ms, 10s, 5m, 12h or 7d');
  const ms = Math.round(Number(match[1]) * factor);
  if (!Number.isSafeInteger(ms)) throw invalid('duration', input, '100ms, 10s, 5m, 12h or 7d');
  return ms;
}

/** A byte count for people, in decimal units like `hf` and `docker`: `412.5 MB`, `17 B`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.95 would print as "1000.0", so it moves to the next unit.
  while (value >= 999.95 && unit < DECIMAL_UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${Math.round(value)} B` : `${value.toFixed(1)} ${DECIMAL_UNITS[unit]}`;
}

/** A speed for people, from bytes per second: `28.1 MB/s`. */
export function formatSpeed(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** A duration for people, from seconds: `42s`, `3m07s`, `1h02m`, `2d04h`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (value: number) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)}m${pad(whole % 60)}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3_600)}h${pad(Math.floor((whole % 3_600) / 60))}m`;
  return `${Math.floor(whole / 86_400)}d${pad(Math.floor((whole % 86_400) / 3_600))}h`;
}

/** Percent with one decimal, rounded down so that 100 means complete; null while the total is unknown. */
export function percentOf(bytes: number, total: number | null): number | null {
  if (total === null) return null;
  if (total === 0) return 100;
  return Math.min(100, Math.floor((bytes / total) * 1000) / 10);
}
