/** The command line is not understood; the message says what of it. */
export class UsageError extends Error {}

/** null when nothing was named. @throws UsageError */
export function names<Name extends string>(
  text: string | undefined,
  known: readonly Name[],
  what: string,
): Name[] | null {
  if (text === undefined) return null;
  return text.split(',').map((part) => {
    const name = known.find((each) => each === part.trim());
    if (name === undefined) throw new UsageError(`there is no ${what} "${part.trim()}": ${known.join(', ')}`);
    return name;
  });
}

/** A whole number from 1. @throws UsageError */
export function count(text: string, most: number, option: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > most) {
    throw new UsageError(`${option} is a number from 1 to ${most}, not "${text}"`);
  }
  return number;
}
