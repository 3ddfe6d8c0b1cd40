import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WeftError } from '@weft/contracts/error';
import { connect, fixedTls, listen, memoryStreamPair, rawService } from './index.ts';
import { clientOptions, createGround, eventually } from './testing.ts';
import type { RawStream } from './types.ts';

const PATH = '/weft.test.v1.Streams/Open';
const MIB = 1024 * 1024;

interface Pair {
  readonly client: RawStream;
  readonly server: RawStream;
  close(): Promise<void>;
}

/** Both implementations of a stream; what follows holds for each. */
const PAIRS: Readonly<Record<string, (signal?: AbortSignal) => Promise<Pair>>> = {
  memory: async () => {
    const [client, server] = memoryStreamPair();
    return { client, server, close: async () => client.end(new WeftError('CANCELLED', 'the test is over')) };
  },
  'gRPC with TLS': (signal) => overGrpc(true, signal),
  'gRPC in the clear': (signal) => overGrpc(false, signal),
};

async function overGrpc(isSecure: boolean, signal?: AbortSignal): Promise<Pair> {
  const ground = createGround();
  const opened = Promise.withResolvers<RawStream>();
  const service = rawService({ [PATH]: (stream) => opened.resolve(stream) });
  const tls = isSecure ? { tls: fixedTls(ground.server) } : {};
  const running = await listen({ address: '127.0.0.1:0', services: [service], ...tls });
  const options = isSecure ? clientOptions(ground.client, running.address) : { addresses: [running.address] };
  const channel = connect(options);
  const client = channel.raw(PATH, signal ? { signal } : {});
  return {
    client,
    server: await opened.promise,
    async close() {
      channel.close();
      await running.close();
    },
  };
}

async function collect(stream: RawStream): Promise<string[]> {
  const texts: string[] = [];
  for await (const message of stream.messages) texts.push(message.toString());
  return texts;
}

/** Sends until told that the far side is slow; gives how many bytes that took. */
function fill(stream: RawStream, message: Buffer): number {
  let bytes = message.length;
  while (stream.send(message)) bytes += message.length;
  return bytes;
}

for (const [name, open] of Object.entries(PAIRS)) {
  describe(`a stream over ${name}`, () => {
    test('carries messages both ways, in order', async () => {
      const { client, server, close } = await open();
      for (const text of ['a', '', 'c']) client.send(Buffer.from(text));
      client.end();
      assert.deepEqual(await collect(server), ['a', '', 'c']);
      for (const text of ['x', 'y']) server.send(Buffer.from(text));
      server.end();
      assert.deepEqual(await collect(client), ['x', 'y']);
      await eventually('both to be over', () => client.signal.aborted && server.signal.aborted);
      await close();
    });

    test('carries a message of 16 MiB, and refuses a larger one', async () => {
      const { client, server, close } = await open();
      const large = Buffer.alloc(16 * MIB, 7);
      server.send(large);
      for await (const message of client.messages) {
        assert.ok(message.equals(large));
        break;
      }
      server.send(Buffer.alloc(16 * MIB + 1));
      await assert.rejects(collect(client), { code: 'RESOURCE_EXHAUSTED' });
      await close();
    });

    test('ends the client with the error that the server ended with', async () => {
      const { client, server, close } = await open();
      server.send(Buffer.from('first'));
      server.end(new WeftError('FAILED_PRECONDITION', 'not now, 100 % sure – später'));
      const seen: string[] = [];
      const reading = (async () => {
        for await (const message of client.messages) seen.push(message.toString());
      })();
      await assert.rejects(reading, { code: 'FAILED_PRECONDITION', message: 'not now, 100 % sure – später' });
      assert.deepEqual(seen, ['first']);
      await eventually('the client to be over', () => client.signal.aborted);
      await close();
    });

    test('tells the server that its client has cancelled', async () => {
      const { client, server, close } = await open();
      client.end(new WeftError('CANCELLED', 'enough'));
      await assert.rejects(collect(server), { code: 'CANCELLED' });
      await eventually('the server to be over', () => server.signal.aborted);
      assert.equal(client.send(Buffer.from('too late')), false);
      await close();
    });

    test('lets the server go on after the client has sent all', async () => {
      const { client, server, close } = await open();
      client.end();
      assert.deepEqual(await collect(server), []);
      assert.equal(server.signal.aborted, false);
      server.send(Buffer.from('still here'));
      server.end();
      assert.deepEqual(await collect(client), ['still here']);
      await close();
    });

    test('tells both that it is over when only the server has ended', async () => {
      const { client, server, close } = await open();
      server.end();
      assert.deepEqual(await collect(client), []);
      await eventually('both to be over', () => client.signal.aborted && server.signal.aborted);
      assert.deepEqual(await collect(server), []);
      await close();
    });

    for (const direction of ['up', 'down'] as const) {
      test(`holds back a sender whose reader is slow (${direction})`, async () => {
        const { client, server, close } = await open();
        const [sender, reader] = direction === 'up' ? [client, server] : [server, client];
        const message = Buffer.alloc(10_000, 1);
        let sent = 0;
        let isDrained = true;
        // As long as drained answers soon there is room somewhere on the way.
        while (isDrained && sent < 64 * MIB) {
          sent += fill(sender, message);
          isDrained = await Promise.race([sender.drained().then(() => true), delay(300, false)]);
        }
        assert.ok(sent < 16 * MIB, `${sent} bytes went out unread`);
        let read = 0;
        for await (const part of reader.messages) {
          read += part.length;
          if (read === sent) break;
        }
        await sender.drained();
        sender.end();
        await close();
      });

      test(`ends rather than grow when a sender does not wait (${direction})`, async () => {
        const { client, server, close } = await open();
        const sender = direction === 'up' ? client : server;
        const message = Buffer.alloc(MIB, 1);
        for (let i = 0; i < 200; i += 1) sender.send(message);
        await eventually('the sender to be over', () => sender.signal.aborted || !sender.send(message));
        await close();
      });
    }

    test('lets nobody wait for a stream that is over', async () => {
      const { client, server, close } = await open();
      fill(server, Buffer.alloc(100_000));
      const waiting = server.drained();
      client.end(new WeftError('CANCELLED', 'gone'));
      await waiting;
      await eventually('the server to be over', () => server.signal.aborted);
      await server.drained();
      assert.equal(server.send(Buffer.from('x')), false);
      await close();
    });
  });
}

for (const name of ['gRPC with TLS', 'gRPC in the clear']) {
  test(`a stream over ${name} is cancelled by its signal`, async () => {
    const controller = new AbortController();
    const pair = await PAIRS[name]?.(controller.signal);
    assert.ok(pair);
    controller.abort();
    await assert.rejects(collect(pair.client), { code: 'CANCELLED' });
    await assert.rejects(collect(pair.server), { code: 'CANCELLED' });
    await pair.close();
  });
}
