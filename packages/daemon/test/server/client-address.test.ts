import { describe, expect, it } from 'vitest';
import { clientOf } from '../../src/server/client-address.ts';

describe('who counts as one client', () => {
  it.each([
    ['203.0.113.5', '203.0.113.5'],
    ['::ffff:203.0.113.5', '203.0.113.5'],
    ['2001:db8:0:7::1', '2001:db8:0:7::/64'],
    ['2001:DB8::0007:aaaa:bbbb:cccc:dddd', '2001:db8:0:7::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::5', '0:0:0:0::/64'],
  ])('%s is %s', (address, client) => {
    expect(clientOf(address)).toBe(client);
  });

  it.each(['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1', '::ffff:127.8.9.10', undefined])(
    '%s is not counted',
    (address) => {
      expect(clientOf(address)).toBeNull();
    },
  );
});
