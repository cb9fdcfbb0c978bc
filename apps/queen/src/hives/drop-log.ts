interface Issues {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}

export interface DropLog {
  /** Counts an event of a hive that was dropped, and logs the 1st, 2nd, 4th, 8th and so on. */
  dropped(reason: string): void;
}

/** A log of the events that cannot be used: a hive that sends nothing else must not fill the disk. */
export function createDropLog(
  log: { warn(fields: object, message: string): void },
  fields: Readonly<Record<string, string>>,
  message: string,
): DropLog {
  let count = 0;
  return {
    dropped(reason) {
      count += 1;
      if (Number.isInteger(Math.log2(count))) log.warn({ ...fields, reason, count }, message);
    },
  };
}

/** The first thing that is wrong with an event, in one line. */
export function issueOf({ issues: [issue] }: Issues): string {
  const path = issue?.path.map(String).join('.') ?? '';
  return `${path === '' ? '' : `${path}: `}${issue?.message ?? 'it is invalid'}`;
}
