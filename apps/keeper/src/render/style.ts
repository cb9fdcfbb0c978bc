export type Colour = 'red' | 'green' | 'yellow' | 'cyan' | 'dim';

const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  dim: [2, 22],
};

/** Colours a text, or returns it unchanged. */
export type Paint = (colour: Colour, text: string) => string;

export const plain: Paint = (_, text) => text;

export const coloured: Paint = (colour, text) => {
  if (text === '') return text;
  const [on, off] = CODES[colour];
  return `\u001b[${on}m${text}\u001b[${off}m`;
};

export interface ColourChoice {
  readonly isTerminal: boolean;
  readonly env: NodeJS.ProcessEnv;
}

/** Colours for terminals that support them, unless `NO_COLOR` is set (no-color.org). */
export function paintFor({ isTerminal, env }: ColourChoice): Paint {
  return isTerminal && !env.NO_COLOR && env.TERM !== 'dumb' ? coloured : plain;
}
