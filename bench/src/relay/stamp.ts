/** What a reader looks for in an event: the moment of its making, in microseconds of the machine's monotonic clock. */
export const stampMark = '"file":"t';
export const stampDigits = 16;

const nsPerUs = 1_000n;
const usPerMs = 1_000;
/** As a download's progress is, with the relay's fields: what goes over the wire for each delivery is near 230 bytes. */
const dataBytes = 175;

/** Now, on a clock that all processes of the machine share. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / nsPerUs);
}

export const msOf = (us: number): number => us / usPerMs;

/** The fields of an event that carries its own moment. */
export function stampField(): string {
  return `${stampMark}${String(nowUs()).padStart(stampDigits, '0')}.gguf"`;
}

/** The data of one event as a plain broadcaster sends it. */
export function stampedData(): string {
  const start = `{${stampField()},"model_ref":"hf:bench/model::file=`;
  return `${start.padEnd(dataBytes - 2, 'x')}"}`;
}
