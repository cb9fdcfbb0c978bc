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

/** What several routes answer, by the names that generated clients give it. */
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
  /** A reference to what a route answers. */
  answer(schema: z.ZodType, name: string): Json;
  /** A reference to what a route takes as its body. */
  request(schema: z.ZodType, name: string): Json;
  /** `components.schemas`: everything that was referred to, and what that refers to. */
  components(): Json;
}

/** Collects schemas under names: those that several routes share under their own, the others under the name that is given. */
export function createSchemaBook(): SchemaBook {
  const answers = z.registry<{ id: string }>();
  const requests = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(SHARED)) answers.add(schema, { id });
  const wanted = new Set<string>();
  const refer = (registry: typeof answers, schema: z.ZodType, name: string): Json => {
    if (!registry.has(schema)) registry.add(schema, { id: name });
    const $ref = uri(registry.get(schema)?.id ?? name);
    wanted.add($ref);
    return { $ref };
  };
  return {
    answer: (schema, name) => refer(answers, schema, name),
    request: (schema, name) => refer(requests, schema, name),
    components() {
      const options = { uri, unrepresentable: 'any', override } as const;
      const out = z.toJSONSchema(answers, { ...options, io: 'output' }).schemas;
      const taken = z.toJSONSchema(requests, { ...options, io: 'input' }).schemas;
      const bare = Object.entries({ ...out, ...taken }).map(
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

/** The schemas that the references lead to, directly or through others. */
function reachable(schemas: ReadonlyMap<string, Json>, references: ReadonlySet<string>): Json {
  const found = new Set(references);
  // A set that grows while it is gone through: what is added comes later.
  for (const reference of found) {
    const schema = schemas.get(reference.slice(PREFIX.length));
    for (const [, next = ''] of JSON.stringify(schema).matchAll(/"\$ref":"([^"]+)"/g)) found.add(next);
  }
  return Object.fromEntries([...schemas].filter(([name]) => found.has(uri(name))));
}

/** Names the fields of an object that has one for each of some words: generators of clients understand that better. */
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
