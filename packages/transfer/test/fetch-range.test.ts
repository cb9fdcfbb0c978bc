import { fetchRange } from '../src/fetch-range.ts';
import { describeFetchRange } from './describe-fetch-range.ts';

describeFetchRange('undici', () => ({ fetchRange, close: async () => {} }));
