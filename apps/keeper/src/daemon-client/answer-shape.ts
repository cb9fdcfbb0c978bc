/** What a field must be; with a question mark null is fine too. */
type KindOf<Value> = Value extends string
  ? 'string'
  : Value extends number
    ? 'number'
    : Value extends boolean
      ? 'boolean'
      : 'object';

/**
 * The fields of an answer that a command reads, each with what it must be. The compiler holds it against the contract's
 * type, so that a list needs no schemas, which take longer to load than the list takes to be fetched.
 */
export type Shape<T> = {
  readonly [Name in keyof T]?: null extends T[Name] ? `${KindOf<NonNullable<T[Name]>>}?` : KindOf<T[Name]>;
};

/** Whether a value has every field of the shape. Fields beside them may be anything. */
export function hasShape<T extends object>(value: unknown, shape: Shape<T>): value is T {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries<string | undefined>(shape).every(([name, kind]) =>
    isKind((value as Readonly<Record<string, unknown>>)[name], kind ?? ''),
  );
}

/** The list of that name in an answer; null where it is none, or one of its entries is not as it should be. */
export function listIn<T extends object>(body: unknown, name: string, shape: Shape<T>): T[] | null {
  const list = typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>)[name] : null;
  if (!Array.isArray(list)) return null;
  return list.every((entry) => hasShape(entry, shape)) ? list : null;
}

function isKind(value: unknown, kind: string): boolean {
  if (value === null) return kind.endsWith('?');
  const found: string = typeof value;
  return found === kind.replace('?', '');
}
