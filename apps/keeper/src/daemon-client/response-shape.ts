/** The `typeof` a field must have. A question mark allows null. */
type KindOf<Value> = Value extends string
  ? 'string'
  : Value extends number
    ? 'number'
    : Value extends boolean
      ? 'boolean'
      : 'object';

/**
 * The fields of a response that a command reads, with their types. The compiler checks it against the contract's type.
 * Lists use it in place of the schemas, which take longer to load than a list takes to fetch.
 */
export type Shape<T> = {
  readonly [Name in keyof T]?: null extends T[Name] ? `${KindOf<NonNullable<T[Name]>>}?` : KindOf<T[Name]>;
};

/** Whether a value has every field of the shape. Other fields may be anything. */
export function hasShape<T extends object>(value: unknown, shape: Shape<T>): value is T {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries<string | undefined>(shape).every(([name, kind]) =>
    isKind((value as Readonly<Record<string, unknown>>)[name], kind ?? ''),
  );
}

/** The list of that name in a response; null if it is missing or one of its entries does not fit. */
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
