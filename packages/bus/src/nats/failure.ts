/** How requests to NATS fail, before it is put in the words of the bus. */
import { errors } from '@nats-io/transport-node';

export type FailureKind =
  /** No answer in time. */
  | 'timeout'
  /** Nobody listens on the subject: there is no such server, stream or leader now. */
  | 'no-responders'
  /** The connection broke while the answer was awaited. */
  | 'lost'
  /** The server does not allow it to this user. */
  | 'denied'
  /** The bus was closed. */
  | 'closed'
  | 'aborted';

/** A request without an answer. */
export class RequestFailure extends Error {
  override readonly name = 'RequestFailure';
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

/** An error that JetStream answered with: https://docs.nats.io/reference/reference-protocols/nats_api_reference. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** As HTTP's: 404, 503. */
  readonly status: number;
  /** JetStream's own, by {@link API_CODES}. */
  readonly code: number;

  constructor(status: number, code: number, description: string) {
    super(description);
    this.status = status;
    this.code = code;
  }
}

export const API_CODES = {
  noSuitablePeers: 10005,
  consumerNotFound: 10014,
  messageNotFound: 10037,
  notEnabledForAccount: 10039,
  messageTooLarge: 10054,
  streamNameInUse: 10058,
  streamNotFound: 10059,
  wrongLastSequence: 10071,
  replicasWithoutCluster: 10074,
  notEnabled: 10076,
  wrongLastSequenceUnknown: 10164,
} as const;

function violation(thrown: unknown): boolean {
  for (let cause = thrown; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof errors.PermissionViolationError) return true;
  }
  return false;
}

/** What the client library threw, as a failure of a kind. */
export function toFailure(thrown: unknown, subject: string): RequestFailure {
  if (thrown instanceof RequestFailure) return thrown;
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof errors.TimeoutError)
    return new RequestFailure('timeout', `${subject} was not answered`, thrown);
  if (thrown instanceof errors.RequestError && thrown.isNoResponders()) {
    return new RequestFailure('no-responders', `nobody listens on ${subject}`, thrown);
  }
  if (violation(thrown)) {
    return new RequestFailure('denied', `the NATS server does not allow this user ${subject}: ${reason}`, thrown);
  }
  if (thrown instanceof errors.ClosedConnectionError || thrown instanceof errors.DrainingConnectionError) {
    return new RequestFailure('closed', 'the bus is closed', thrown);
  }
  return new RequestFailure('lost', `${subject}: ${reason}`, thrown);
}

const TRANSIENT_CODES: ReadonlySet<number> = new Set([
  API_CODES.noSuitablePeers,
  API_CODES.notEnabledForAccount,
  API_CODES.streamNotFound,
]);

/** Whether the same request may succeed a moment later: servers elect leaders, and connections come back. */
export function isTransient(thrown: unknown): boolean {
  if (thrown instanceof ApiError) return thrown.status === 503 || TRANSIENT_CODES.has(thrown.code);
  return thrown instanceof RequestFailure && ['timeout', 'no-responders', 'lost'].includes(thrown.kind);
}
