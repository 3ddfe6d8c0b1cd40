/** What an authorization service, of either kind, says of a request. */

export type FieldPair = readonly [name: string, value: string];

/** What becomes of a field of the response to the client. */
export interface ResponseChange {
  readonly action: 'add' | 'set' | 'add-if-absent' | 'set-if-present';
  readonly field: FieldPair;
}

/** Names are in lower case; values hold one character for each byte. */
export interface Allowed {
  readonly type: 'ok';
  /** In place of fields of the request with the same name. */
  readonly set: readonly FieldPair[];
  /** Beside those that the request has. */
  readonly add: readonly FieldPair[];
  /** Behind the value of a field that the request has; of others nothing becomes. */
  readonly append: readonly FieldPair[];
  readonly remove: readonly string[];
  readonly setParameters: readonly FieldPair[];
  readonly removeParameters: readonly string[];
  readonly response: readonly ResponseChange[];
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
}

/** Who is denied; what is answered in the upstream's place. */
export interface Denied {
  readonly type: 'denied';
  readonly status: number;
  readonly headers: readonly FieldPair[];
  readonly body: string;
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
}

/** The service cannot tell; what it says of that may be told to the client. */
export interface Failed {
  readonly type: 'error';
  /** Undefined: what the filter answers then. */
  readonly status: number | undefined;
  readonly headers: readonly FieldPair[];
  readonly body: string;
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
}

export type Verdict = Allowed | Denied | Failed;

export const NO_ANSWER: Failed = { type: 'error', status: undefined, headers: [], body: '', metadata: undefined };
