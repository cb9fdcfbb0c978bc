/** A quota of a hub: `limit` requests in `windowSecs`. */
export interface Quota {
  readonly name: string;
  readonly limit: number;
  readonly windowSecs: number;
}

/** `RateLimit` and `RateLimit-Policy` of a quota with so many requests left. */
export function formatRateLimit({ name, limit, windowSecs }: Quota, remaining: number): Record<string, string> {
  return {
    RateLimit: `"${name}";r=${remaining};t=${windowSecs}`,
    'RateLimit-Policy': `"fixed window";"${name}";q=${limit};w=${windowSecs}`,
  };
}
