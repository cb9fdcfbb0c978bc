import { type ModelRef, RbeeError, type Scheme } from '@rbee/contract';

/** The ref of a request, new or tried again. @throws RbeeError SOURCE_NOT_ALLOWED where it is of a source that is off */
export function allowedRef(ref: ModelRef, sources: ReadonlySet<Scheme>): ModelRef {
  if (sources.has(ref.scheme)) return ref;
  throw new RbeeError('SOURCE_NOT_ALLOWED', `this hive does not fetch ${ref.scheme}: refs`, {
    hint: `it fetches ${[...sources].join(', ')}; its operator sets RBEE_HIVE_ALLOWED_SOURCES`,
  });
}
