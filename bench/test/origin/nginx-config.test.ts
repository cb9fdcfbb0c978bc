import { describe, expect, test } from 'vitest';
import { nginxConfig } from '../../src/origin/nginx-config.ts';

const setup = {
  port: 4321,
  folder: '/tmp/origin',
  file: { path: '/tmp/content', sizeBytes: 17, sha256: 'a'.repeat(64) },
  certificate: null,
  bytesPerSecondEach: null,
  isRoot: false,
};

describe('nginxConfig', () => {
  test('listens on loopback only and writes only into its folder', () => {
    const config = nginxConfig(setup);
    expect(config.match(/listen .*/g)).toEqual(['listen 127.0.0.1:4321;']);
    const written = [...config.matchAll(/^\s*(?:pid|\w+_temp_path) (\S+);/gm)].map(([, path]) => path ?? '');
    expect(written.length).toBe(6);
    expect(written.every((path) => path.startsWith('/tmp/origin/'))).toBe(true);
  });

  test('limits each request by small writes, and nothing when there is no limit', () => {
    expect(nginxConfig({ ...setup, bytesPerSecondEach: 20_971_520 })).toMatch(
      /limit_rate 20971520;\n\s+sendfile_max_chunk 524288;/,
    );
    expect(nginxConfig(setup)).not.toMatch(/limit_rate|sendfile_max_chunk/);
  });

  test('speaks TLS when it has a certificate', () => {
    const certificate = { certificateFile: '/tmp/c.pem', keyFile: '/tmp/k.pem' };
    const config = nginxConfig({ ...setup, certificate });
    expect(config).toContain('listen 127.0.0.1:4321 ssl;');
    expect(config).toContain('ssl_certificate /tmp/c.pem;');
    expect(nginxConfig(setup)).not.toContain('ssl');
  });

  test('names a user for the workers of root only', () => {
    expect(nginxConfig({ ...setup, isRoot: true })).toContain('user root;');
    expect(nginxConfig(setup)).not.toContain('user ');
  });
});
