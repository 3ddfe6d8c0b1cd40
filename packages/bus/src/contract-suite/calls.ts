import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { WeftError } from '@weft/contracts/error';
import { callContract, eventContract, type Note, type OpenGround, onGround } from './ground.ts';

const never = (): Promise<Note> => new Promise(() => undefined);

/** What the doc comments of `Bus` promise of calls. */
export function callSuite(open: OpenGround): void {
  onGround(open, 'a call is answered by the one that serves it', async ({ bus, other }, signal) => {
    const contract = callContract();
    await bus.serve(contract, async ({ text }) => ({ text: `${text}!` }), signal);
    assert.deepEqual(await bus.call(contract, { text: 'ä' }), { text: 'ä!' });
    assert.deepEqual(await (await other()).call(contract, { text: '' }), { text: '!' });
  });

  onGround(
    open,
    'several that serve share the calls, and each call is answered once',
    async ({ bus, other }, signal) => {
      const contract = callContract();
      const answered = [0, 0, 0];
      const buses = [bus, await other(), await other()];
      for (const [index, server] of buses.entries()) {
        await server.serve(
          contract,
          async ({ text }) => {
            answered[index] = (answered[index] ?? 0) + 1;
            return { text };
          },
          signal,
        );
      }
      // On several nodes it takes a moment until each knows of the servers at the others.
      const all = Array.from({ length: 200 }, (_, index) => bus.call(contract, { text: `${index}` }));
      const texts = (await Promise.all(all)).map(({ text }) => text);
      assert.deepEqual(
        texts,
        all.map((_, index) => `${index}`),
      );
      assert.equal(
        answered.reduce((sum, count) => sum + count, 0),
        200,
      );
      assert.ok(Math.max(...answered) < 200, `shared as ${answered.join(', ')}`);
    },
  );

  onGround(open, 'a call waits for a server to appear', async ({ bus, other }, signal) => {
    const contract = callContract();
    const answer = (await other()).call(contract, { text: 'a' }, { timeoutMs: 20_000 });
    await delay(300);
    await bus.serve(contract, async () => ({ text: 'late' }), signal);
    assert.deepEqual(await answer, { text: 'late' });
  });
}

/** What the doc comments of `Bus` promise of calls that fail. */
export function callErrorSuite(open: OpenGround): void {
  onGround(open, 'a call that nobody serves is UNAVAILABLE and names the call', async ({ bus }) => {
    const contract = callContract();
    const expected = {
      name: 'WeftError',
      code: 'UNAVAILABLE',
      message: new RegExp(`served the call ${contract.name}`),
    };
    await assert.rejects(bus.call(contract, { text: '' }, { timeoutMs: 1000 }), expected);
  });

  onGround(
    open,
    'a call that is not answered in time is DEADLINE_EXCEEDED, and the handler is told',
    async (ground, signal) => {
      const contract = callContract();
      const told = Promise.withResolvers<void>();
      const handler = (_: Note, callSignal: AbortSignal): Promise<Note> => {
        callSignal.addEventListener('abort', () => told.resolve());
        return never();
      };
      await ground.bus.serve(contract, handler, signal);
      const expected = { code: 'DEADLINE_EXCEEDED', message: new RegExp(`call ${contract.name} was not answered`) };
      await assert.rejects(ground.bus.call(contract, { text: '' }, { timeoutMs: 200 }), expected);
      await told.promise;
    },
  );

  onGround(open, 'a call whose caller aborts is CANCELLED', async ({ bus }, signal) => {
    const contract = callContract();
    await bus.serve(contract, never, signal);
    const abort = new AbortController();
    const call = bus.call(contract, { text: '' }, { signal: abort.signal });
    setTimeout(() => abort.abort(), 30);
    await assert.rejects(call, { name: 'WeftError', code: 'CANCELLED' });
    await assert.rejects(bus.call(contract, { text: '' }, { signal: abort.signal }), { code: 'CANCELLED' });
  });

  onGround(
    open,
    'what the handler throws reaches the caller with its code and message',
    async ({ bus, other }, signal) => {
      const contract = callContract();
      const message = 'no such token:\r\n  "ä"; 100 %\u0000';
      const handler = async ({ text }: Note): Promise<Note> => {
        if (text === 'weft') throw new WeftError('NOT_FOUND', message);
        throw new TypeError('a defect');
      };
      await bus.serve(contract, handler, signal);
      const caller = await other();
      await assert.rejects(caller.call(contract, { text: 'weft' }), { name: 'WeftError', code: 'NOT_FOUND', message });
      const internal = { name: 'WeftError', code: 'INTERNAL', message: 'a defect' };
      await assert.rejects(caller.call(contract, { text: '' }), internal);
    },
  );

  onGround(open, 'requests and answers over the limit are RESOURCE_EXHAUSTED', async ({ bus, limitBytes }, signal) => {
    const contract = callContract();
    const handler = async ({ text }: Note): Promise<Note> => ({
      text: text === 'big' ? 'x'.repeat(limitBytes + 1) : text,
    });
    await bus.serve(contract, handler, signal);
    const large = 'x'.repeat(limitBytes - 4096);
    assert.equal((await bus.call(contract, { text: large })).text.length, large.length);
    for (const text of ['big', 'x'.repeat(limitBytes + 1)]) {
      await assert.rejects(bus.call(contract, { text }), { code: 'RESOURCE_EXHAUSTED', message: /bytes/ });
    }
  });
}

