/**
 * The one class of error that Weft raises: it says what, whose fault it is and whether trying again is safe. Codes are
 * gRPC's: https://grpc.github.io/grpc/core/md_doc_statuscodes.html.
 */

/** By name, the number that travels. */
export const STATUS_CODES = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type StatusCode = keyof typeof STATUS_CODES;

/** Whose doing the error is: the caller's, the far side's, the control plane's, or this process's own. */
export type ErrorSource = 'downstream' | 'upstream' | 'control-plane' | 'self';

export interface WeftErrorOptions {
  readonly source?: ErrorSource;
  /** Whether the same call may be made again without harm; by default only where nothing was done: UNAVAILABLE. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
  /** Sent with the error over gRPC, by lower-case key; bytes under keys that end in `-bin`. */
  readonly metadata?: Readonly<Record<string, string | Uint8Array>>;
}

export class WeftError extends Error {
  override readonly name = 'WeftError';
  readonly code: StatusCode;
  readonly source: ErrorSource;
  readonly retryable: boolean;
  readonly metadata: Readonly<Record<string, string | Uint8Array>>;

  /** `message` is one plain sentence that says what happened and, where there is something, what to do. */
  constructor(code: StatusCode, message: string, options: WeftErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.source = options.source ?? 'self';
    this.metadata = options.metadata ?? {};
    this.retryable = options.retryable ?? code === 'UNAVAILABLE';
  }
}

/** The error itself, or one of code INTERNAL around whatever else was thrown. */
export function toWeftError(thrown: unknown): WeftError {
  if (thrown instanceof WeftError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new WeftError('INTERNAL', message, { cause: thrown });
}
