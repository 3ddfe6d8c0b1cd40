/** Both data planes on an xDS server that says what the tests have it say: what others' servers say now and then. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { httpListener, loadAssignment, routes, staticCluster } from '@weft/proxy/testing';
import { ask, DATA_PLANES, type DataPlane, freePort, until } from './harness.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';
import { startRecordingUpstream } from './proxy-testing/recording-upstream.ts';
import { type ScriptedStream, type ScriptedVariant, ScriptedXds } from './proxy-testing/scripted-xds.ts';

const ADS = { resource_api_version: 'V3', ads: {} };

const VARIANTS: readonly ScriptedVariant[] = ['delta', 'sotw'];

function listener(name: string, port: number): object {
  return httpListener(port, { rds: { route_config_name: 'local', config_source: ADS } }, name);
}

function cluster(name: string): object {
  return { name, type: 'EDS', connect_timeout: '2s', eds_cluster_config: { eds_config: ADS } };
}

function table(mark: string): object {
  const header = { header: { key: 'x-mark', value: mark }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' };
  const route = { match: { prefix: '/' }, route: { cluster: 'a' }, response_headers_to_add: [header] };
  return { name: 'local', ...routes(route) };
}

interface Served {
  readonly xds: ScriptedXds;
  readonly stream: ScriptedStream;
  readonly plane: Plane;
  readonly port: number;
  readonly upstream: number;
  /** Status and mark of an answer, or that there is none. */
  look(): Promise<string>;
}

/** A data plane that serves a listener, a route table and a cluster of such a server. */
async function serve(t: TestContext, dataPlane: DataPlane, variant: ScriptedVariant): Promise<Served> {
  const [folder, port, upstream] = [temporaryFolder(t), await freePort(), await startRecordingUpstream(t)];
  const xds = await ScriptedXds.start(t, variant);
  const edit = (text: string) => (variant === 'delta' ? text : text.replace('api_type: DELTA_GRPC', 'api_type: GRPC'));
  const starting = startPlane(t, { dataPlane, bootstrap: 'xds.yaml', folder, ports: { 18000: xds.port }, edit });
  const stream = await xds.stream();
  await stream.tell('cluster', [cluster('a')]);
  await stream.tell('endpoint', [loadAssignment('a', upstream.port)]);
  await stream.tell('listener', [listener('http', port)]);
  await stream.tell('route', [table('one')]);
  const plane = await starting;
  const look = async () => {
    const answer = await ask(`http://127.0.0.1:${port}/`, {}).catch(() => undefined);
    return answer ? `${answer.status} ${answer.headers['x-mark'] ?? ''}` : 'none';
  };
  await until('traffic', async () => ((await look()) === '200 one' ? true : undefined));
  return { xds, stream, plane, port, upstream: upstream.port, look };
}

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane} goes on with endpoints and routes that a server says no more of`, async (t) => {
    const { stream, plane, look } = await serve(t, dataPlane, 'delta');
    await stream.tell('endpoint', [], { version: '2', removed: ['a'] });
    await stream.tell('route', [], { version: '2', removed: ['local'] });
    assert.equal(await look(), '200 one');
    await stream.tell('route', [table('two')], { version: '3' });
    await until('the new routes', async () => ((await look()) === '200 two' ? true : undefined));
    assert.equal(await plane.stat('http.http.rds.local.config_reload'), 2);
    assert.equal(await plane.stat('http.http.rds.local.init_fetch_timeout'), 0);
    await stream.tell('endpoint', [{ cluster_name: 'a' }], { version: '3' });
    assert.match(await look(), /^503/, 'an assignment without endpoints is another thing');
  });

  test(`${dataPlane} takes messages of many megabytes`, async (t) => {
    const { stream, look } = await serve(t, dataPlane, 'sotw');
    const metadata = { filter_metadata: { large: { text: 'x'.repeat(20_000_000) } } };
    const { error_detail: refusal } = await stream.tell('cluster', [cluster('a'), staticCluster('b', 9, { metadata })]);
    assert.equal(refusal, undefined);
    assert.equal(await look(), '200 one');
  });

  test(`${dataPlane} says in each request who asks, over deltas too`, async (t) => {
    const { stream } = await serve(t, dataPlane, 'delta');
    const { node } = await stream.tell('cluster', [cluster('a')], { version: '2' });
    assert.equal(node?.id, 'test');
  });
}

for (const { dataPlane, variant } of DATA_PLANES.flatMap((one) =>
  VARIANTS.map((other) => ({ dataPlane: one, variant: other })),
)) {
  test(`${dataPlane} refuses nobody while a listener takes the address of another, over ${variant}`, async (t) => {
    const { stream, port, look } = await serve(t, dataPlane, variant);
    const seen = new Map<string, number>();
    let isOver = false;
    const clients = Array.from({ length: 3 }, async () => {
      while (!isOver) {
        const what = await look();
        seen.set(what, (seen.get(what) ?? 0) + 1);
      }
    });
    const names = ['http', 'second', 'third', 'fourth'];
    for (const [index, name] of names.slice(1).entries()) {
      const removed = variant === 'delta' ? [names[index] ?? ''] : [];
      const { error_detail: refusal } = await stream.tell('listener', [listener(name, port)], {
        version: name,
        removed,
      });
      assert.equal(refusal, undefined);
      const before = seen.get('200 one') ?? 0;
      await until('more answers', () => ((seen.get('200 one') ?? 0) > before + 20 ? true : undefined));
    }
    isOver = true;
    await Promise.all(clients);
    assert.deepEqual([...seen.keys()], ['200 one']);
  });
}
