import {
  cancelReceiptSchema,
  downloadEventSchemas,
  downloadSchema,
  downloadStatusSchema,
  errorBodySchema,
  errorCodeSchema,
  ggufSchema,
  hiveHeartbeatSchema,
  hiveSchema,
  jobAcceptedSchema,
  jobDataSchema,
  jobSchema,
  jobStateSchema,
  modelDetailSchema,
  modelSchema,
  narrationSchema,
  type Route,
  relayedDownloadSchema,
  relayedHeartbeatSchema,
} from '@rbee/contract';
import { z } from 'zod';

/** A JSON Schema, or a part of the document. */
export type Json = Readonly<Record<string, unknown>>;

/** Schemas that several routes share, by the names that generated clients use. */
const SHARED: Readonly<Record<string, z.ZodType>> = {
  Error: errorBodySchema,
  ErrorCode: errorCodeSchema,
  Download: downloadSchema,
  DownloadStatus: downloadStatusSchema,
  RelayedDownload: relayedDownloadSchema,
  CancelReceipt: cancelReceiptSchema,
  Job: jobSchema,
  JobState: jobStateSchema,
  JobAccepted: jobAcceptedSchema,
  Model: modelSchema,
  ModelDetail: modelDetailSchema,
  Gguf: ggufSchema,
  Hive: hiveSchema,
  Narration: narrationSchema,
  JobData: jobDataSchema,
  Progress: downloadEventSchemas.progress,
  Notice: downloadEventSchemas.notice,
  Complete: downloadEventSchemas.complete,
  DownloadError: downloadEventSchemas.error,
  Cancelled: downloadEventSchemas.cancelled,
  Heartbeat: hiveHeartbeatSchema,
  RelayedHeartbeat: relayedHeartbeatSchema,
};

const PREFIX = '#/components/schemas/';

export interface SchemaBook {
  /** A reference to the schema of a response. */
  response(schema: z.ZodType, name: string): Json;
  /** A reference to the schema of a request body. */
  request(schema: z.ZodType, name: string): Json;
  /** `components.schemas`: everything that was referenced, directly or indirectly. */
  components(): Json;
}

/** Collects named schemas. Shared ones keep their own names; others get the name passed in. */
export function createSchemaBook(): SchemaBook {
  const responses = z.registry<{ id: string }>();
  const requests = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(SHARED)) responses.add(schema, { id });
  const wanted = new Set<string>();
  const refer = (registry: typeof responses, schema: z.ZodType, name: string): Json => {
    if (!registry.has(schema)) registry.add(schema, { id: name });
    const $ref = uri(registry.get(schema)?.id ?? name);
    wanted.add($ref);
    return { $ref };
  };
  return {
    response: (schema, name) => refer(responses, schema, name),
    request: (schema, name) => refer(requests, schema, name),
    components() {
      const options = { uri, unrepresentable: 'any', override } as const;
      const out = z.toJSONSchema(responses, { ...options, io: 'output' }).schemas;
      const bodies = z.toJSONSchema(requests, { ...options, io: 'input' }).schemas;
      const bare = Object.entries({ ...out, ...bodies }).map(
        ([name, { $id: _id, $schema: _schema, ...schema }]) => [name, schema] as const,
      );
      return reachable(new Map(bare.sort(([a], [b]) => (a < b ? -1 : 1))), wanted);
    },
  };
}

/** The parameters of a path or a query. */
export function parametersOf(schema: Route['query'], place: 'path' | 'query'): readonly Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, value]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: value,
  }));
}

/** The schemas that are referenced, directly or indirectly. */
function reachable(schemas: ReadonlyMap<string, Json>, references: ReadonlySet<string>): Json {
  const found = new Set(references);
  // Iterating a set also visits members that are added meanwhile.
  for (const reference of found) {
    const schema = schemas.get(reference.slice(PREFIX.length));
    for (const [, next = ''] of JSON.stringify(schema).matchAll(/"\$ref":"([^"]+)"/g)) found.add(next);
  }
  return Object.fromEntries([...schemas].filter(([name]) => found.has(uri(name))));
}

/** Lists the fields of a record with fixed keys as properties, which client generators handle better. */
function override({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  const { propertyNames, required, additionalProperties } = jsonSchema;
  if (propertyNames === undefined || required === undefined || additionalProperties === undefined) return;
  jsonSchema.properties = Object.fromEntries(required.map((name) => [name, additionalProperties]));
  jsonSchema.additionalProperties = false;
  delete jsonSchema.propertyNames;
}

function uri(name: string): string {
  return `${PREFIX}${name}`;
}
