import { SocketAddress } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPrivateHost, isPublic } from '../../../src/sources/http/public-address.ts';

describe('an address that is not public', () => {
  it.each([
    ['loopback', ['127.0.0.1', '127.255.255.255', '::1', '0:0:0:0:0:0:0:1']],
    ['this machine, by no address', ['0.0.0.0', '0.1.2.3', '::', '0::0']],
    ['a private network', ['10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1']],
    ['a private network of IPv6 (ULA)', ['fd00::1', 'fc00::1', 'fdff:ffff::1']],
    ['link-local', ['169.254.1.1', 'fe80::1', 'febf::1', 'fe80::1%eth0', 'fe80::1%25lo', 'fec0::1']],
    [
      'the metadata of a cloud',
      ['169.254.169.254', 'fd00:ec2::254', 'fd20:ce::254', '100.100.100.200', '168.63.129.16'],
    ],
    ['behind the NAT of a provider', ['100.64.0.1', '100.127.255.255']],
    ['multicast and broadcast', ['224.0.0.1', '239.1.1.1', '255.255.255.255', 'ff02::1', 'ff0e::1']],
    ['reserved', ['240.0.0.1', '192.0.0.192', '198.18.0.1', '192.88.99.1', '4000::1', '5f00::1', '100::1']],
    ['for documentation', ['192.0.2.1', '198.51.100.1', '203.0.113.9', '2001:db8::1', '3fff::1']],
    [
      'IPv4, mapped',
      ['::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:7f00:1', '::FFFF:a9fe:a9fe', '0:0:0:0:0:ffff:7f00:1'],
    ],
    ['IPv4, mapped, with a zone', ['::ffff:127.0.0.1%lo', '::ffff:7f00:1%1']],
    ['IPv4, translated', ['::ffff:0:7f00:1', '::ffff:0:127.0.0.1', '64:ff9b:1::7f00:1']],
    ['IPv4 through NAT64', ['64:ff9b::7f00:1', '64:ff9b::127.0.0.1', '64:ff9b::a9fe:a9fe', '64:ff9b::1', '64:ff9b::']],
    ['IPv4, compatible', ['::7f00:1', '::127.0.0.1', '::1.1.1.1']],
    ['IPv4 through 6to4 and Teredo', ['2002:7f00:1::', '2002:0101:0101::', '2001:0:4136:e378::1']],
    [
      'no address at all',
      ['', 'localhost', '127.1', '0x7f.0.0.1', '0177.0.0.1', '1.1.1.1.', '[::1]', '1.1.1.1/0', '%lo'],
    ],
  ])('is one of %s', (_, addresses) => {
    for (const address of addresses) expect(isPublic(address), address).toBe(false);
  });
});

describe('an address that is public', () => {
  it.each([
    ['of IPv4', ['1.1.1.1', '172.32.0.1', '100.128.0.1', '168.63.129.17', '192.169.0.1', '223.255.255.255']],
    ['of IPv6', ['2606:4700::1111', '2a00:1450::1', '2001:200::1', '3ffe::1', '2606:4700::1111%eth0']],
    ['of IPv4, mapped', ['::ffff:1.1.1.1', '::ffff:101:101']],
    // Else a network with IPv6 alone could reach nothing that has only IPv4.
    ['of IPv4 through NAT64', ['64:ff9b::1.1.1.1', '64:ff9b::101:101']],
  ])('is one %s', (_, addresses) => {
    for (const address of addresses) expect(isPublic(address), address).toBe(true);
  });
});

describe('an IPv4 address inside an IPv6 one', () => {
  it('is judged like the IPv4 address', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const expected = isPublic(address);
        const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
        const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
        for (const worn of [`::ffff:${address}`, `::ffff:${hex}`, `64:ff9b::${address}`, `64:ff9b::${hex}`]) {
          expect(isPublic(worn), worn).toBe(expected);
        }
      }),
    );
  });

  it('never throws, and every spelling is judged alike', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const spelt = new SocketAddress({ address, family: 'ipv6' }).address;
        expect(isPublic(address), `${address} is ${spelt}`).toBe(isPublic(spelt));
      }),
    );
  });
});

describe('a host that is this machine, however a URL spells it', () => {
  it.each([
    ['an alias', ['localhost', 'LOCALHOST', 'localhost.', 'localhost..', 'a.localhost', 'foo.LOCALHOST.']],
    ['decimal', ['2130706433', '127.1', '127.0.1']],
    ['hexadecimal', ['0x7f000001', '0x7f.1', '0x7f.0x0.0x0.0x1']],
    ['octal', ['017700000001', '0177.0.0.1', '0177.0.0.01']],
    ['a dot at the end', ['127.0.0.1.', '0x7f.1.']],
    [
      'other digits, dots and letters',
      ['①②⑦.0.0.1', '127。0。0。1', 'ｌｏｃａｌｈｏｓｔ', '%6c%6fcalhost', '%31%32%37.0.0.1'],
    ],
    [
      'IPv6',
      ['[::1]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]', '[64:ff9b::7f00:1]'],
    ],
    ['nothing', ['0', '0.0.0.0', '[::]']],
  ])('by %s', (_, hosts) => {
    for (const host of hosts) expect(isPrivateHost(new URL(`http://${host}/`).hostname), host).toBe(true);
  });

  it.each(['[fe80::1%25lo]', '[fe80::1%lo]', '256.1', '127.0.0.1%00.example', '1.1.1.1.1'])(
    '%s is not a URL',
    (host) => {
      expect(URL.canParse(`http://${host}/`)).toBe(false);
    },
  );

  it.each(['models.example', 'localhost.example', 'notlocalhost', '127.0.0.1.example', '1.1.1.1'])(
    'not as %s',
    (host) => {
      expect(isPrivateHost(new URL(`http://${host}/`).hostname)).toBe(false);
    },
  );
});
