import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../clock.ts';
import { listenerFilter } from '../../config/listener-filters.ts';
import { Place } from '../../config/schema.ts';
import { StatsRegistry } from '../../stats/registry.ts';
import { Warming } from '../../warming.ts';
import { Opening } from '../opening.ts';
import { makePipeline, Passage } from './pipeline.ts';

const TYPES = 'type.googleapis.com/envoy.extensions.filters.listener';
const PROXY = { '@type': `${TYPES}.proxy_protocol.v3.ProxyProtocol` };
const TLS = { '@type': `${TYPES}.tls_inspector.v3.TlsInspector` };
const HTTP = { '@type': `${TYPES}.http_inspector.v3.HttpInspector` };

interface Passed {
  readonly outcome: 'passed' | 'refused' | 'gone';
  readonly opening: Opening;
  /** What can be read behind the filters. */
  readonly rest: string;
  readonly stats: string;
}

/** Sends pieces, one after the other as each arrived, through listener filters. */
async function pass(filters: readonly object[], pieces: readonly Buffer[]): Promise<Passed> {
  const place = new Place();
  const configs = filters.map((filter) => listenerFilter.parse(filter, place));
  assert.deepEqual(place.issues, []);
  const stats = new StatsRegistry();
  const pipeline = makePipeline(configs, { stats, warming: new Warming(systemClock, () => undefined) });
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ allowHalfOpen: true }, accepted.resolve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const client = connect({
    host: '127.0.0.1',
    port: typeof bound === 'object' ? (bound?.port ?? 0) : 0,
    noDelay: true,
  });
  client.on('error', () => undefined);
  const socket = await accepted.promise;
  socket.on('error', () => undefined);
  const opening = new Opening(socket);
  const outcome = await new Promise<Passed['outcome']>((resolve) => {
    const passage = new Passage(socket, opening, pipeline, {
      onPassed: () => resolve('passed'),
      onRefused: () => resolve('refused'),
      onGone: () => resolve('gone'),
    });
    passage.start();
    void (async () => {
      for (const piece of pieces) await new Promise((written) => client.write(piece, () => setImmediate(written)));
      client.end();
    })();
  });
  let rest = '';
  if (outcome === 'passed') {
    socket.on('data', (chunk: Buffer) => {
      rest += chunk.toString('latin1');
    });
    const ended = new Promise((resolve) => socket.once('end', resolve));
    socket.resume();
    await ended;
  }
  client.destroy();
  socket.destroy();
  server.close();
  return { outcome, opening, rest, stats: stats.text({ usedOnly: true }) };
}

const filter = (typed_config: object, more: object = {}) => ({ name: 'f', typed_config, ...more });

test('each filter sees what those before it left, and whoever is behind sees what is left in the end', async () => {
  const bytes = Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 10 20\r\nGET / HTTP/1.1\r\n\r\nbody');
  const { outcome, opening, rest, stats } = await pass([filter(PROXY), filter(TLS), filter(HTTP)], [bytes]);
  assert.equal(outcome, 'passed');
  assert.equal(rest, 'GET / HTTP/1.1\r\n\r\nbody');
  assert.deepEqual([opening.remoteHost, opening.remotePort], ['1.2.3.4', 10]);
  assert.deepEqual([opening.localHost, opening.localPort], ['5.6.7.8', 20]);
  assert.deepEqual([opening.directRemoteHost, opening.originalDestination], ['127.0.0.1', '5.6.7.8:20']);
  assert.deepEqual(opening.applicationProtocols, ['http/1.1']);
  assert.match(stats, /^http_inspector\.http11_found: 1$/m);
  assert.match(stats, /^proxy_proto\.versions\.v1\.found: 1$/m);
  assert.match(stats, /^tls_inspector\.tls_not_found: 1$/m);
});

test('however the bytes are cut, the same is found', async () => {
  const bytes = Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 10 20\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest');
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 8 }), async (cuts) => {
      const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
      const { outcome, opening, rest } = await pass([filter(PROXY), filter(HTTP)], pieces);
      assert.equal(outcome, 'passed');
      assert.deepEqual(opening.applicationProtocols, ['h2c']);
      assert.equal(rest, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest');
    }),
    { numRuns: 25 },
  );
});

test('what lacks a header, or has a wrong one, is refused and counted', async () => {
  for (const [text, counted] of [
    ['GET / HTTP/1.1\r\n', /^proxy_proto\.s\.not_found_disallowed: 1$/m],
    ['PROXY TCP9 x\r\n', /^proxy_proto\.s\.versions\.v1\.error: 1$/m],
  ] as const) {
    const { outcome, stats } = await pass([filter({ ...PROXY, stat_prefix: 's' })], [Buffer.from(text)]);
    assert.equal(outcome, 'refused');
    assert.match(stats, counted);
    assert.match(stats, /^downstream_cx_proxy_proto_error: 1$/m);
  }
});

test('a header is not needed where that is allowed, and a version that is not allowed is refused', async () => {
  const free = { ...PROXY, allow_requests_without_proxy_protocol: true, disallowed_versions: ['V1'] };
  const without = await pass([filter(free)], [Buffer.from('GET /')]);
  assert.deepEqual([without.outcome, without.rest, without.opening.remoteHost], ['passed', 'GET /', '127.0.0.1']);
  const old = await pass([filter(free)], [Buffer.from('PROXY UNKNOWN\r\n')]);
  assert.equal(old.outcome, 'refused');
  assert.match(old.stats, /^proxy_proto\.versions\.v1\.disallowed: 1$/m);
});

test('TLVs that rules ask for become metadata', async () => {
  const rule = (tlv_type: number, key: string, more: object = {}) => ({ tlv_type, on_tlv_present: { key, ...more } });
  const rules = [rule(1, 'alpn'), rule(2, 'raw', { metadata_namespace: 'own', value_string_encoding: 'BASE64' })];
  const tlvs = Buffer.from([1, 0, 3, 0x68, 0xff, 0x32, 2, 0, 1, 0xff, 3, 0, 0]);
  const head = Buffer.from('0d0a0d0a000d0a515549540a2111', 'hex');
  const body = Buffer.concat([Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 187]), tlvs]);
  const bytes = Buffer.concat([head, Buffer.from([0, body.length]), body]);
  const { opening } = await pass([filter({ ...PROXY, rules })], [bytes]);
  assert.deepEqual(Object.fromEntries(opening.metadata ?? []), {
    'envoy.filters.listener.proxy_protocol': { alpn: 'h!2' },
    own: { raw: '/w==' },
  });
});

test('a filter that is disabled for a port sees nothing', async () => {
  const all = { destination_port_range: { start: 1, end: 65_536 } };
  const { outcome, rest, stats } = await pass([filter(PROXY, { filter_disabled: all })], [Buffer.from('hello')]);
  assert.deepEqual([outcome, rest, stats], ['passed', 'hello', '']);
  const none = { and_match: { rules: [all, { not_match: { any_match: true } }] } };
  assert.equal((await pass([filter(PROXY, { filter_disabled: none })], [Buffer.from('hello')])).outcome, 'refused');
});

test('a client that ends before it said enough is gone', async () => {
  assert.equal((await pass([filter(PROXY)], [Buffer.from('PROXY TCP4')])).outcome, 'gone');
});
