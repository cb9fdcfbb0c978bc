import { pathOf, type Route } from '@rbee/contract';
import { type AskedDaemon, exchange, unexpected } from './exchange.ts';
import { refusalOf } from './refusal.ts';

export interface CallerOptions extends AskedDaemon {
  readonly requestId: string;
}

export interface CallOptions {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

/** What a route answers when all is well. */
type AnswerOf<R extends Route> = R extends { success: { body: { parse(input: unknown): infer T } } } ? T : never;
type AnsweringRoute = Route & { readonly success: NonNullable<Route['success']> };

/** One call of a route: method, path, headers and body out, a checked answer in. */
export type Caller = <R extends AnsweringRoute>(route: R, options: CallOptions) => Promise<AnswerOf<R>>;

export function createCaller(options: CallerOptions): Caller {
  return async (route, { params, ...call }) => {
    const { requestId } = options;
    const asked = { ...call, method: route.method, path: pathOf(route, params), requestId };
    const { status, body } = await exchange(options, asked);
    if (status < 200 || status > 299) throw refusalOf({ ...options, status, body, requestId });
    const parsed = route.success.body.safeParse(body);
    if (!parsed.success) throw unexpected(options, `its answer to ${route.method} ${route.path} is not understood`);
    // The schema belongs to the route, which the compiler cannot follow through a generic parameter.
    return parsed.data as AnswerOf<typeof route>;
  };
}
