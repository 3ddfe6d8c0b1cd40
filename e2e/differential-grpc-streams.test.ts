/**
 * Streams of gRPC between a client and a server that others wrote, through both data planes: what both sides see of
 * messages, metadata, statuses, deadlines and of a side that leaves is the same.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import {
  Client,
  credentials,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { DATA_PLANES, freePort } from './harness.ts';
import { makeCredentials, writeCertificates } from './proxy-testing/certificates.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { startPlane } from './proxy-testing/plane.ts';

const PATH = '/shop.Grpc/Talk';
const asIs = (bytes: Buffer): Buffer => bytes;
const METHOD: MethodDefinition<Buffer, Buffer> = {
  path: PATH,
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
};

const BINARY = Buffer.from([0, 255, 128, 10]);
const digest = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex');

type Call = ServerDuplexStream<Buffer, Buffer>;

/** How the server leads the conversation that the client names; it notes how those end that are broken off. */
const TALKS: Readonly<Record<string, (call: Call, ended: (how: string) => void) => void>> = {
  echo(call) {
    const sent = new Metadata();
    sent.set('x-got-bin', call.metadata.get('x-data-bin')[0] ?? Buffer.alloc(0));
    call.sendMetadata(sent);
    call.on('data', (message: Buffer) => call.write(Buffer.from(digest(message))));
    call.on('end', () => {
      const trailers = new Metadata();
      trailers.set('x-end-bin', BINARY);
      call.end(trailers);
    });
  },
  count(call) {
    let bytes = 0;
    call.on('data', (message: Buffer) => {
      bytes += message.length;
    });
    call.on('end', () => {
      call.write(Buffer.from(String(bytes)));
      call.end();
    });
  },
  many(call) {
    for (let count = 0; count < 200; count++) call.write(Buffer.from(`message ${count} ${'x'.repeat(count * 10)}`));
    call.end();
  },
  large(call) {
    call.write(Buffer.alloc(3_000_000, 'large'));
    call.end();
  },
  fail(call) {
    call.write(Buffer.from('before it fails'));
    call.emit('error', { code: status.FAILED_PRECONDITION, details: 'not now: 100 % of "it" – é' });
  },
  'fail at once'(call) {
    call.emit('error', { code: status.NOT_FOUND, details: 'nobody' });
  },
  silent(call, ended) {
    call.write(Buffer.from('begun'));
    call.on('cancelled', () => ended('cancelled'));
  },
};

interface Upstream {
  readonly port: number;
  /** How conversations ended that were broken off, once one was. */
  ended(): Promise<string>;
}

async function startServer(t: TestContext): Promise<Upstream> {
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  let end = Promise.withResolvers<string>();
  server.addService(
    { talk: METHOD },
    {
      talk(call: Call) {
        const name = String(call.metadata.get('x-talk')[0]);
        TALKS[name]?.(call, (how) => end.resolve(how));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  t.after(() => server.forceShutdown());
  return {
    port,
    async ended() {
      const how = await end.promise;
      end = Promise.withResolvers();
      return how;
    },
  };
}

interface Said {
  readonly talk: string;
  readonly messages?: readonly Buffer[];
  readonly deadlineMs?: number;
  /** Leaves after the first message. */
  readonly leaves?: boolean;
}

/** What the client sees of one conversation. */
interface Seen {
  readonly head: readonly unknown[];
  readonly got: readonly string[];
  readonly code: status;
  readonly details: string;
  readonly end: readonly unknown[];
}

function converse(client: Client, { talk, messages = [], deadlineMs, leaves }: Said): Promise<Seen> {
  const metadata = new Metadata();
  metadata.set('x-talk', talk);
  metadata.set('x-data-bin', BINARY);
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  const call = client.makeBidiStreamRequest(PATH, asIs, asIs, metadata, options);
  const got: string[] = [];
  let head: readonly unknown[] = [];
  return new Promise((resolve) => {
    call.on('metadata', (sent) => {
      head = sent.get('x-got-bin');
    });
    call.on('data', (message: Buffer) => {
      got.push(message.length > 100 ? digest(message) : message.toString());
      if (leaves) call.cancel();
    });
    call.on('error', () => undefined);
    call.on('status', ({ code, details, metadata: trailers }: StatusObject) => {
      resolve({ head, got, code, details, end: trailers.get('x-end-bin') });
    });
    for (const message of messages) call.write(message);
    if (!leaves && deadlineMs === undefined) call.end();
  });
}

const CASES: readonly (Said & { readonly code: status; readonly answers: number })[] = [
  {
    talk: 'echo',
    messages: [Buffer.from('a'), Buffer.alloc(0), randomBytes(70_000), randomBytes(2_000_000)],
    code: status.OK,
    answers: 4,
  },
  {
    talk: 'count',
    messages: Array.from({ length: 300 }, (_, index) => Buffer.alloc(index * 7)),
    code: status.OK,
    answers: 1,
  },
  { talk: 'many', code: status.OK, answers: 200 },
  { talk: 'large', code: status.OK, answers: 1 },
  { talk: 'fail', code: status.FAILED_PRECONDITION, answers: 1 },
  { talk: 'fail at once', code: status.NOT_FOUND, answers: 0 },
];

test('streams of gRPC are the same through both data planes', { timeout: 120_000 }, async (t) => {
  const upstream = await startServer(t);
  const dead = await freePort();
  const ports = { 10081: dead, 10082: upstream.port, 10083: dead, 10089: dead };
  const made = makeCredentials();
  const clients = await Promise.all(
    DATA_PLANES.map(async (dataPlane) => {
      const folder = temporaryFolder(t);
      writeCertificates(folder, made);
      const plane = await startPlane(t, { dataPlane, bootstrap: 'http2-translation.yaml', folder, ports });
      return new Client(`127.0.0.1:${plane.port('clear')}`, credentials.createInsecure());
    }),
  );
  const [weft, envoy] = clients;
  t.after(() => {
    for (const client of clients) client.close();
  });
  if (!weft || !envoy) throw new Error('there are two data planes');
  for (const said of CASES) {
    const seen = await converse(weft, said);
    assert.deepEqual(seen, await converse(envoy, said), said.talk);
    assert.equal(seen.code, said.code, said.talk);
    assert.equal(seen.got.length, said.answers, said.talk);
  }
  for (const client of [weft, envoy]) {
    const left = await converse(client, { talk: 'silent', leaves: true });
    assert.equal(left.code, status.CANCELLED);
    assert.equal(await upstream.ended(), 'cancelled');
    // Client and server hold the deadline both: the client's own end, or the server's reset, comes first.
    const late = await converse(client, { talk: 'silent', deadlineMs: 300 });
    assert.ok([status.DEADLINE_EXCEEDED, status.INTERNAL].includes(late.code), late.details);
    assert.deepEqual(late.got, ['begun']);
    assert.equal(await upstream.ended(), 'cancelled');
  }
});
