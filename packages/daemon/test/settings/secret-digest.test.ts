import { describe, expect, it } from 'vitest';
import { fingerprint } from '../../src/index.ts';

describe('a token in a log', () => {
  it('is shown as six hex digits that reveal nothing', () => {
    expect(fingerprint('hf_secret')).toMatch(/^[0-9a-f]{6}$/);
    expect(fingerprint('hf_secret')).not.toBe(fingerprint('hf_secreu'));
  });
});
