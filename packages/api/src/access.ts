/** Who may use the admin port: whoever holds the token or, where there is none, whoever is on the machine. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { WeftError } from '@weft/contracts/error';
import type { CallContext, MountedMethod, MountedService } from '@weft/rpc';

const MIN_TOKEN_LENGTH = 16;

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
}

function isLocal(address: string): boolean {
  if (address.startsWith('unix:')) return true;
  const host = hostOf(address);
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

/**
 * Refuses an admin address (`host:port`, `unix:<path>`) that others could reach without a token, and a token that can be
 * guessed. Throws `WeftError` FAILED_PRECONDITION or INVALID_ARGUMENT.
 */
export function checkAdminAddress(address: string, token: string | undefined): void {
  if (token !== undefined && token.length < MIN_TOKEN_LENGTH) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `the admin token has ${token.length} characters; take at least ${MIN_TOKEN_LENGTH}, at random`,
    );
  }
  if (token === undefined && !isLocal(address)) {
    throw new WeftError(
      'FAILED_PRECONDITION',
      `the admin API at ${address} would be open to everybody who can reach it: set an admin token, ` +
        'or listen on 127.0.0.1',
    );
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Lets calls with the token pass, and throws `WeftError` UNAUTHENTICATED for others. */
export function bearerCheck(token: string): (call: CallContext) => void {
  const expected = digest(`Bearer ${token}`);
  return (call) => {
    const shown = call.metadata('authorization');
    if (shown !== undefined && timingSafeEqual(digest(shown), expected)) return;
    const what = shown === undefined ? 'needs a token' : 'does not know this token';
    throw new WeftError('UNAUTHENTICATED', `the admin API ${what}: set WEFT_ADMIN_TOKEN to the one that it runs with`, {
      source: 'downstream',
    });
  };
}

type TypedHandler = (...args: never[]) => unknown;

/** The call context, the last of what every handler is given. */
function callOf(args: readonly unknown[]): CallContext {
  return args.at(-1) as CallContext;
}

function guardMethod(mounted: MountedMethod, check: (call: CallContext) => void): MountedMethod {
  if (mounted.type === 'raw') {
    return {
      type: 'raw',
      handler: (stream, call) => {
        try {
          check(call);
        } catch (thrown) {
          stream.end(thrown);
          return;
        }
        mounted.handler(stream, call);
      },
    };
  }
  const { method, handler } = mounted;
  const unary: TypedHandler = async (...args) => {
    check(callOf(args));
    return handler(...args);
  };
  const serverStream: TypedHandler = async function* (...args) {
    check(callOf(args));
    yield* handler(...args) as AsyncIterable<unknown>;
  };
  return { type: 'typed', method, handler: method.kind === 'unary' ? unary : serverStream };
}

/** The service behind a check of each call. */
export function guarded(service: MountedService, check: (call: CallContext) => void): MountedService {
  return { methods: new Map([...service.methods].map(([path, mounted]) => [path, guardMethod(mounted, check)])) };
}
