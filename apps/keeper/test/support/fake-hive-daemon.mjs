import { register, serve } from './fake-daemon.mjs';

const hiveId = process.env.RBEE_HIVE_ID || 'machine';

serve(
  'HIVE',
  () => ({
    hive_id: hiveId,
    version: '0.1.0',
    uptime_secs: 1,
    models_dir: '/the/models',
    free_bytes: 1,
    settings: {},
  }),
  (url) => register({ hive_id: hiveId, hive_url: url }),
);
