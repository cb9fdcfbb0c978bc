import { RbeeError } from '@rbee/contract';
import { describe, expect, it } from 'vitest';
import { Address } from '../src/address.ts';

const never = new AbortController().signal;
const refused = () => new RbeeError('MODEL_ACCESS_DENIED', 'the server denies access');

function numbered() {
  let asked = 0;
  const address = new Address(async () => {
    asked += 1;
    return { url: `https://cdn.example/${asked}` };
  });
  return { address, current: () => address.current(never) };
}

describe('an address that is refused', () => {
  it('is renewed once for all connections that had it, whichever is refused first', async () => {
    const { address, current } = numbered();
    const first = await current();
    address.accept();
    expect([1, 2, 3].map(() => address.renewAfter(refused(), first))).toEqual([true, true, true]);
    const second = await current();
    expect(second.url).toBe('https://cdn.example/2');
    // One more answer about the first, which was on its way, says nothing of the second.
    expect(address.renewAfter(refused(), first)).toBe(true);
    expect(await current()).toBe(second);
  });

  it('is refused for good if the new one is refused before any server has accepted it', async () => {
    const { address, current } = numbered();
    expect(address.renewAfter(refused(), await current())).toBe(true);
    expect(address.renewAfter(refused(), await current())).toBe(false);
  });

  it('is renewed again if the new one had been accepted', async () => {
    const { address, current } = numbered();
    expect(address.renewAfter(refused(), await current())).toBe(true);
    const second = await current();
    address.accept();
    expect(address.renewAfter(refused(), second)).toBe(true);
  });

  it('is not renewed for other errors', async () => {
    const { address, current } = numbered();
    expect(address.renewAfter(new RbeeError('DOWNLOAD_FAILED', 'cut'), await current())).toBe(false);
    expect(address.renewAfter(new Error('a bug'), await current())).toBe(false);
  });
});
