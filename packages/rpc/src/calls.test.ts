import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WeftError } from '@weft/contracts/error';
import { Identity } from '@weft/contracts/node';
import { type Channel, connect, fixedTls, type GrpcServer, type Handlers, listen, rawService } from './index.ts';
import { clientOptions, createGround, eventually, identityService, meshInfo, REQUEST } from './testing.ts';
import type { ListenOptions } from './types.ts';

const ground = createGround();
const open: { readonly server: GrpcServer; readonly channel: Channel }[] = [];

async function serve(handlers: Partial<Handlers<typeof Identity>>, options: Partial<ListenOptions> = {}) {
  const tls = fixedTls(ground.server);
  const server = await listen({ address: '127.0.0.1:0', tls, services: [identityService(handlers)], ...options });
  const channel = connect(clientOptions(ground.client, server.address));
  open.push({ server, channel });
  return { server, channel, client: channel.client(Identity) };
}

after(async () => {
  for (const { server, channel } of open) {
    channel.close();
    await server.close();
  }
});

describe('an error of a handler', () => {
  test('reaches the caller with code, text and metadata', async () => {
    const { client } = await serve({
      renew: async () => {
        const metadata = { 'weft-conflict-bin': Buffer.from([0, 255, 7]), 'weft-reason': 'because' };
        throw new WeftError('FAILED_PRECONDITION', 'revision 7 by "anna" is newer', { metadata });
      },
    });
    await assert.rejects(client.renew(REQUEST), (error: WeftError) => {
      assert.equal(error.code, 'FAILED_PRECONDITION');
      assert.equal(error.message, 'revision 7 by "anna" is newer');
      assert.deepEqual(Buffer.from(error.metadata['weft-conflict-bin'] ?? ''), Buffer.from([0, 255, 7]));
      assert.equal(error.metadata['weft-reason'], 'because');
      assert.equal(error.retryable, false);
      return true;
    });
  });

  test('that is a fault of the program is told to the server alone', async () => {
    const faults: unknown[] = [];
    const onFault = (thrown: unknown, path: string): number => faults.push(`${path}: ${thrown}`);
    const { client } = await serve(
      {
        renew: async () => {
          throw new TypeError('password is hunter2');
        },
        watchMesh: async function* () {
          yield meshInfo('one');
          throw new RangeError('a secret too');
        },
      },
      { onFault },
    );
    await assert.rejects(client.renew(REQUEST), (error: WeftError) => {
      assert.equal(error.code, 'INTERNAL');
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
    await assert.rejects(Array.fromAsync(client.watchMesh({})), { code: 'INTERNAL' });
    assert.deepEqual(faults, [
      '/weft.node.v1.Identity/Renew: TypeError: password is hunter2',
      '/weft.node.v1.Identity/WatchMesh: RangeError: a secret too',
    ]);
  });

  test('with a text that no header can hold does no harm', async () => {
    const { client } = await serve({
      renew: async () => {
        throw new WeftError('NOT_FOUND', `half a character \ud800, a line end \n, and length ${'x'.repeat(100_000)}`);
      },
    });
    await assert.rejects(client.renew(REQUEST), (error: WeftError) => {
      assert.equal(error.code, 'NOT_FOUND');
      assert.match(error.message, /^half a character \ufffd, a line end \n, and length x+$/);
      return true;
    });
  });

  test('of a raw handler that throws at once ends its stream', async () => {
    const path = '/weft.test.v1.Streams/Throws';
    const handler = (): never => {
      throw new WeftError('PERMISSION_DENIED', 'not you');
    };
    const { channel } = await serve({}, { services: [rawService({ [path]: handler })] });
    await assert.rejects(Array.fromAsync(channel.raw(path).messages), {
      code: 'PERMISSION_DENIED',
      message: 'not you',
    });
  });
});

describe('a call', () => {
  test('of a method that nobody serves is UNIMPLEMENTED', async () => {
    const { client } = await serve({}, { services: [rawService({ '/some.Other/Method': (stream) => stream.end() })] });
    await assert.rejects(client.renew(REQUEST), { code: 'UNIMPLEMENTED' });
  });

  test('with a request that cannot be read is INVALID_ARGUMENT', async () => {
    const { channel } = await serve({});
    const stream = channel.raw(Identity.renew.path);
    stream.send(Buffer.from([0x0a, 0x7f, 1]));
    stream.end();
    await assert.rejects(Array.fromAsync(stream.messages), { code: 'INVALID_ARGUMENT', message: /cannot be read/ });
  });

  test('that is not answered in time is DEADLINE_EXCEEDED on both sides', async () => {
    let isOver = false;
    const { client } = await serve({
      renew: (_request, call) =>
        new Promise((_resolve, reject) => {
          call.signal.addEventListener('abort', () => {
            isOver = true;
            reject(call.signal.reason);
          });
        }),
    });
    await assert.rejects(client.renew(REQUEST, { timeoutMs: 150 }), { code: 'DEADLINE_EXCEEDED', message: /150 ms/ });
    await eventually('the handler to be told', () => isOver);
  });

  test('that is cancelled is told to its handler', async () => {
    let isOver = false;
    const began = Promise.withResolvers<void>();
    const { client } = await serve({
      renew: (_request, call) =>
        new Promise((_resolve, reject) => {
          began.resolve();
          call.signal.addEventListener('abort', () => {
            isOver = true;
            reject(call.signal.reason);
          });
        }),
    });
    const controller = new AbortController();
    const call = client.renew(REQUEST, { signal: controller.signal });
    await began.promise;
    controller.abort();
    await assert.rejects(call, { code: 'CANCELLED' });
    await eventually('the handler to be told', () => isOver);
  });

  test('that is cancelled before it began never begins', async () => {
    let calls = 0;
    const { client } = await serve({
      renew: async () => {
        calls += 1;
        throw new WeftError('INTERNAL', 'was called');
      },
    });
    await assert.rejects(client.renew(REQUEST, { signal: AbortSignal.abort() }), { code: 'CANCELLED' });
    assert.equal(calls, 0);
  });

  test('sends its bearer token, which the server can judge', async () => {
    const authorize: ListenOptions['authorize'] = (call, path) => {
      if (call.metadata('authorization') !== 'Bearer right') throw new WeftError('PERMISSION_DENIED', `no ${path}`);
    };
    const server = await listen({ address: '127.0.0.1:0', services: [identityService()], authorize });
    for (const [bearerToken, code] of [
      ['right', undefined],
      ['wrong', 'PERMISSION_DENIED'],
    ] as const) {
      const channel = connect({ addresses: [server.address], bearerToken });
      open.push({ server, channel });
      const result = channel.client(Identity).renew(REQUEST);
      if (code) await assert.rejects(result, { code });
      else await result;
    }
  });
});

describe('a watch', () => {
  test('that its caller leaves ends its handler', async () => {
    let isLeft = false;
    const { client } = await serve({
      watchMesh: async function* (_request, call) {
        try {
          for (let i = 1; ; i += 1) {
            yield meshInfo(`m${i}`);
            await delay(5, undefined, { signal: call.signal });
          }
        } finally {
          isLeft = true;
        }
      },
    });
    for await (const info of client.watchMesh({})) if (info.trustDomain === 'm3') break;
    await eventually('the handler to end', () => isLeft);
  });

  test('that nobody reads is held back', async () => {
    let sent = 0;
    const roots = ['x'.repeat(10_000)];
    const { client } = await serve({
      watchMesh: async function* () {
        for (;;) {
          sent += 10_000;
          yield { ...meshInfo('big'), roots };
        }
      },
    });
    const iterator = client.watchMesh({})[Symbol.asyncIterator]();
    await iterator.next();
    let before = -1;
    while (before !== sent) {
      before = sent;
      await delay(200);
    }
    assert.ok(sent < 16 * 1024 * 1024, `${sent} bytes were sent unread`);
    await iterator.next();
    await iterator.return?.();
  });

  test('with a timeout ends as DEADLINE_EXCEEDED', async () => {
    const { client } = await serve({
      watchMesh: async function* (_request, call) {
        yield meshInfo('one');
        await delay(60_000, undefined, { signal: call.signal }).catch(() => undefined);
      },
    });
    await assert.rejects(Array.fromAsync(client.watchMesh({}, { timeoutMs: 200 })), { code: 'DEADLINE_EXCEEDED' });
  });
});
