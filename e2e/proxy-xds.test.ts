/** Both data planes on an xDS server that is not Weft's: traffic follows it, and what is wrong is refused by its path. */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { httpListener, loadAssignment, routes, staticCluster } from '@weft/proxy/testing';
import { ask, DATA_PLANES, freePort, until } from './harness.ts';
import { ForeignXds, type Resources, whyNoGo } from './proxy-testing/foreign-xds.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { startPlane } from './proxy-testing/plane.ts';
import { send } from './proxy-testing/raw-client.ts';
import { startRecordingUpstream } from './proxy-testing/recording-upstream.ts';
import { httpText } from './proxy-testing/wire.ts';

const TYPE = 'type.googleapis.com/envoy.config';
const ADS = { resource_api_version: 'V3', ads: {} };

function listener(port: number, statPrefix = 'http'): object {
  return httpListener(port, { stat_prefix: statPrefix, rds: { route_config_name: 'local', config_source: ADS } });
}

/** Everything goes to the cluster `a`, and answers are marked. */
function marked(mark: string): object {
  const header = { header: { key: 'x-mark', value: mark }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' };
  return routes({ match: { prefix: '/' }, route: { cluster: 'a' }, response_headers_to_add: [header] });
}

interface Wanted {
  readonly listeners: readonly unknown[];
  readonly upstream: number;
  /** A header that the route adds to answers. */
  readonly mark: string;
}

function resources({ listeners, upstream, mark }: Wanted): Resources {
  const eds = { eds_config: ADS };
  return {
    [`${TYPE}.listener.v3.Listener`]: listeners,
    [`${TYPE}.route.v3.RouteConfiguration`]: [{ name: 'local', ...marked(mark) }],
    [`${TYPE}.cluster.v3.Cluster`]: [{ name: 'a', type: 'EDS', connect_timeout: '2s', eds_cluster_config: eds }],
    [`${TYPE}.endpoint.v3.ClusterLoadAssignment`]: [loadAssignment('a', upstream)],
  };
}

const VARIANTS = [
  { apiType: 'DELTA_GRPC', variant: 'deltas' },
  { apiType: 'GRPC', variant: 'the state of the world' },
];

for (const { dataPlane, apiType, variant } of DATA_PLANES.flatMap((dataPlane) =>
  VARIANTS.map((one) => ({ ...one, dataPlane })),
)) {
  test(`${dataPlane} follows go-control-plane by ${variant}`, { skip: whyNoGo() ?? false }, async (t) => {
    const folder = temporaryFolder(t);
    const [first, second] = [await startRecordingUpstream(t), await startRecordingUpstream(t)];
    const port = await freePort();
    const xds = await ForeignXds.start(t, folder);
    const good = { listeners: [listener(port)], upstream: first.port, mark: 'one' };
    await xds.set('test', resources(good));
    const edit = (text: string) => text.replace('api_type: DELTA_GRPC', `api_type: ${apiType}`);
    const ports = { 18000: xds.port };
    const plane = await startPlane(t, { dataPlane, bootstrap: 'xds.yaml', folder, ports, edit });
    const url = `http://127.0.0.1:${port}/`;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    assert.equal((await ask(url, { agent })).headers['x-mark'], 'one');
    assert.equal(first.take().length, 1);

    await xds.set('test', resources({ ...good, upstream: second.port }));
    await until('traffic to the other endpoint', async () => {
      await ask(url, { agent });
      return second.take().length > 0 ? true : undefined;
    });

    await xds.set('test', resources({ ...good, upstream: second.port, mark: 'two' }));
    await until('the other route', async () =>
      (await ask(url, { agent })).headers['x-mark'] === 'two' ? true : undefined,
    );

    const from = xds.events.length;
    const bad = { ...good, upstream: second.port, mark: 'two', listeners: [listener(port, '')] };
    await xds.set('test', resources(bad));
    const { message = '', type } = await xds.find('nack', from);
    assert.equal(type, `${TYPE}.listener.v3.Listener`);
    assert.match(
      message,
      dataPlane === 'weft' ? /filter_chains\[0\]\.filters\[0\]\.typed_config\.stat_prefix/ : /StatPrefix/,
    );
    assert.equal((await ask(url, { agent })).headers['x-mark'], 'two', 'what was there goes on');
    // This server answers a refusal with the same again, where it says the state of the world.
    assert.ok((await plane.stat('listener_manager.lds.update_rejected')) > 0);

    await xds.set('test', resources({ ...bad, listeners: [] }));
    await until('the address to be free', async () => {
      const refused = await send(port, httpText('GET / HTTP/1.1', ['Host: a']), { answers: 1 }).catch(() => 'refused');
      return refused === 'refused' ? true : undefined;
    });
  });
}

function inFile(type: string, version: string, given: readonly object[]): string {
  return JSON.stringify({ version_info: version, resources: given.map((one) => ({ '@type': type, ...one })) });
}

function fileListener(port: number, mark: string): object {
  return httpListener(port, { route_config: { name: 'local', ...marked(mark) } });
}

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane} follows files that are moved to the place of others`, async (t) => {
    const folder = temporaryFolder(t);
    const upstream = await startRecordingUpstream(t);
    const port = await freePort();
    const move = (name: string, text: string) => {
      writeFileSync(join(folder, `${name}.new`), text);
      renameSync(join(folder, `${name}.new`), join(folder, name));
    };
    const listeners = (version: string, given: readonly object[]) =>
      move('lds.json', inFile(`${TYPE}.listener.v3.Listener`, version, given));
    move('cds.json', inFile(`${TYPE}.cluster.v3.Cluster`, '1', [staticCluster('a', upstream.port)]));
    listeners('1', [fileListener(port, 'one')]);
    const plane = await startPlane(t, { dataPlane, bootstrap: 'xds-files.yaml', folder, ports: {} });
    const mark = async () => (await ask(`http://127.0.0.1:${port}/`, {})).headers['x-mark'];
    assert.equal(await mark(), 'one');
    listeners('2', [fileListener(port, 'two')]);
    await until('the other route', async () => ((await mark()) === 'two' ? true : undefined));
    listeners('3', [{ ...fileListener(port, 'three'), filter_chains: [] }]);
    await until('the refusal', async () =>
      (await plane.stat('listener_manager.lds.update_rejected')) === 1 ? true : undefined,
    );
    assert.equal(await mark(), 'two', 'what was there goes on');
    assert.equal(await plane.stat('cluster_manager.cds.update_success'), 1);
  });
}
