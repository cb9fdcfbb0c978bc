/** As much of a schema as its description needs. */
export interface SchemaNode {
  readonly def: {
    readonly type: string;
    readonly innerType?: SchemaNode;
    /** What a transformed value is written as. */
    readonly in?: SchemaNode;
    readonly element?: SchemaNode;
    readonly options?: readonly SchemaNode[];
    readonly entries?: Readonly<Record<string, string | number>>;
    readonly values?: readonly unknown[];
    readonly defaultValue?: unknown;
    readonly format?: string;
  };
  readonly shape?: Readonly<Record<string, SchemaNode>>;
  readonly isInt?: boolean;
}

/** More alternatives than this stand in a table of their own. */
const MAX_ALTERNATIVES = 5;

/** The fields of an object and the type of each, as the pages write it. */
export function fieldsOf(schema: SchemaNode): [field: string, type: string][] {
  if (schema.shape === undefined) throw new Error(`a ${schema.def.type} has no fields`);
  return Object.entries(schema.shape).map(([name, field]) => [name, typeText(field)]);
}

/** A type in words: `integer or null`, `text, optional`, `list of objects`. */
function typeText(schema: SchemaNode): string {
  const { type, innerType, element, options, entries, values, defaultValue, format } = schema.def;
  if (innerType !== undefined) {
    const inner = typeText(innerType);
    if (type === 'optional') return `${inner}, optional`;
    if (type === 'nullable') return `${inner} or null`;
    if (type === 'default') return `${inner}, default ${String(defaultValue)}`;
  }
  if (type === 'pipe' && schema.def.in !== undefined) return typeText(schema.def.in);
  if (type === 'null') return 'null';
  if (type === 'array' && element !== undefined) return `list of ${typeText(element)}s`;
  if (type === 'union' && options !== undefined) return [...new Set(options.map(typeText))].join(' or ');
  if (type === 'enum' && entries !== undefined) return alternatives(Object.values(entries));
  if (type === 'literal' && values !== undefined) return alternatives(values);
  if (type === 'number') return schema.isInt ? 'integer' : 'number';
  if (type === 'record') return 'object';
  if (type === 'string') return format === 'datetime' ? 'time' : 'text';
  if (type === 'boolean' || type === 'object') return type;
  throw new Error(`no words for a schema of the type ${type}`);
}

function alternatives(values: readonly unknown[]): string {
  return values.length > MAX_ALTERNATIVES ? 'text' : values.map(String).join(' or ');
}
