/** Settings meant for other daemons: ports, queens, tokens and certificates of other addresses. */
const NOT_FOR_EMBEDDED =
  /^(?:RBEE_QUEEN_.*|RBEE_API_TOKEN|RBEE_HIVE_(?:TOKEN|HOST|PORT|ID|ADVERTISED_URL|QUEEN_URL|TLS_CERT|TLS_KEY))$/;

/** The keeper reads the daemons' addresses from their logs, which have them at this level. */
const LOGGED = { RBEE_LOG_LEVEL: 'info' } as const;

export interface FleetEnv {
  readonly env: NodeJS.ProcessEnv;
  readonly queenEnv: Readonly<Record<string, string>>;
  readonly hiveEnv: Readonly<Record<string, string>>;
}

/** A temporary fleet: free ports on loopback, no tokens, the hive's usual store and state. */
export function embeddedEnv(env: NodeJS.ProcessEnv): FleetEnv {
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !NOT_FOR_EMBEDDED.test(name)));
  return {
    env: kept,
    queenEnv: { ...LOGGED, RBEE_QUEEN_HOST: '127.0.0.1', RBEE_QUEEN_PORT: '0' },
    hiveEnv: { ...LOGGED, RBEE_HIVE_HOST: '127.0.0.1', RBEE_HIVE_PORT: '0', RBEE_HIVE_ID: 'local' },
  };
}

/** A fleet of `up`: the settings of the environment, these ports, and the API token for both, if set. */
export function upEnv(env: NodeJS.ProcessEnv, queenPort: number | null, hivePort: number | null): FleetEnv {
  const token = env.RBEE_API_TOKEN;
  return {
    env,
    queenEnv: {
      ...LOGGED,
      ...(queenPort === null ? {} : { RBEE_QUEEN_PORT: String(queenPort) }),
      ...(token ? { RBEE_HIVE_TOKEN: env.RBEE_HIVE_TOKEN || token } : {}),
    },
    hiveEnv: {
      ...LOGGED,
      ...(hivePort === null ? {} : { RBEE_HIVE_PORT: String(hivePort) }),
      ...(token ? { RBEE_QUEEN_TOKEN: env.RBEE_QUEEN_TOKEN || token } : {}),
    },
  };
}
