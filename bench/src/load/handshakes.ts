/** TLS handshakes one after the other, each with one small request, so that the server has said yes to the client. */
import { type ConnectionOptions, connect, createSecureContext } from 'node:tls';
import { type Counted, Meter, type Window } from './meter.ts';

export interface Handshakes {
  readonly port: number;
  /** At a time. */
  readonly connections: number;
  readonly rootsPem: string;
  /** What the client presents; left out: nothing. */
  readonly client?: { readonly certPem: string; readonly keyPem: string };
  /** Whether each handshake offers the session of one before. */
  readonly resumes: boolean;
}

export interface HandshakesCounted extends Counted {
  /** 0 to 1: how many of the handshakes were resumed. */
  readonly resumedShare: number;
}

const REQUEST = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

interface Shaken {
  readonly isResumed: boolean;
}

function shake(options: ConnectionOptions, onSession?: (session: Buffer) => void): Promise<Shaken> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(options);
    if (onSession) socket.on('session', onSession);
    socket.on('error', reject);
    socket.on('secureConnect', () => socket.write(REQUEST));
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      if (!answer.endsWith('\r\n\r\n')) return;
      if (answer.startsWith('HTTP/1.1 200')) resolve({ isResumed: socket.isSessionReused() });
      else reject(new Error(`after the handshake there was no 200: ${JSON.stringify(answer.slice(0, 200))}`));
      socket.end();
    });
    socket.on('close', () => reject(new Error('the connection was closed before there was an answer')));
  });
}

/** Rejects where a handshake failed, or the request after it. */
export async function runHandshakes(load: Handshakes & Window): Promise<HandshakesCounted> {
  const { port, rootsPem, client, resumes } = load;
  const secureContext = createSecureContext({
    ca: rootsPem,
    minVersion: 'TLSv1.3',
    ...(client && { cert: client.certPem, key: client.keyPem }),
  });
  // Names are those of SPIFFE, which the mesh's own proxies check; here the chain is enough.
  const base = {
    port,
    host: '127.0.0.1',
    secureContext,
    servername: 'server.mesh',
    checkServerIdentity: () => undefined,
  };
  const meter = new Meter();
  let all = 0;
  let resumed = 0;
  let isOver = false;
  const chain = async (): Promise<void> => {
    let session: Buffer | undefined;
    const keep = (given: Buffer) => {
      session = given;
    };
    while (!isOver) {
      const startedMs = performance.now();
      const options = resumes && session ? { ...base, session } : base;
      const { isResumed } = await shake(options, resumes ? keep : undefined);
      meter.completed(startedMs);
      all++;
      if (isResumed) resumed++;
    }
  };
  const chains = Array.from({ length: load.connections }, () =>
    chain().catch((error: Error) => meter.fail(`a handshake failed: ${error.message}`)),
  );
  try {
    const counted = await meter.count(load);
    return { ...counted, resumedShare: resumed / all };
  } finally {
    isOver = true;
    await Promise.all(chains);
  }
}
