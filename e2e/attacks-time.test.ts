/** Heads that are made to cost time: whatever is in one, reading and routing it takes little of the processor. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startRouting } from './proxy-testing/attacked.ts';
import { send } from './proxy-testing/raw-client.ts';
import { startRecordingUpstream } from './proxy-testing/recording-upstream.ts';
import { httpText } from './proxy-testing/wire.ts';

/** A tick of the kernel's clock for processes. */
const TICK_MS = 10;
const MOST_MS = 600;
const SIZE = 55_000;

/** What a process and its children have used of the processor. */
function usedMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

const filled = (piece: string, before = '', after = ''): string =>
  before + piece.repeat(Math.floor(SIZE / piece.length)) + after;

const VALUES: readonly string[] = [
  filled(' ', 'a', 'b'),
  filled(' ', '', 'b'),
  filled('\t', 'chunked', ','),
  filled(','),
  filled(', '),
  filled(':', '', 'g'),
  filled('1.', '', 'x'),
  filled('1', '', 'x'),
  filled(';'),
  filled('; ', 'a=b', 'c'),
  filled('='),
  filled('a=b;'),
  filled('"'),
  filled('\\"', '"'),
  filled('-'),
  filled('0', '00-', '-x'),
  filled('%'),
  filled('%2'),
  filled('('),
  filled('timeout ', ' ', '= x'),
  filled('timeout= ', ' '),
  filled('a', '', '!'),
];

const NAMES: readonly string[] = [
  'Transfer-Encoding',
  'Content-Length',
  'Connection',
  'Keep-Alive',
  'Upgrade',
  'Expect',
  'TE',
  'Host',
  'Cookie',
  'X-Forwarded-For',
  'X-Forwarded-Proto',
  'X-Forwarded-Client-Cert',
  'X-Request-Id',
  'X-Envoy-Retry-On',
  'X-Envoy-Upstream-Rq-Timeout-Ms',
  'Content-Type',
  'Grpc-Timeout',
  'Authorization',
  'Traceparent',
  'Accept',
  'User-Agent',
  'X-Version',
];

const TARGETS: readonly string[] = [
  filled('/'),
  filled('/..', '', '/x'),
  filled('/.', '', '/x'),
  filled('/a/..;x'),
  filled('%2e', '/'),
  filled('%2F', '/'),
  filled('%', '/'),
  filled('\\', '/'),
  filled('&', '/query?'),
  filled('v=1&', '/query?'),
  filled('=', '/query?'),
  filled('?', '/'),
  filled('a', '/evil/'),
  filled('1', '/users/'),
  filled('/users/1', '', '/orders'),
  filled('a', 'http://any.test/evil/'),
  filled('a', 'http://'),
  filled('%41', 'http://'),
  filled('a.', 'http://', '/'),
  filled(':1', 'http://a'),
];

const EVIL = `
                        - name: evil
                          match: { safe_regex: { regex: "(?i)/evil/(([a-z])+.)+[A-Z]([a-z])+!" } }
                          route: { cluster: a }
                        - name: separated`;

test('no head takes long, whatever is in it', { timeout: 180_000 }, async (t) => {
  const upstream = await startRecordingUpstream(t);
  const edit = (text: string): string =>
    text
      .replace('use_remote_address: true', 'use_remote_address: false')
      .replace(
        'stat_prefix: http',
        'stat_prefix: http\n                internal_address_config: { cidr_ranges: [{ address_prefix: 10.0.0.0, prefix_len: 8 }] }',
      )
      .replace('\n                        - name: separated', EVIL);
  const plane = await startRouting(t, upstream.port, edit);
  const heads = [
    ...NAMES.flatMap((name) =>
      VALUES.map(
        (value) =>
          [
            `${name}: ${value}`,
            httpText('GET /x HTTP/1.1', [...(name === 'Host' ? [] : ['Host: any.test']), `${name}: ${value}`]),
          ] as const,
      ),
    ),
    ...TARGETS.map((target) => [target, httpText(`GET ${target} HTTP/1.1`, ['Host: any.test'])] as const),
    ['an absolute target', httpText(`GET ${filled(' ', 'x')} HTTP/1.1`, ['Host: any.test'])] as const,
  ];
  await send(plane.port(), heads[0]?.[1] ?? '', { answers: 1 });
  const slow: string[] = [];
  for (const [name, bytes] of heads) {
    const before = usedMs(plane.pid);
    const { answers } = await send(plane.port(), bytes, { answers: 1, timeoutMs: 30_000 });
    assert.equal(answers.length, 1, name.slice(0, 100));
    const took = usedMs(plane.pid) - before;
    if (took > MOST_MS) slow.push(`${name.slice(0, 60)}… took ${took} ms`);
  }
  assert.deepEqual(slow, []);
});
