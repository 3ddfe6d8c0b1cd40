/** Other people's gRPC at the other end: @grpc/grpc-js as a client of our server, and as a server of our client. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { Identity, JoinResponse } from '@weft/contracts/node';
import { connect, fixedTls, listen } from './index.ts';
import { ANSWER, clientOptions, createGround, ECHO, echoService, identityService, REQUEST } from './testing.ts';

const ground = createGround();
const identity = (bytes: Buffer): Buffer => bytes;
const cleanup: (() => unknown)[] = [];
after(async () => {
  for (const clean of cleanup.reverse()) await clean();
});

async function grpcJsClient(options: object = {}): Promise<Client> {
  const services = [identityService(), echoService()];
  const server = await listen({ address: '127.0.0.1:0', tls: fixedTls(ground.server), services });
  const { chainPem, keyPem, rootsPem } = ground.client;
  const buffers = [rootsPem.join(''), keyPem, chainPem].map((pem) => Buffer.from(pem));
  const creds = credentials.createSsl(...(buffers as [Buffer, Buffer, Buffer]), {
    checkServerIdentity: () => undefined,
  });
  // On Node 26 this client refuses to name an IP address to a TLS server.
  const client = new Client(server.address, creds, { 'grpc.ssl_target_name_override': 'weft', ...options });
  cleanup.push(
    () => server.close(),
    () => client.close(),
  );
  return client;
}

describe('a client of @grpc/grpc-js', () => {
  test('calls our server over mutual TLS', async () => {
    const client = await grpcJsClient();
    const response = await new Promise<Buffer>((resolve, reject) => {
      const request = Identity.renew.request.encode(REQUEST);
      client.makeUnaryRequest(Identity.renew.path, identity, identity, request, (error, value) => {
        if (value) resolve(value);
        else reject(error);
      });
    });
    assert.deepEqual(JoinResponse.decode(response), ANSWER);
  });

  test('streams both ways, compressed where it likes', async () => {
    const client = await grpcJsClient({ 'grpc.default_compression_algorithm': 2 });
    const stream = client.makeBidiStreamRequest(ECHO, identity, identity, new Metadata());
    const sent = Array.from({ length: 50 }, (_, i) => 'x'.repeat(i * 100));
    for (const text of sent) stream.write(Buffer.from(text));
    stream.end();
    const received: string[] = [];
    for await (const message of stream) received.push(String(message));
    assert.deepEqual(received, sent);
  });

  test('is told of a refusal', async () => {
    const client = await grpcJsClient();
    const code = await new Promise<number | undefined>((resolve) => {
      client.makeUnaryRequest('/no.Such/Method', identity, identity, Buffer.alloc(0), (error) => resolve(error?.code));
    });
    assert.equal(code, 12);
  });
});

describe('a server of @grpc/grpc-js', () => {
  type Unary = ServerUnaryCall<Buffer, Buffer>;

  async function serve(register: (server: Server) => void): Promise<string> {
    const server = new Server();
    register(server);
    const { chainPem, keyPem, rootsPem } = ground.server;
    const pair = { private_key: Buffer.from(keyPem), cert_chain: Buffer.from(chainPem) };
    const creds = ServerCredentials.createSsl(Buffer.from(rootsPem.join('')), [pair], true);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', creds, (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    cleanup.push(() => server.forceShutdown());
    return `127.0.0.1:${port}`;
  }

  test('answers our client', async () => {
    const address = await serve((server) => {
      const renew = (_call: Unary, callback: sendUnaryData<Buffer>): void =>
        callback(null, JoinResponse.encode(ANSWER));
      server.register(Identity.renew.path, renew, identity, identity, 'unary');
    });
    const channel = connect(clientOptions(ground.client, address));
    assert.deepEqual(await channel.client(Identity).renew(REQUEST), ANSWER);
    channel.close();
  });

  test('refuses our client with a status and metadata', async () => {
    const address = await serve((server) => {
      const renew = (_call: Unary, callback: sendUnaryData<Buffer>): void => {
        const metadata = new Metadata();
        metadata.set('reason-bin', Buffer.from([1, 2, 0]));
        callback({ code: 9, details: 'ä ö ü % "', metadata });
      };
      server.register(Identity.renew.path, renew, identity, identity, 'unary');
    });
    const channel = connect(clientOptions(ground.client, address));
    await assert.rejects(channel.client(Identity).renew(REQUEST), {
      code: 'FAILED_PRECONDITION',
      message: 'ä ö ü % "',
      metadata: { 'reason-bin': Buffer.from([1, 2, 0]) },
    });
    channel.close();
  });

  test('streams with our client, and ends while it still sends', async () => {
    const address = await serve((server) => {
      const handle = (call: ServerDuplexStream<Buffer, Buffer>): void => {
        call.on('data', (message: Buffer) => {
          call.write(message);
          if (message.toString() === 'last') call.end();
        });
      };
      server.register(ECHO, handle, identity, identity, 'bidi');
    });
    const channel = connect(clientOptions(ground.client, address));
    const stream = channel.raw(ECHO);
    for (const text of ['first', 'last']) stream.send(Buffer.from(text));
    const received = await Array.fromAsync(stream.messages, String);
    assert.deepEqual(received, ['first', 'last']);
    channel.close();
  });
});
