/** Which calls may pass: with mutual TLS those of the mesh, and those that need no certificate. */
import type { ServerDuplexStream, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { WeftError } from '@weft/contracts/error';
import type { SpiffeId } from '@weft/identity';
import type { CallContext, Caller } from '../types.ts';
import type { Peers, Proof } from './peers.ts';

export type AnyCall =
  | ServerUnaryCall<Buffer, Buffer>
  | ServerWritableStream<Buffer, Buffer>
  | ServerDuplexStream<Buffer, Buffer>;

export interface AccessOptions {
  /** Absent: a server in the clear, whose callers prove nothing. */
  readonly peers?: Peers;
  readonly anonymousMethods: ReadonlySet<string>;
  readonly authorize: ((call: CallContext, path: string) => void) | undefined;
  readonly now: () => number;
}

function unauthenticated(proof: Proof, path: string): WeftError {
  const reason =
    proof.type === 'refused'
      ? proof.error.message
      : 'the caller showed no certificate of the mesh; join the mesh to get one';
  return new WeftError('UNAUTHENTICATED', `${path} needs a certificate of the mesh: ${reason}`, {
    source: 'downstream',
  });
}

/** The identity of a caller whose certificate still counts. */
function identityOf(proof: Proof, nowMs: number): SpiffeId | undefined {
  return proof.type === 'identity' && nowMs <= proof.notAfterMs ? proof.id : undefined;
}

function proofOfCall(call: AnyCall, peers: Peers): Proof {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  return peers.find(call.getPeer(), raw);
}

function callerOf(call: AnyCall, proof: Proof, nowMs: number): Caller {
  const peer = call.getPeer();
  return { identity: identityOf(proof, nowMs), address: peer === 'unknown' ? 'unix' : peer };
}

/** The context of a call that may pass; throws `WeftError` for one that may not. */
export function admit(call: AnyCall, path: string, signal: AbortSignal, options: AccessOptions): CallContext {
  const { peers, anonymousMethods, authorize, now } = options;
  const nowMs = now();
  const proof: Proof = peers ? proofOfCall(call, peers) : { type: 'none' };
  const caller = callerOf(call, proof, nowMs);
  const context: CallContext = {
    caller,
    signal,
    metadata(key) {
      const [value] = call.metadata.get(key);
      return Buffer.isBuffer(value) ? value.toString('base64') : value;
    },
  };
  if (peers && !caller.identity && !anonymousMethods.has(path)) {
    if (proof.type !== 'identity') throw unauthenticated(proof, path);
    const error = new WeftError('UNAUTHENTICATED', expired(proof.notAfterMs, nowMs), { source: 'downstream' });
    throw unauthenticated({ type: 'refused', error }, path);
  }
  authorize?.(context, path);
  return context;
}

function expired(notAfterMs: number, nowMs: number): string {
  const [end, now] = [notAfterMs, nowMs].map((ms) => new Date(ms).toISOString());
  return `the certificate of this connection expired at ${end}, and the clock here says ${now}; connect anew with a renewed one`;
}
