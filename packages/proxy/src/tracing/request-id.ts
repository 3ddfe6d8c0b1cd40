/**
 * Request ids as the carriers of two things: which share of requests one is in, and why it is traced. The reason stands
 * in place of the version's digit of the UUID
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/headers#x-request-id).
 */

export type TraceReason = 'not-traceable' | 'sampling' | 'service-forced' | 'client-forced';

const UUID_LENGTH = 36;
const REASON_AT = 14;
const SHARES = 10_000;

const DIGITS: { readonly [R in TraceReason]: string } = {
  'not-traceable': '4',
  sampling: '9',
  'service-forced': 'a',
  'client-forced': 'b',
};

/** Where a request stands among all, from 0 to 9999; undefined of an id that is no UUID. */
export function shareOf(id: string | undefined): number | undefined {
  if (id === undefined || id.length !== UUID_LENGTH) return undefined;
  const digits = id.slice(0, 8);
  return /^[0-9a-f]{8}$/i.test(digits) ? Number.parseInt(digits, 16) % SHARES : undefined;
}

export function reasonOf(id: string): TraceReason {
  switch (id[REASON_AT]) {
    case '9':
      return 'sampling';
    case 'a':
      return 'service-forced';
    case 'b':
      return 'client-forced';
    default:
      return 'not-traceable';
  }
}

export function withReason(id: string, reason: TraceReason): string {
  return id.slice(0, REASON_AT) + DIGITS[reason] + id.slice(REASON_AT + 1);
}
