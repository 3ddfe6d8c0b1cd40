/** Makes one connection: TCP or a unix socket, TLS when wanted, and the first frames of HTTP/2. */
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectNet, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Address } from '../address.ts';
import type { ConnectOptions } from '../types.ts';
import { connectError, timedOut } from './explain.ts';
import { checkServer } from './server-check.ts';

/** How long an address may take, from the first packet to the server's first HTTP/2 frame. */
const CONNECT_MS = 3000;
const TCP_KEEPALIVE_MS = 10_000;
const WINDOW_BYTES = 256 * 1024;

export interface DialOptions {
  readonly tls: ConnectOptions['tls'];
  readonly now: () => number;
}

/** Takes whatever fails first, until the connection is handed over. */
interface Attempt {
  readonly fail: (cause: unknown) => void;
}

function secure(socket: Socket, { tls, now }: DialOptions, attempt: Attempt, ready: (socket: Socket) => void): void {
  if (!tls) {
    ready(socket);
    return;
  }
  const { chainPem, keyPem, rootsPem } = tls.source.current();
  const secured: TLSSocket = connectTls({
    socket,
    ca: [...rootsPem],
    ...(chainPem !== '' && { cert: chainPem, key: keyPem }),
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['h2'],
    // The chain is checked by OpenSSL and by SPIFFE's rules in one place, which can say in words what is wrong.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  secured.on('error', attempt.fail);
  secured.once('secureConnect', () => {
    try {
      checkServer(secured, tls, now());
      ready(secured);
    } catch (refused) {
      attempt.fail(refused);
    }
  });
}

function startHttp2(url: string, socket: Socket, attempt: Attempt, ready: (session: ClientHttp2Session) => void): void {
  const session = connectHttp2(url, {
    createConnection: () => socket,
    settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
  });
  session.on('error', attempt.fail);
  session.once('close', () => attempt.fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
  session.once('remoteSettings', () => {
    session.setLocalWindowSize(WINDOW_BYTES * 4);
    ready(session);
  });
}

/**
 * Connects to an address. Throws `WeftError`: UNAVAILABLE, or UNAUTHENTICATED for a server whose certificate does not
 * hold or is of somebody else. Abandons the attempt when `signal` aborts.
 */
export function dial(address: Address, options: DialOptions, signal: AbortSignal): Promise<ClientHttp2Session> {
  const authority = address.type === 'tcp' ? address.text : 'localhost';
  const url = `${options.tls ? 'https' : 'http'}://${authority}`;
  return new Promise((resolve, reject) => {
    const socket: Socket =
      address.type === 'unix'
        ? connectNet({ path: address.path })
        : connectNet({ host: address.host, port: address.port, noDelay: true });
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abandon);
    };
    const fail = (cause: unknown): void => {
      settle();
      socket.destroy();
      reject(connectError(address, cause));
    };
    const timer = setTimeout(() => fail(timedOut(address, CONNECT_MS)), CONNECT_MS);
    const abandon = (): void => fail(signal.reason);
    if (signal.aborted) {
      abandon();
      return;
    }
    signal.addEventListener('abort', abandon, { once: true });
    socket.on('error', fail);
    socket.once('close', () => fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    socket.once('connect', () => {
      socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
      secure(socket, options, { fail }, (secured) => {
        startHttp2(url, secured, { fail }, (session) => {
          settle();
          resolve(session);
        });
      });
    });
  });
}
