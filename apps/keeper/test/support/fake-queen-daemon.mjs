import { serve } from './fake-daemon.mjs';

const hives = [];

serve('QUEEN', (request, body) => {
  if (request.url === '/v1/hive/ready') {
    hives.push({ ...body, online: true, last_seen_at: new Date().toISOString(), version: '0.1.0' });
    return hives[0];
  }
  if (request.url === '/v1/hives') {
    return {
      hives: hives.map((hive) => ({
        ...hive,
        active_downloads: 0,
        speed_bps: 0,
        free_bytes: null,
        downloads: null,
        max_bandwidth: null,
        max_concurrent_downloads: null,
        problem: null,
      })),
    };
  }
  return { status: 'ok' };
});
