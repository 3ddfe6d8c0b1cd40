import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '@weft/contracts/error';
import { type CallContext, memoryStreamPair, type RawStream } from '@weft/rpc';
import { type AdsRelayOptions, adsRelay } from './ads-relay.ts';
import { Acknowledged, CLUSTER_TYPE, LISTENER_TYPE, type Resources, StreamFollower } from './last-good.ts';
import { Reader, requestBytes, responseBytes } from './testing/delta-client.ts';
import { eventually } from './testing/eventually.ts';
import { SILENT } from './testing/silent-log.ts';

interface Fixture {
  /** Opens a stream as a data plane does. */
  readonly connect: () => { readonly stream: RawStream; readonly reader: Reader };
  /** The streams that xds-servers were sent, their side. */
  readonly upstreams: RawStream[];
  readonly acknowledged: Acknowledged;
  /** While true no xds-server can be reached. */
  setAway(isAway: boolean): void;
}

function unreachable(): RawStream {
  const [near, far] = memoryStreamPair();
  far.end(new WeftError('UNAVAILABLE', 'nothing listens at 127.0.0.1:1'));
  return near;
}

function fixture(change: Partial<AdsRelayOptions> = {}): Fixture {
  const upstreams: RawStream[] = [];
  const acknowledged = new Acknowledged(() => undefined);
  let isAway = false;
  const handler = adsRelay({
    open: () => {
      if (isAway) return unreachable();
      const [near, far] = memoryStreamPair();
      upstreams.push(far);
      return near;
    },
    onUnreachable: () => undefined,
    onReached: () => undefined,
    acknowledged,
    lastGood: () => undefined,
    graceMs: 50,
    unreachableGraceMs: 20,
    log: SILENT,
    ...change,
  });
  const connect = () => {
    const [stream, far] = memoryStreamPair();
    const caller = { identity: undefined, address: 'memory' };
    const call: CallContext = { caller, signal: far.signal, metadata: () => undefined };
    handler(far, call);
    return { stream, reader: new Reader(stream) };
  };
  return {
    connect,
    upstreams,
    acknowledged,
    setAway: (away) => {
      isAway = away;
    },
  };
}

function lastGood(version: string): Resources {
  const acknowledged = new Acknowledged(() => undefined);
  const follower = new StreamFollower(acknowledged);
  for (const [typeUrl, nonce] of [
    [CLUSTER_TYPE, '1'],
    [LISTENER_TYPE, '2'],
  ] as const) {
    follower.response(responseBytes(typeUrl, nonce, ['kept'], version));
    follower.request(requestBytes({ type_url: typeUrl, response_nonce: nonce }));
  }
  return acknowledged.resources;
}

test('what both sides say is passed on as it is, and followed', async () => {
  const { connect, upstreams, acknowledged } = fixture();
  const { stream, reader } = connect();
  const first = requestBytes({ node: { id: 'shop/cart-1' }, type_url: CLUSTER_TYPE });
  stream.send(first);
  const upstream = await eventually(() => upstreams[0]);
  const server = new Reader(upstream);
  assert.deepEqual(await server.next(), first);
  const response = responseBytes(CLUSTER_TYPE, 'n1', ['a'], 'v1');
  upstream.send(response);
  assert.deepEqual(await reader.next(), response);
  stream.send(requestBytes({ type_url: CLUSTER_TYPE, response_nonce: 'n1' }));
  assert.equal((await server.request()).response_nonce, 'n1');
  assert.deepEqual([...(acknowledged.resources.get(CLUSTER_TYPE)?.keys() ?? [])], ['a']);
  stream.end();
});

test('when the xds-server goes, the stream ends, and the next one waits for another', async () => {
  const { connect, upstreams, setAway } = fixture();
  const { stream, reader } = connect();
  stream.send(requestBytes({ type_url: CLUSTER_TYPE }));
  const upstream = await eventually(() => upstreams[0]);
  upstream.send(responseBytes(CLUSTER_TYPE, 'n1', ['a'], 'v1'));
  await reader.next();
  setAway(true);
  upstream.end(new WeftError('UNAVAILABLE', 'the server is stopping'));
  await assert.rejects(reader.next());

  const again = connect();
  const versions = { initial_resource_versions: { a: 'v1' } };
  again.stream.send(requestBytes({ type_url: CLUSTER_TYPE, ...versions }));
  again.stream.send(requestBytes({ type_url: LISTENER_TYPE }));
  setAway(false);
  const next = await eventually(() => upstreams[1]);
  const server = new Reader(next);
  assert.deepEqual({ ...(await server.request()).initial_resource_versions }, { a: 'v1' });
  assert.equal((await server.request()).type_url, LISTENER_TYPE);
  next.send(responseBytes(LISTENER_TYPE, 'n1', ['l'], 'v1'));
  assert.equal((await again.reader.response()).type_url, LISTENER_TYPE);
  again.stream.end();
});

test('a data plane that has something is never given what was known last', async () => {
  const { connect, setAway } = fixture({ lastGood: () => lastGood('v1'), graceMs: 1, unreachableGraceMs: 1 });
  setAway(true);
  const { stream, reader } = connect();
  stream.send(requestBytes({ type_url: CLUSTER_TYPE, initial_resource_versions: { a: 'v1' } }));
  const outcome = await Promise.race([
    reader.next().then(() => 'answered'),
    new Promise((resolve) => setTimeout(resolve, 200, 'held')),
  ]);
  assert.equal(outcome, 'held');
  stream.end(new WeftError('CANCELLED', 'enough'));
});

test('a data plane that starts without an xds-server goes on from what was known last, until one is back', async () => {
  const { connect, upstreams, acknowledged, setAway } = fixture({ lastGood: () => lastGood('v7') });
  setAway(true);
  const { stream, reader } = connect();
  stream.send(requestBytes({ node: { id: 'shop/cart-1' }, type_url: CLUSTER_TYPE }));
  const clusters = await reader.response();
  assert.deepEqual([clusters.resources?.[0]?.name, clusters.resources?.[0]?.version], ['kept', 'v7']);
  stream.send(requestBytes({ type_url: CLUSTER_TYPE, response_nonce: clusters.nonce ?? '' }));
  stream.send(requestBytes({ type_url: LISTENER_TYPE }));
  const listeners = await reader.response();
  stream.send(requestBytes({ type_url: LISTENER_TYPE, response_nonce: listeners.nonce ?? '' }));
  await eventually(() => acknowledged.isWhole);

  setAway(false);
  const upstream = await eventually(() => upstreams[0]);
  assert.equal((await new Reader(upstream).request()).node?.id, 'shop/cart-1');
  upstream.send(responseBytes(CLUSTER_TYPE, 'n1', ['new'], 'v8'));
  await assert.rejects(reader.next());
});

test('a data plane that says too much before anybody answers loses its stream', async () => {
  const { connect } = fixture();
  const { stream, reader } = connect();
  const name = 'x'.repeat(1024 * 1024);
  for (let index = 0; index < 6; index++) {
    stream.send(requestBytes({ type_url: CLUSTER_TYPE, resource_names_subscribe: [`${index}${name}`] }));
  }
  await assert.rejects(reader.next());
});

test('when the data plane goes, the xds-server is told', async () => {
  const { connect, upstreams } = fixture();
  const { stream } = connect();
  stream.send(requestBytes({ type_url: CLUSTER_TYPE }));
  const upstream = await eventually(() => upstreams[0]);
  const server = new Reader(upstream);
  await server.next();
  stream.end(new WeftError('CANCELLED', 'the data plane ends'));
  await assert.rejects(server.next());
});
