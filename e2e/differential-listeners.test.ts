/**
 * Connections to listeners of Weft's proxy and of the real Envoy on the same bootstrap: which filter chain takes each, what
 * it knows of the connection, and what of the bytes the upstream gets.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { DATA_PLANES, listen, until } from './harness.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';

interface Case {
  /** Of the header of version 1, after `PROXY `. */
  readonly header?: string;
  /** Before everything else, in place of a header. */
  readonly raw?: Buffer;
  readonly text?: string;
  /** Begins TLS: this server name, these protocols. */
  readonly tls?: { readonly servername?: string; readonly ALPNProtocols?: string[] };
}

const HTTP11 = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const from = (source: string, destination: string, sourcePort = 1000, destinationPort = 8080) =>
  `TCP${source.includes(':') ? 6 : 4} ${source} ${destination} ${sourcePort} ${destinationPort}`;
const CLIENT = '198.51.100.1';

function v2(command: number, family: number, body: readonly number[]): Buffer {
  const start = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
  return Buffer.concat([start, Buffer.from([command, family, body.length >> 8, body.length & 255, ...body])]);
}

const V4 = [198, 51, 100, 1, 10, 2, 3, 4, 0, 80, 31, 144];

const CASES: Readonly<Record<string, Case>> = {
  'a port that has chains': { header: from(CLIENT, '172.16.0.1', 1, 8081), text: HTTP11 },
  'a port and a narrower range': { header: from(CLIENT, '10.1.0.1', 1, 8081), text: HTTP11 },
  'a port, though other ranges would fit': { header: from(CLIENT, '10.2.3.4', 1, 8081), text: HTTP11 },
  'a wide range': { header: from(CLIENT, '10.9.0.1'), text: HTTP11 },
  'a narrower range': { header: from(CLIENT, '10.2.9.9'), text: HTTP11 },
  'one address': { header: from(CLIENT, '10.2.3.4'), text: HTTP11 },
  'one IPv6 address': { header: from('2001:db8::9', '2001:db8::1'), text: HTTP11 },
  'a server name': { header: from(CLIENT, '172.16.0.1'), tls: { servername: 'A.example' } },
  'a suffix': { header: from(CLIENT, '172.16.0.1'), tls: { servername: 'b.example' } },
  'the longer suffix': { header: from(CLIENT, '172.16.0.1'), tls: { servername: 'a.b.example' } },
  'a range before the name': { header: from(CLIENT, '10.9.0.1'), tls: { servername: 'a.example' } },
  'TLS with another name': { header: from(CLIENT, '172.16.0.1'), tls: { servername: 'other' } },
  'TLS without a name, for h2': { header: from(CLIENT, '172.16.0.1'), tls: { ALPNProtocols: ['x', 'h2'] } },
  h2c: { header: from(CLIENT, '172.16.0.1'), text: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  'HTTP/1.0': { header: from(CLIENT, '172.16.0.1'), text: 'GET / HTTP/1.0\r\n\r\n' },
  'HTTP/0.9': { header: from(CLIENT, '172.16.0.1'), text: 'GET /\r\n' },
  'no HTTP': { header: from(CLIENT, '172.16.0.1'), text: 'EHLO\r\n' },
  'HTTP/1.1 from a net': { header: from('192.0.2.1', '172.16.0.1'), text: HTTP11 },
  'HTTP/1.1 from a narrower net and a port': { header: from('192.0.2.200', '172.16.0.1', 4444), text: HTTP11 },
  'HTTP/1.1 from a narrower net and another port': { header: from('192.0.2.200', '172.16.0.1', 4445), text: HTTP11 },
  'HTTP/1.1 from elsewhere': { header: from(CLIENT, '172.16.0.1'), text: HTTP11 },
  'HTTP/1.1 from this machine': { header: from('127.0.0.1', '172.16.0.1'), text: HTTP11 },
  'HTTP/1.1 from another address of the loopback': { header: from('127.0.0.9', '172.16.0.1'), text: HTTP11 },
  'HTTP/1.1 from the same address': { header: from('172.16.0.1', '172.16.0.1'), text: HTTP11 },
  'an unknown client': { header: 'UNKNOWN', text: HTTP11 },
  'an unknown client with more words': { header: 'UNKNOWN ff ff', text: HTTP11 },
  'version 2': { raw: v2(0x21, 0x11, V4), text: HTTP11 },
  'version 2 with a TLV': { raw: v2(0x21, 0x11, [...V4, 234, 0, 3, 118, 112, 99]), text: HTTP11 },
  'version 2 for itself': { raw: v2(0x20, 0, [1, 2, 3]), text: HTTP11 },
  'version 2 of datagrams': { raw: v2(0x21, 0x12, V4), text: HTTP11 },
  'version 2 of a unix socket': { raw: v2(0x21, 0x31, Array<number>(216).fill(0)), text: HTTP11 },
  'version 2 of no family': { raw: v2(0x21, 0, []), text: HTTP11 },
  'version 2 with half a TLV': { raw: v2(0x21, 0x11, [...V4, 1, 0]), text: HTTP11 },
  'another version': { raw: v2(0x31, 0x11, V4), text: HTTP11 },
  'no header': { text: HTTP11 },
  'another family': { header: 'TCP5 1.2.3.4 5.6.7.8 1 2', text: HTTP11 },
  'an address of the other family': { header: 'TCP4 ::1 ::2 1 2', text: HTTP11 },
  'a group as the source': { header: from('224.0.0.1', '172.16.0.1'), text: HTTP11 },
};

/** Every chain of the bootstrap. */
const CHAINS = [
  'port',
  'port-narrow',
  'net',
  'net-narrow',
  'net-one',
  'name',
  'name-suffix',
  'name-long',
  'tls',
  'tls-h2',
];
const MORE_CHAINS = ['h2c', 'http10', 'http11-net', 'http11-port', 'http11-local', 'peer', 'default'];

/** Takes connections, tells what came, and ends them. */
async function startUpstream(test: TestContext, seen: string[]): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (chunk: Buffer) => {
      // Of TLS it is enough that it is TLS: what is in it is drawn anew each time.
      seen.push(chunk[0] === 22 ? 'TLS' : chunk.toString('latin1'));
      socket.end('bye');
    });
  });
  return listen(test, server);
}

