import { fetchRange } from '../../src/http/fetch-range.ts';
import { describeFetchRange } from './describe-fetch-range.ts';

describeFetchRange('undici', () => ({ fetchRange, close: async () => {} }));
