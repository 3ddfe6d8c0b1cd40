/** What both data planes count and log while things fail: each case must move the same counters by as much. */
import assert from 'node:assert/strict';
import { createConnection } from 'node:net';
import { test } from 'node:test';
import { until } from './harness.ts';
import { logLines, type Side, startPair } from './proxy-testing/pair.ts';
import { send } from './proxy-testing/raw-client.ts';
import { answer } from './proxy-testing/recording-upstream.ts';

/** Requests of one connection each, or what a client of the listener `tcp` sends. */
interface CountCase {
  readonly name: string;
  readonly path?: string;
  readonly fields?: readonly string[];
  readonly body?: string;
  /** The client leaves without an answer. */
  readonly leaves?: boolean;
  readonly tcp?: string;
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n';

const CASES: readonly CountCase[] = [
  { name: 'an answer', path: '/one' },
  { name: 'an answer that is the last', path: '/one', fields: [answer(`${OK}connection: close\r\n\r\nok`, 'close')] },
  { name: 'an answer to its end', path: '/one', fields: [answer('HTTP/1.1 200 OK\r\n\r\nok', 'close')] },
  { name: 'an informational one', path: '/one', fields: [answer(`HTTP/1.1 100 Continue\r\n\r\n${OK}\r\nok`)] },
  { name: 'too much of an answer', path: '/one', fields: [answer(`${OK}\r\nok and more`)] },
  { name: 'too little of an answer', path: '/one', fields: [answer(`${OK}\r\n.`, 'close')] },
  { name: 'a part of a head', path: '/one', fields: [answer('HTTP/1.1 200', 'close')] },
  { name: 'no answer', path: '/one', fields: [answer('', 'close')] },
  { name: 'no answer, but a reset', path: '/one', fields: [answer('', 'reset')] },
  { name: 'no HTTP', path: '/one', fields: [answer('nonsense\r\n\r\n')] },
  { name: 'an answer that takes too long', path: '/short', fields: [answer('')] },
  { name: 'a client that leaves', path: '/one', fields: [answer('')], leaves: true },
  { name: 'nobody at the other end', path: '/dead' },
  { name: 'no host', path: '/empty' },
  { name: 'a copy', path: '/mirrored' },
  { name: 'no route', path: '/none' },
  { name: 'a redirect', path: '/redirect' },
  { name: 'an answer of the route', path: '/direct' },
  { name: 'a question for health', path: '/health' },
  { name: 'a body that is too large', path: '/one', body: '.'.repeat(200) },
  { name: 'a head that is none', path: '/one', fields: ['not a field'] },
  { name: 'a head that is too large', path: '/one', fields: [`x: ${'.'.repeat(70_000)}`] },
  { name: 'TCP', tcp: 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n' },
  { name: 'TCP without its header', tcp: 'something else that is long enough to be seen\r\n' },
  { name: 'TCP of which nothing comes', tcp: '' },
];

/** Counters of which one differs with who closes a connection that both are done with, or is not counted here. */
const APART =
  /bytes|_ms$|_time$|_per_cx$|worker_|flow_control|nghttp2|delayed_close|downstream_rq_rx_reset|response_before_rq|http\.http\.downstream_cx_destroy_(?:local|remote)|protocol_error|tracing|cx_idle_timeout/;
const COUNTED = /^(?:cluster\.|http\.http\.|listener\.(?:http|tcp)\.|tcp\.)/;

type Counts = ReadonlyMap<string, number>;

async function countsOf({ plane }: Side): Promise<Counts> {
  const { body } = await plane.admin('/stats?type=Counters');
  const lines = body.split('\n').map((line) => line.split(': '));
  const counters = lines.filter(([name = '']) => COUNTED.test(name) && !APART.test(name));
  return new Map(counters.map(([name = '', value]) => [name, Number(value)]));
}

/** What moved, by how much, once nothing moves any more. */
async function movedSince(side: Side, before: Counts): Promise<Readonly<Record<string, number>>> {
  let last = '';
  const settled = await until('the last count', async () => {
    const counts = await countsOf(side);
    const isActive = (await side.plane.stat('http.http.downstream_rq_active')) > 0;
    const text = JSON.stringify([...counts]);
    const isSettled = text === last && !isActive;
    last = text;
    await new Promise((resolve) => setTimeout(resolve, 150));
    return isSettled ? counts : undefined;
  });
  const moved = [...settled].map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const);
  return Object.fromEntries(moved.filter(([, by]) => by !== 0).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function bytesOf({ name, path, fields = [], body = '' }: CountCase): string {
  const lines = [`${body ? 'POST' : 'GET'} ${path} HTTP/1.1`, 'Host: a', `x-case: ${name}`, ...fields];
  if (body) lines.push(`content-length: ${body.length}`);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

async function leave(side: Side, bytes: string): Promise<void> {
  const socket = createConnection({ host: '127.0.0.1', port: side.plane.port('http') });
  socket.on('error', () => undefined);
  socket.write(bytes);
  await until('the request', async () => ((side.upstreams.get(10081)?.take().length ?? 0) > 0 ? true : undefined));
  socket.destroy();
}

async function run(side: Side, given: CountCase): Promise<void> {
  if (given.tcp !== undefined) {
    const wait = { answers: 1, timeoutMs: 1000, mayBeSilent: true };
    await send(side.plane.port('tcp'), given.tcp, wait);
  } else if (given.leaves) await leave(side, bytesOf(given));
  else await send(side.plane.port('http'), bytesOf(given), { answers: 1, timeoutMs: 5000 });
}

test('whatever fails moves the same counters, and is logged in the same words', async (t) => {
  const sides = await startPair(t, 'counts.yaml', [10081]);
  for (const given of CASES) {
    const moved = await Promise.all(
      sides.map(async (side) => {
        const before = await countsOf(side);
        await run(side, given);
        side.upstreams.get(10081)?.take();
        return movedSince(side, before);
      }),
    );
    assert.deepEqual(moved[0], moved[1], given.name);
    assert.ok(given.tcp !== undefined || Object.keys(moved[0] ?? {}).length > 0, given.name);
  }
  const logged = CASES.filter(({ tcp, path }) => tcp === undefined && path !== undefined).length;
  const [ours = [], theirs = []] = await Promise.all(sides.map((side) => logLines(side, 'access.log', logged)));
  // What is wrong with a request is told more closely here.
  const shown = (lines: readonly string[]) =>
    lines.map((line) => line.replace(/http1\.invalid_\w+/, 'http1.codec_error'));
  assert.deepEqual(shown(ours), theirs);
});
