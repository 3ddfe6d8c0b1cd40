/** One span, done: what an exporter sends. */
import type { TraceContext } from './context.ts';

export interface SpanEvent {
  readonly name: string;
  /** Milliseconds since 1970, with a fraction. */
  readonly atMs: number;
}

export interface Span {
  readonly context: TraceContext;
  readonly name: string;
  readonly kind: 'server' | 'client';
  /** Whether the parent is in another process. */
  readonly hasRemoteParent: boolean;
  /** Milliseconds since 1970, with a fraction. */
  readonly startMs: number;
  readonly endMs: number;
  readonly tags: readonly (readonly [name: string, value: string])[];
  readonly events: readonly SpanEvent[];
  readonly isError: boolean;
}
