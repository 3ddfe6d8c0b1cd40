/**
 * In which order the types are sent, so that nothing refers to what is not there: what is new before what refers to it,
 * what is gone after what referred to it (make before break).
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol#eventual-consistency-considerations
 */
import type { ServedType } from '../snapshot/resource.ts';

export interface Step {
  readonly type: ServedType;
  readonly what: 'news' | 'removals';
  /** Steps that the client must have accepted before this one. */
  readonly after: readonly { readonly type: ServedType; readonly what: 'news' | 'removals' }[];
}

const news = (type: ServedType) => ({ type, what: 'news' }) as const;
const removals = (type: ServedType) => ({ type, what: 'removals' }) as const;

/** Load assignments wait for nothing: an endpoint that is gone must be gone at once. */
export const STEPS: readonly Step[] = [
  { ...news('cluster'), after: [] },
  { ...news('endpoint'), after: [] },
  { ...news('listener'), after: [news('cluster'), news('endpoint')] },
  { ...news('route'), after: [news('cluster'), news('endpoint')] },
  { ...removals('listener'), after: [] },
  { ...removals('route'), after: [news('listener'), removals('listener')] },
  { ...removals('cluster'), after: [news('listener'), news('route'), removals('listener')] },
  { ...removals('endpoint'), after: [news('cluster'), removals('cluster')] },
];

/** What a client asks for once it has got a resource of the other type. */
export const FOLLOWS = { cluster: 'endpoint', listener: 'route' } as const satisfies Partial<
  Record<ServedType, ServedType>
>;
