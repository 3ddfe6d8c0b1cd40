/** Several threads on an xDS server that is not Weft's: what it sends reaches all of them, and no request fails meanwhile. */
import assert from 'node:assert/strict';
import { type Agent, request, Agent as TlsAgent } from 'node:https';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { httpListener, loadAssignment, routes } from '@weft/proxy/testing';
import { freePort, until } from './harness.ts';
import { type Credentials, makeCredentials } from './proxy-testing/certificates.ts';
import { ForeignXds, type Resources, whyNoGo } from './proxy-testing/foreign-xds.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { startPlane } from './proxy-testing/plane.ts';
import { startRecordingUpstream } from './proxy-testing/recording-upstream.ts';

const TYPE = 'type.googleapis.com/envoy.config';
const EXTENSIONS = 'type.googleapis.com/envoy.extensions';
const ADS = { resource_api_version: 'V3', ads: {} };
/** So many connections that each thread has its share. */
const PROBES = 24;

interface Wanted {
  readonly port: number;
  readonly upstream: number;
  /** A header that the route adds to answers. */
  readonly mark: string;
  readonly credential: Credentials['cart'];
  readonly statPrefix: string;
  readonly isThere: boolean;
  /** How many routes for other requests stand before the one that is used: so many are read and relayed in parts. */
  readonly otherRoutes: number;
}

function listener({ port, statPrefix }: Wanted): object {
  const manager = { stat_prefix: statPrefix, rds: { route_config_name: 'local', config_source: ADS } };
  const tls = {
    '@type': `${EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext`,
    common_tls_context: { tls_certificate_sds_secret_configs: [{ name: 'server', sds_config: ADS }] },
  };
  return httpListener(port, manager, 'https', { transport_socket: { name: 'tls', typed_config: tls } });
}

function resources(wanted: Wanted): Resources {
  const { upstream, mark, credential, isThere, otherRoutes } = wanted;
  const header = { header: { key: 'x-mark', value: mark }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' };
  const route = { match: { prefix: '/' }, route: { cluster: 'a' }, response_headers_to_add: [header] };
  const others = Array.from({ length: otherRoutes }, (_, index) => ({
    ...route,
    match: { prefix: `/other/${index}/` },
  }));
  const certificate = {
    certificate_chain: { inline_string: credential.chainPem },
    private_key: { inline_string: credential.keyPem },
  };
  return {
    [`${TYPE}.listener.v3.Listener`]: isThere ? [listener(wanted)] : [],
    [`${TYPE}.route.v3.RouteConfiguration`]: [{ name: 'local', ...routes(...others, route) }],
    [`${TYPE}.cluster.v3.Cluster`]: [
      { name: 'a', type: 'EDS', connect_timeout: '2s', eds_cluster_config: { eds_config: ADS } },
    ],
    [`${TYPE}.endpoint.v3.ClusterLoadAssignment`]: [loadAssignment('a', upstream)],
    [`${EXTENSIONS}.transport_sockets.tls.v3.Secret`]: [{ name: 'server', tls_certificate: certificate }],
  };
}

interface Seen {
  readonly status: number;
  readonly mark: string;
  /** Of the certificate. */
  readonly name: string;
}

/** One request on a connection of its own. */
function see(port: number, agent: Agent): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, agent, timeout: 15_000 }, (response) => {
      const name = (response.socket as TLSSocket).getPeerCertificate().subjectaltname ?? '';
      const { statusCode: status = 0, headers } = response;
      response.resume();
      response.on('end', () => resolve({ status, mark: String(headers['x-mark']), name }));
      response.on('error', reject);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer came')));
    asked.on('error', reject);
    asked.end();
  });
}

/** Asks all the time until it is told to stop, and gives what went wrong. */
function load(port: number, agent: Agent): () => Promise<readonly string[]> {
  const failures: string[] = [];
  let isOver = false;
  const clients = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      try {
        const { status } = await see(port, agent);
        if (status !== 200) failures.push(`status ${status}`);
      } catch (thrown) {
        failures.push(String(thrown));
      }
    }
  });
  return async () => {
    isOver = true;
    await Promise.all(clients);
    return failures;
  };
}

