import { type Hive, queenRoutes } from '@rbee/contract';
import { describe, expect, it } from 'vitest';
import { LIST_PATHS, LIST_SHAPES } from '../../src/daemon-client/list-client.ts';
import { hasShape, listIn } from '../../src/daemon-client/response-shape.ts';
import { hiveNamed } from '../support/fake-queen.ts';

describe('the lists that are checked without schemas', () => {
  it('use the paths of the contract', () => {
    const { info, listHives, listJobs, listDownloads } = queenRoutes;
    const { models, ...paths } = LIST_PATHS;
    expect(paths).toEqual({
      info: info.path,
      hives: listHives.path,
      jobs: listJobs.path,
      downloads: listDownloads.path,
    });
    expect(models).toBe('/v1/models');
  });

  it('accept entries with every field that is read, and any others', () => {
    expect(hasShape<Hive>({ ...hiveNamed('gpu-1'), more: 1 }, LIST_SHAPES.hives)).toBe(true);
    expect(hasShape<Hive>(hiveNamed('gpu-1', { free_bytes: null, last_seen_at: null }), LIST_SHAPES.hives)).toBe(true);
  });

  it.each([
    ['is no object', 'gpu-1'],
    ['is nothing', null],
    ['lacks a field', { ...hiveNamed('gpu-1'), hive_id: undefined }],
    ['has another type', { ...hiveNamed('gpu-1'), online: 'yes' }],
    ['has null where something must be', { ...hiveNamed('gpu-1'), speed_bps: null }],
  ])('reject what %s', (_, hive) => {
    expect(hasShape<Hive>(hive, LIST_SHAPES.hives)).toBe(false);
    expect(listIn<Hive>({ hives: [hiveNamed('gpu-2'), hive] }, 'hives', LIST_SHAPES.hives)).toBeNull();
  });

  it.each([[null], [[]], [{}], [{ hives: {} }]])('reject %j, which has no such list', (body) => {
    expect(listIn<Hive>(body, 'hives', LIST_SHAPES.hives)).toBeNull();
  });
});
