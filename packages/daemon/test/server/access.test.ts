import { describe, expect, it } from 'vitest';
import { bindProblem, isLoopback } from '../../src/index.ts';

describe('where a daemon may listen', () => {
  it.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1', '[::1]'])('%s is loopback and needs no token', (host) => {
    expect(isLoopback(host)).toBe(true);
    expect(bindProblem(host, null)).toBeNull();
  });

  it.each(['0.0.0.0', '::', '192.168.1.5', '127.evil.example', 'hive.lan'])('%s is not, and needs one', (host) => {
    expect(bindProblem(host, null)).toMatch(/RBEE_API_TOKEN/);
    expect(bindProblem(host, 'short')).toMatch(/16 characters/);
    expect(bindProblem(host, 'x'.repeat(16))).toBeNull();
  });
});
