import { describe, expect, it } from 'vitest';
import { cancelQuerySchema, OPERATION_NAMES, operationSchema, queenOperationSchema } from '../../src/index.ts';

const JOB_ID = 'job-0b7f7e0c-5a0e-4c39-9b1e-0a6de0e7a1b2';
const SHA256 = 'ab'.repeat(32);

describe.each([
  ['hive', operationSchema],
  ['queen', queenOperationSchema],
] as const)('the operations of a %s', (_, schema) => {
  it.each([
    { operation: 'model_download', model: 'hf:org/repo' },
    { operation: 'model_download', model: 'hf:org/repo', sha256: SHA256, job_id: JOB_ID },
    { operation: 'model_download', model: 'hf:org/repo', sha256: SHA256.toUpperCase() },
    { operation: 'model_list' },
    { operation: 'model_list', job_id: JOB_ID },
  ])('take %j as it is', (body) => {
    expect(schema.parse(body)).toEqual(body);
  });

  it.each([
    { operation: 'model_download' },
    { operation: 'model_download', model: 5 },
    { operation: 'model_download', model: 'hf:org/repo', sha256: 'abc' },
    { operation: 'model_download', model: 'hf:org/repo', sha256: `${SHA256}\n` },
    { operation: 'model_download', model: 'hf:org/repo', job_id: 'job-1' },
    { operation: 'model_download', model: 'hf:org/repo', Model: 'a' },
    { operation: 'model_list', model: 'hf:org/repo' },
    { operation: 'model_list', dry_run: true },
  ])('refuse %j for its fields, not for its operation', (body) => {
    const issues = schema.safeParse(body).error?.issues ?? [];
    expect(issues).not.toEqual([]);
    for (const issue of issues) expect(issue.path).not.toEqual(['operation']);
  });

  it.each([{ operation: 'model_eat' }, { operation: '' }, { operation: 'toString' }, { operation: 5 }, {}])(
    'refuse %j with one issue, an unmatched discriminator: what a daemon tells an unknown operation by',
    (body) => {
      expect(schema.safeParse(body).error?.issues).toMatchObject([
        { code: 'invalid_union', discriminator: 'operation', path: ['operation'] },
      ]);
    },
  );

  it.each([null, [], 'model_list', 5])('refuse %j as no object at all', (body) => {
    expect(schema.safeParse(body).error?.issues).toMatchObject([{ code: 'invalid_type', path: [] }]);
  });

  it('report every bad field at once', () => {
    const body = { operation: 'model_download', model: 5, sha256: 'abc', extra: 1 };
    expect(schema.safeParse(body).error?.issues.map(({ code, path }) => [code, ...path])).toEqual([
      ['invalid_type', 'model'],
      ['invalid_format', 'sha256'],
      ['unrecognized_keys'],
    ]);
  });
});

describe('the choice of hives', () => {
  const body = { operation: 'model_list' };

  it.each(['*', 'gpu-1', ['gpu-1'], ['gpu-1', 'gpu-2']])('takes %j at a queen', (hive_id) => {
    expect(queenOperationSchema.parse({ ...body, hive_id })).toEqual({ ...body, hive_id });
  });

  it.each(['', '**', 'a b', [], ['*'], [''], 5, null, Array.from({ length: 1_001 }, () => 'a')])(
    'does not take %j',
    (hive_id) => {
      expect(queenOperationSchema.safeParse({ ...body, hive_id }).success).toBe(false);
    },
  );

  it('is unknown to a hive', () => {
    expect(operationSchema.safeParse({ ...body, hive_id: '*' }).success).toBe(false);
  });
});

describe('the names of operations', () => {
  it('are the same on hive and queen', () => {
    expect(OPERATION_NAMES).toEqual([
      'model_download',
      'model_plan',
      'model_list',
      'model_get',
      'model_delete',
      'model_verify',
      'model_prune',
    ]);
    expect(queenOperationSchema.options.map((option) => option.shape.operation.value)).toEqual(OPERATION_NAMES);
  });
});

describe('the choice of a partial', () => {
  it('is to keep it, where nothing is said', () => {
    expect(cancelQuerySchema.parse({})).toEqual({ partial: 'keep' });
    expect(cancelQuerySchema.parse({ partial: 'discard' })).toEqual({ partial: 'discard' });
    expect(cancelQuerySchema.safeParse({ partial: 'lose' }).success).toBe(false);
  });
});