function send(port: number, { header, raw, text, tls }: Case): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      const start = raw ?? Buffer.from(header === undefined ? '' : `PROXY ${header}\r\n`);
      socket.write(Buffer.concat([start, Buffer.from(text ?? '', 'latin1')]));
      if (!tls) return;
      const secure = connectTls({ socket, rejectUnauthorized: false, ...tls });
      secure.on('error', () => socket.destroy());
    });
    const deadline = setTimeout(() => socket.destroy(), 10_000);
    socket.on('error', () => socket.destroy());
    socket.on('data', () => undefined);
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(deadline);
      resolve();
    });
  });
}

interface Side {
  readonly plane: Plane;
  readonly folder: string;
  readonly seen: string[];
}

async function startSide(test: TestContext, dataPlane: (typeof DATA_PLANES)[number]): Promise<Side> {
  const folder = temporaryFolder(test);
  const seen: string[] = [];
  const upstream = await startUpstream(test, seen);
  const ports = { 10081: upstream };
  return { plane: await startPlane(test, { dataPlane, bootstrap: 'listeners.yaml', folder, ports }), folder, seen };
}

/** What stands in the statistics of listener filters and chains, but what is timed. */
async function counted({ plane }: Side): Promise<Readonly<Record<string, number>>> {
  const filter = '^(tcp\\..*downstream_cx_total|proxy_proto|tls_inspector|http_inspector|downstream_cx_proxy)';
  const { body } = await plane.admin(`/stats?usedonly&filter=${encodeURIComponent(filter)}`);
  const lines = body.split('\n').flatMap((line) => {
    const [name = '', value = ''] = line.split(': ');
    return /^\d+$/.test(value) ? [[name, Number(value)] as const] : [];
  });
  return Object.fromEntries(lines);
}

interface Result {
  /** What was counted more than before. */
  readonly counted: readonly string[];
  readonly upstream: readonly string[];
}

async function resultOf(side: Side, given: Case): Promise<Result> {
  const before = await counted(side);
  side.seen.length = 0;
  await send(side.plane.port(), given);
  const after = await counted(side);
  const changed = Object.entries(after).filter(([name, value]) => value !== before[name]);
  return { counted: changed.map(([name]) => name).toSorted(), upstream: [...side.seen] };
}

function logged({ folder, plane }: Side): readonly string[] {
  const lines = readFileSync(join(folder, 'access.log'), 'utf8').trim().split('\n');
  // Where the header does not say the client, its own port is drawn anew each time.
  return lines.map((line) =>
    line.replaceAll(`:${plane.port()} `, ':<listener> ').replace(/^127\.0\.0\.1:\d+ /, '127.0.0.1:<port> '),
  );
}

test('connections are taken by the same chains, which know the same of them', async (t) => {
  const sides = await Promise.all(DATA_PLANES.map((dataPlane) => startSide(t, dataPlane)));
  let taken = 0;
  for (const [name, given] of Object.entries(CASES)) {
    const [weft, envoy] = await Promise.all(sides.map((side) => resultOf(side, given)));
    assert.deepEqual(weft, envoy, name);
    taken += weft?.upstream.length ?? 0;
  }
  assert.ok(taken > 20);
  const names = new Set(Object.keys(await counted(sides[0] as Side)));
  const untried = [...CHAINS, ...MORE_CHAINS].filter((chain) => !names.has(`tcp.${chain}.downstream_cx_total`));
  assert.deepEqual(untried, ['peer'], 'a peer of another machine is not here');
  const lines = () => sides.map(logged);
  await until(
    'the logs',
    () => lines().every((list) => list.length >= taken) || undefined,
    20_000,
    () => JSON.stringify(lines()),
  );
  const [ours, theirs] = lines();
  assert.deepEqual(ours, theirs);
});
