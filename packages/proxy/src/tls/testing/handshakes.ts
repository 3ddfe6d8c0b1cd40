/** Servers and clients of TLS for tests. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { type ConnectionOptions, type PeerCertificate, connect as tlsConnect } from 'node:tls';
import { systemClock } from '../../clock.ts';
import type { DownstreamTlsConfig } from '../../config/tls.ts';
import type { Counts } from '../../counts/cells.ts';
import { TlsStats } from '../../stats/groups.ts';
import { Warming } from '../../warming.ts';
import { DownstreamTls } from '../downstream.ts';
import { SecretStore } from '../secrets.ts';

const NO_SUBSCRIPTIONS = { watch: () => () => undefined, watchAll: () => () => undefined };

/** What became of a handshake, as both sides saw it. */
export interface Met {
  /** Why the server refused; '' where it did not. */
  readonly refusal: string;
  readonly isResumed: boolean;
  /** The subject of the certificate that the client was shown; undefined where it saw none. */
  readonly shown: PeerCertificate['subject'] | undefined;
  readonly cipher: string;
  /** To come back with. */
  readonly session: Buffer | undefined;
}

export interface TestServer {
  readonly port: number;
  readonly stats: TlsStats;
  meet(options?: ConnectionOptions): Promise<Met>;
}

/** Threads of one process have the same secret and counts. */
export interface ProcessParts {
  readonly ticketSecret?: Uint8Array;
  readonly counts?: Counts;
}

/** A server with that configuration, which says a word to each client that it lets in, and leaves. */
export async function startTls(
  test: TestContext,
  config: DownstreamTlsConfig,
  { ticketSecret, counts }: ProcessParts = {},
): Promise<TestServer> {
  const stats = new TlsStats();
  const warming = new Warming(systemClock, () => undefined);
  const secrets = new SecretStore(NO_SUBSCRIPTIONS, [], ticketSecret);
  const tls = new DownstreamTls({ config, secrets, warming, stats, clock: systemClock, counts });
  let end = Promise.withResolvers<string>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    tls.handshake(socket, {
      onSecure: (secure) => {
        secure.on('error', () => undefined);
        secure.end('hello');
        end.resolve('');
      },
      onFailed: (reason) => {
        socket.destroy();
        end.resolve(reason ?? 'it left');
      },
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  test.after(() => {
    server.close();
    tls.close();
  });
  const { port } = server.address() as AddressInfo;
  const meet = async (options: ConnectionOptions = {}): Promise<Met> => {
    end = Promise.withResolvers<string>();
    const client = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    const met = {
      isResumed: false,
      shown: undefined as Met['shown'],
      cipher: '',
      session: undefined as Buffer | undefined,
    };
    client.on('secureConnect', () => {
      met.isResumed = client.isSessionReused();
      met.cipher = client.getCipher().name;
      if (client.getProtocol() === 'TLSv1.2') met.session = client.getSession();
      met.shown = client.getPeerCertificate().subject;
    });
    client.on('session', (session: Buffer) => {
      met.session = session;
    });
    client.on('error', () => undefined);
    client.setTimeout(20_000, () => client.destroy());
    client.resume();
    await new Promise((resolve) => client.once('close', resolve));
    return { refusal: await end.promise, ...met };
  };
  return { port, stats, meet };
}