function newAgent(t: TestContext): Agent {
  const agent = new TlsAgent({ keepAlive: false, rejectUnauthorized: false, maxCachedSessions: 0 });
  t.after(() => agent.destroy());
  return agent;
}

test('everything that an xDS server changes reaches all threads, and no request fails', {
  skip: whyNoGo() ?? false,
}, async (t) => {
  const folder = temporaryFolder(t);
  const { cart, stock } = makeCredentials();
  const [first, second] = [await startRecordingUpstream(t), await startRecordingUpstream(t)];
  const port = await freePort();
  const xds = await ForeignXds.start(t, folder);
  let wanted: Wanted = {
    port,
    upstream: first.port,
    mark: 'one',
    credential: cart,
    statPrefix: 'http',
    isThere: true,
    otherRoutes: 0,
  };
  await xds.set('test', resources(wanted));
  const plane = await startPlane(t, {
    dataPlane: 'weft',
    bootstrap: 'xds.yaml',
    folder,
    ports: { 18000: xds.port },
    flags: ['--concurrency', '3'],
  });
  const agent = newAgent(t);
  const probe = () => Promise.all(Array.from({ length: PROBES }, () => see(port, agent)));
  const change = async (to: Partial<Wanted>, what: string, isDone: (seen: readonly Seen[]) => boolean) => {
    wanted = { ...wanted, ...to };
    await xds.set('test', resources(wanted));
    await until(
      what,
      async () => (isDone(await probe()) ? true : undefined),
      30_000,
      () => plane.text(),
    );
  };
  assert.ok(
    (await probe()).every(({ status, mark }) => status === 200 && mark === 'one'),
    'all serve once it is ready',
  );
  const stop = load(port, agent);

  await change({ mark: 'two' }, 'the other route in all threads', (seen) => seen.every(({ mark }) => mark === 'two'));
  await change({ mark: 'three', otherRoutes: 5000 }, 'many routes in all threads', (seen) =>
    seen.every(({ mark }) => mark === 'three'),
  );
  await change({ mark: 'four', otherRoutes: 0 }, 'few routes in all threads', (seen) =>
    seen.every(({ mark }) => mark === 'four'),
  );
  await change({ credential: stock }, 'the other certificate in all threads', (seen) =>
    seen.every(({ name }) => name.includes('stock')),
  );
  await change({ upstream: second.port }, 'the other endpoint in all threads', () => first.take().length === 0);
  assert.ok(second.take().length > 0);
  await change({ statPrefix: 'other' }, 'the other listener', (seen) => seen.every(({ status }) => status === 200));
  await until('the other listener in all threads', async () => {
    const before = await plane.stat('http.other.downstream_rq_total');
    const beforeOld = await plane.stat('http.http.downstream_rq_total');
    await probe();
    const isOld = (await plane.stat('http.http.downstream_rq_total')) > beforeOld;
    return !isOld && (await plane.stat('http.other.downstream_rq_total')) >= before + PROBES ? true : undefined;
  });

  const from = xds.events.length;
  await xds.set('test', resources({ ...wanted, statPrefix: '' }));
  assert.match((await xds.find('nack', from)).message ?? '', /stat_prefix/);
  const nacks = xds.events.slice(from).filter(({ event }) => event === 'nack');
  assert.equal(nacks.length, 1, 'one thread speaks for all');
  assert.ok(
    (await probe()).every(({ status }) => status === 200),
    'what was there goes on',
  );
  assert.deepEqual(await stop(), []);

  await xds.set('test', resources({ ...wanted, isThere: false }));
  await until('the address to be free in all threads', async () => {
    const seen = await Promise.allSettled(Array.from({ length: PROBES }, () => see(port, agent)));
    return seen.every(({ status }) => status === 'rejected') ? true : undefined;
  });
});
