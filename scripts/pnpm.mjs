/** What installs the packages and packs them: `npx` fetches it, so no machine needs it beforehand. */
export const PNPM = 'pnpm@12.21.0';
