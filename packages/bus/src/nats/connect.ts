/** Opening the connection: waits for a server that can carry the bus, and says what is wrong with one that cannot. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
} from '@nats-io/transport-node';
import { WeftError } from '@weft/contracts/error';
import type { BusLog } from '../log-sink.ts';
import { ApiError, isTransient, RequestFailure, toFailure } from './failure.ts';
import { JetStream } from './jetstream.ts';
import { Link } from './link.ts';
import type { NatsBusOptions, NatsCredentials } from './options.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const DIAL_MS = 3_000;
const PAUSE_MS = 200;
/** Markers of deletions that expire by themselves came with this version. */
const OLDEST = [2, 11] as const;

interface Target {
  /** As the library takes it, without user and password. */
  readonly address: string;
  readonly credentials: NatsCredentials | undefined;
}

function parseServer(text: string): Target {
  const url = URL.parse(text.includes('://') ? text : `nats://${text}`);
  if (!url || !['nats:', 'tls:'].includes(url.protocol) || url.hostname === '') {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(text)} is not the address of a NATS server, such as nats://127.0.0.1:4222`,
    );
  }
  const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  const credentials: NatsCredentials | undefined =
    user === '' ? undefined : password === '' ? { type: 'token', token: user } : { type: 'password', user, password };
  return { address: `${url.protocol}//${url.hostname}:${url.port || '4222'}`, credentials };
}

function authentication(credentials: NatsCredentials | undefined): Partial<ConnectionOptions> {
  switch (credentials?.type) {
    case undefined:
      return {};
    case 'token':
      return { token: credentials.token };
    case 'password':
      return { user: credentials.user, pass: credentials.password };
    case 'creds':
      return { authenticator: credsAuthenticator(new TextEncoder().encode(credentials.text)) };
  }
}

function connectionOptions(options: NatsBusOptions, targets: readonly Target[]): ConnectionOptions {
  const { name, tls, inboxPrefix } = options;
  const wantsTls = tls !== undefined || targets.some(({ address }) => address.startsWith('tls:'));
  return {
    servers: targets.map(({ address }) => address.replace(/^tls:/, 'nats:')),
    name,
    ...authentication(options.credentials ?? targets.find(({ credentials }) => credentials)?.credentials),
    ...(wantsTls && {
      tls: {
        ...(tls?.caPem && { ca: tls.caPem }),
        ...(tls?.certPem && { cert: tls.certPem }),
        ...(tls?.keyPem && { key: tls.keyPem }),
      },
    }),
    ...(inboxPrefix && { inboxPrefix }),
    timeout: DIAL_MS,
    // For ever: a server that comes back is found, whatever it said before it went.
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    // A server that hangs without closing its connections is left after two of these.
    pingInterval: 5_000,
    maxPingOut: 2,
    noAsyncTraces: true,
  };
}

function reasonOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '') return reasonOf(thrown.errors[0]);
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Dials until a server answers; throws the last reason when the time is up. */
async function dial(options: ConnectionOptions, until: AbortSignal): Promise<NatsConnection> {
  for (;;) {
    try {
      const dialling = connect(options);
      const connection = await new Promise<NatsConnection>((resolve, reject) => {
        until.addEventListener('abort', () => reject(new Error('no answer')), { once: true });
        dialling.then(resolve, reject);
      });
      return connection;
    } catch (thrown) {
      if (thrown instanceof errors.AuthorizationError || until.aborted) throw thrown;
      try {
        await delay(PAUSE_MS, undefined, { signal: until });
      } catch {
        throw thrown;
      }
    }
  }
}

function checkVersion(connection: NatsConnection, servers: string): void {
  const version = connection.info?.version ?? '';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  const message = `the NATS server at ${servers} is version ${version || 'unknown'}, and ${OLDEST.join('.')} or newer is needed`;
  throw new WeftError('FAILED_PRECONDITION', message);
}

/** Waits until JetStream answers: in a cluster that starts, that is when it has elected a leader. */
async function checkJetStream(link: Link, servers: string, until: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await new JetStream(link).accountInfo(until);
      return;
    } catch (thrown) {
      const isSilent = thrown instanceof RequestFailure && thrown.kind === 'no-responders';
      if (isSilent && !link.connection.info?.jetstream) {
        const message = `the NATS server at ${servers} runs without JetStream: start it with -js, or with a jetstream section in its configuration`;
        throw new WeftError('FAILED_PRECONDITION', message, { cause: thrown });
      }
      const { kind = undefined } = thrown instanceof RequestFailure ? thrown : {};
      if (kind === 'denied') throw new WeftError('PERMISSION_DENIED', reasonOf(thrown), { cause: thrown });
      if (until.aborted || !(isTransient(thrown) || kind === 'aborted')) {
        const said = thrown instanceof ApiError ? thrown.message : 'it did not answer';
        const message = `JetStream of the NATS server at ${servers} cannot be used: ${said}`;
        throw new WeftError('UNAVAILABLE', message, { cause: thrown });
      }
      await delay(PAUSE_MS);
    }
  }
}

function dialError(thrown: unknown, servers: string, timeoutMs: number): WeftError {
  if (thrown instanceof errors.AuthorizationError) {
    const message = `the NATS server at ${servers} refused the credentials: ${reasonOf(thrown)}`;
    return new WeftError('UNAUTHENTICATED', message, { cause: thrown });
  }
  const message = `no NATS server answered at ${servers} within ${timeoutMs} ms: is it running? (${reasonOf(thrown)})`;
  return new WeftError('UNAVAILABLE', message, { cause: thrown });
}

/** Connects, and checks that the server can carry the bus. Throws `WeftError`. */
export async function openLink(options: NatsBusOptions, log: BusLog): Promise<Link> {
  const targets = options.servers.map(parseServer);
  if (targets.length === 0)
    throw new WeftError('INVALID_ARGUMENT', 'no NATS server was given: give at least one address');
  const servers = targets.map(({ address }) => address).join(', ');
  const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
  const late = AbortSignal.timeout(timeoutMs);
  const until = options.signal ? AbortSignal.any([late, options.signal]) : late;
  let connection: NatsConnection;
  try {
    connection = await dial(connectionOptions(options, targets), until);
  } catch (thrown) {
    if (options.signal?.aborted) throw new WeftError('CANCELLED', 'opening the bus was called off');
    throw dialError(thrown, servers, timeoutMs);
  }
  const link = new Link(connection, servers, options.inboxPrefix, log);
  try {
    checkVersion(connection, servers);
    await checkJetStream(link, servers, until);
    return link;
  } catch (thrown) {
    await link.close();
    if (options.signal?.aborted) throw new WeftError('CANCELLED', 'opening the bus was called off');
    throw thrown instanceof WeftError ? thrown : toFailure(thrown, servers);
  }
}