/** What the doc comments of `Bus` promise of the end of serving. */
export function serveSuite(open: OpenGround): void {
  onGround(
    open,
    'one that stops serving gets no more calls, and finishes those it has',
    async ({ bus, other }, signal) => {
      const contract = callContract();
      const stop = new AbortController();
      const begun = Promise.withResolvers<void>();
      const finish = Promise.withResolvers<void>();
      const first = async (): Promise<Note> => {
        begun.resolve();
        await finish.promise;
        return { text: 'first' };
      };
      await bus.serve(contract, first, stop.signal);
      const running = (await other()).call(contract, { text: '' }, { timeoutMs: 30_000 });
      await begun.promise;
      stop.abort();
      await (await other()).serve(contract, async () => ({ text: 'second' }), signal);
      for (let index = 0; index < 10; index++) {
        assert.deepEqual(await bus.call(contract, { text: '' }), { text: 'second' });
      }
      finish.resolve();
      assert.deepEqual(await running, { text: 'first' });
    },
  );

  onGround(open, 'serving with a signal that has aborted serves nothing', async ({ bus }) => {
    const contract = callContract();
    await bus.serve(contract, async () => ({ text: '' }), AbortSignal.abort());
    await assert.rejects(bus.call(contract, { text: '' }, { timeoutMs: 1000 }), { code: 'UNAVAILABLE' });
  });
}

/** What the doc comments of `Bus` promise of events. */
export function eventSuite(open: OpenGround): void {
  onGround(open, 'an event reaches all who listen, in order', async ({ bus, other }, signal) => {
    const contract = eventContract();
    const heard: string[][] = [[], [], []];
    const done = [0, 1, 2].map(() => Promise.withResolvers<void>());
    const listeners = [bus, bus, await other()];
    for (const [index, listener] of listeners.entries()) {
      const listen = ({ text }: Note): void => {
        if (text.startsWith('hello')) return;
        heard[index]?.push(text);
        if (text === '99') done[index]?.resolve();
      };
      await listener.subscribe(contract, listen, signal);
    }
    // On several nodes it takes a moment until each knows who listens at the others.
    const known = Promise.withResolvers<void>();
    await listeners[2]?.subscribe(contract, ({ text }) => text === 'hello' && known.resolve(), signal);
    const hello = setInterval(() => bus.publish(contract, { text: 'hello' }), 20);
    await known.promise.finally(() => clearInterval(hello));
    for (let index = 0; index < 100; index++) bus.publish(contract, { text: `${index}` });
    await Promise.all(done.map(({ promise }) => promise));
    const expected = Array.from({ length: 100 }, (_, index) => `${index}`);
    assert.deepEqual(heard, [expected, expected, expected]);
  });

  onGround(open, 'an event that nobody hears is no error, one over the limit is', async ({ bus, limitBytes }) => {
    bus.publish(eventContract(), { text: 'alone' });
    const large = { text: 'x'.repeat(limitBytes + 1) };
    assert.throws(() => bus.publish(eventContract(), large), { code: 'RESOURCE_EXHAUSTED' });
  });

  onGround(
    open,
    'one that stopped listening hears no more, and one that throws harms nobody',
    async ({ bus }, signal) => {
      const contract = eventContract();
      const stop = new AbortController();
      const heard: string[] = [];
      const last = Promise.withResolvers<void>();
      await bus.subscribe(contract, () => heard.push('stopped'), stop.signal);
      await bus.subscribe(contract, () => assert.fail('on purpose'), signal);
      await bus.subscribe(contract, () => last.resolve(), signal);
      stop.abort();
      bus.publish(contract, { text: 'a' });
      await last.promise;
      assert.deepEqual(heard, []);
    },
  );
}
