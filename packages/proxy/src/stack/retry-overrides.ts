/** What a request itself says of when it is to be sent again: headers of clients that are trusted. */
import { type RetryCondition, retryCondition } from '../config/route.ts';
import type { RequestHead } from '../http/message.ts';
import { compileRetryPolicy, grpcStatuses, NO_RETRY_CONFIG, type RetryPolicy } from './retry-policy.ts';

/** Headers of this kind that go no further. Requests are not hedged: what asks for that is taken off only. */
const CONSUMED = [
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-max-retries',
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
  'x-envoy-hedge-on-per-try-timeout',
] as const;

const GRPC: ReadonlySet<RetryCondition> = new Set<RetryCondition>([
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

function words(value: string | undefined): readonly string[] {
  return (value ?? '').split(',').flatMap((word) => (word.trim() === '' ? [] : [word.trim()]));
}

/** Conditions that the two headers name; words that name none are passed over. */
function conditionsOf(head: RequestHead): readonly RetryCondition[] {
  const named = (value: string | undefined) => words(value).flatMap((word) => retryCondition(word) ?? []);
  return [
    ...named(head.headers.get('x-envoy-retry-on')).filter((condition) => !GRPC.has(condition)),
    ...named(head.headers.get('x-envoy-retry-grpc-on')).filter((condition) => GRPC.has(condition)),
  ];
}

const digits = (text: string) => /^\d{1,9}$/.test(text);

/**
 * The policy for one request: the route's, and what the request adds to it. Takes its headers off. Undefined: the request
 * is not sent again.
 */
export function steeredRetryPolicy(base: RetryPolicy | undefined, head: RequestHead): RetryPolicy | undefined {
  const { headers } = head;
  const asked = conditionsOf(head);
  const codes = words(headers.get('x-envoy-retriable-status-codes')).filter(digits).map(Number);
  const names = words(headers.get('x-envoy-retriable-header-names'));
  const most = headers.get('x-envoy-max-retries');
  for (const name of CONSUMED) headers.remove(name);
  if (!base && asked.length === 0) return undefined;
  const policy = base ?? compileRetryPolicy(NO_RETRY_CONFIG);
  const conditions = new Set([...policy.conditions, ...asked]);
  return {
    ...policy,
    conditions,
    grpcStatuses: grpcStatuses(conditions),
    maxRetries: most !== undefined && digits(most) ? Number(most) : policy.maxRetries,
    statusCodes: codes.length === 0 ? policy.statusCodes : new Set([...policy.statusCodes, ...codes]),
    responseHeaders: [
      ...policy.responseHeaders,
      ...names.map((name) => ({
        name: name.toLowerCase(),
        isInverted: false,
        matches: (value: string | undefined) => value !== undefined,
      })),
    ],
  };
}
