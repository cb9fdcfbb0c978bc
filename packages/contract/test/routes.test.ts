import { describe, expect, it } from 'vitest';
import {
  downloadListQuerySchema,
  hiveRoutes,
  pathOf,
  queenRoutes,
  type Route,
  streamQuerySchema,
} from '../src/index.ts';

const JOB_ID = 'job-0b7f7e0c-5a0e-4c39-9b1e-0a6de0e7a1b2';
const DOWNLOAD_ID = 'dl-0197f7e0-5a0e-7c39-9b1e-0a6de0e7a1b2';
const MODEL_ID = 'm-0b7f7e0c5a0e';
const ID_OF_LIST: Readonly<Record<string, string>> = { jobs: JOB_ID, downloads: DOWNLOAD_ID, models: MODEL_ID };

describe.each<[string, Record<string, Route>]>([
  ['hive', hiveRoutes],
  ['queen', queenRoutes],
])('the routes of a %s', (_, routes) => {
  const entries = Object.entries(routes);

  it('are each one method on one path', () => {
    const keys = entries.map(([, { method, path }]) => `${method} ${path.replaceAll(/:[a-z_]+/g, ':')}`);
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  });

  it.each(entries)('%s says what it takes and answers', (_name, route) => {
    const parameters = [...route.path.matchAll(/:([a-z_]+)/g)].map(([, name]) => name);
    expect(Object.keys(route.params?.shape ?? {})).toEqual(parameters);
    expect(route.missing !== undefined).toBe(parameters.length > 0);
    expect(route.stream === true).toBe(route.success === undefined);
    if (route.stream) expect(route.query).toBe(streamQuerySchema);
    const isVerb = /\/(?:pause|resume|cancel|retry|verify)$/.test(route.path);
    expect(route.body !== undefined).toBe(route.method === 'PATCH' || (route.method === 'POST' && !isVerb));
    expect(route.summary).not.toBe('');
  });

  // The name of a hive may look like any of these ids.
  const withIds = entries.filter(([, { params, missing }]) => params !== undefined && missing !== 'HIVE_NOT_FOUND');
  it.each(withIds)('%s refuses what is no id', (_name, route) => {
    const id = ID_OF_LIST[/\/(\w+)\/:id/.exec(route.path)?.[1] ?? ''] ?? '';
    const others = Object.values(ID_OF_LIST).filter((each) => each !== id);
    expect(route.params?.parse({ id })).toEqual({ id });
    for (const bad of ['', '1', ...others, id.toUpperCase(), `${id}\n`, `${id}/..`, '..', id.slice(0, -1)]) {
      expect([bad, route.params?.safeParse({ id: bad }).success]).toEqual([bad, false]);
    }
    expect(route.params?.safeParse({}).success).toBe(false);
  });

  it('need a token, except /health', () => {
    const open = entries.filter(([, route]) => route.open === true).map(([name]) => name);
    expect(open).toEqual(['health']);
  });
});

describe('both daemons', () => {
  it('serve the job routes at the same place', () => {
    for (const name of ['createJob', 'listJobs', 'getJob', 'streamJob', 'cancelJob'] as const) {
      expect([queenRoutes[name].method, queenRoutes[name].path]).toEqual([
        hiveRoutes[name].method,
        hiveRoutes[name].path,
      ]);
    }
  });
});

describe('pathOf', () => {
  it('fills the parameters in', () => {
    expect(pathOf(hiveRoutes.streamJob, { id: JOB_ID })).toBe(`/v1/jobs/${JOB_ID}/stream`);
    expect(pathOf(hiveRoutes.getDownload, { id: DOWNLOAD_ID })).toBe(`/v2/downloads/${DOWNLOAD_ID}`);
    expect(pathOf(queenRoutes.getDownload, { id: DOWNLOAD_ID })).toBe(`/v1/downloads/${DOWNLOAD_ID}`);
    expect(pathOf(hiveRoutes.health)).toBe('/health');
  });

  it('keeps a value in its own part of the path', () => {
    expect(pathOf(hiveRoutes.getJob, { id: 'a/../b?c#d' })).toBe('/v1/jobs/a%2F..%2Fb%3Fc%23d');
  });

  it('throws a plain error where a parameter is not given', () => {
    expect(() => pathOf(hiveRoutes.getJob)).toThrow('/v1/jobs/:id needs the parameter id');
  });
});

describe('the query of a list', () => {
  it('has a page of 100 where nothing is said, and of 1000 at most', () => {
    expect(downloadListQuerySchema.parse({})).toEqual({ limit: 100 });
    expect(downloadListQuerySchema.parse({ limit: '1000', status: 'failed', cursor: DOWNLOAD_ID })).toEqual({
      limit: 1_000,
      status: 'failed',
      cursor: DOWNLOAD_ID,
    });
    for (const limit of ['0', '1001', '-1', '1.5', 'all', '']) {
      expect([limit, downloadListQuerySchema.safeParse({ limit }).success]).toEqual([limit, false]);
    }
    expect(downloadListQuerySchema.safeParse({ status: 'done' }).success).toBe(false);
    expect(downloadListQuerySchema.safeParse({ cursor: '1' }).success).toBe(false);
  });
});
