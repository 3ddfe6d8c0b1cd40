import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DATA_PLANES, type Mesh, openMesh, until } from './harness.ts';
import { firstAnswer, startTraffic } from './traffic.ts';

const CANARY = join(import.meta.dirname, '../examples/shop/canary.yaml');

/** The versions of the workloads of a service that are READY by the registry. */
async function readyVersions(mesh: Mesh, service: string): Promise<readonly string[]> {
  const { code, out, err } = await mesh.weft('get', 'workloads', '-o', 'json');
  assert.equal(code, 0, err);
  const workloads: { service: string; health: string; labels: { version?: string } }[] = JSON.parse(out);
  const ready = workloads.filter((workload) => workload.service === service && workload.health === 'READY');
  return ready.map(({ labels }) => labels.version ?? '').sort();
}

test('what apply has reported stands, though the control plane is killed the moment after', async (t) => {
  const mesh = openMesh(t);
  let up = await mesh.up();
  const reasons: string[] = [];
  for (const weight of [90, 80, 70]) {
    const reason = `weight ${weight}`;
    const document = {
      apiVersion: 'weft.mesh/v1',
      kind: 'Service',
      metadata: { name: 'stock', labels: { weight: String(weight) } },
      spec: {},
    };
    const file = join(mesh.folder, 'service.json');
    writeFileSync(file, JSON.stringify(document));
    const applied = await mesh.weft('apply', '-f', file, '-m', reason);
    await up.kill();
    assert.equal(applied.code, 0, applied.err);
    reasons.unshift(reason);
    up = await mesh.up();
    const changes: { changeSet: { reason: string } }[] = JSON.parse(
      (await mesh.weft('get', 'changes', '-o', 'json')).out,
    );
    assert.deepEqual(
      changes.map(({ changeSet }) => changeSet.reason),
      reasons,
    );
  }
});

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: weft up is killed and started again under traffic; no request fails, nothing is lost and nothing stale is served`, async (t) => {
    const mesh = openMesh(t, dataPlane);
    let up = await mesh.up('--expires-after', '5s');
    const web = await mesh.run('web', { calls: ['stock'] });
    const [, , drained] = await Promise.all(['v1', 'v2', 'drained'].map((version) => mesh.run('stock', { version })));
    await firstAnswer(web);
    await mesh.ready('stock', 3);
    assert.equal((await mesh.weft('apply', '-f', CANARY)).code, 0);
    const { out: status } = await mesh.weft('status');

    const traffic = startTraffic(t, `http://127.0.0.1:${web.port}/`);
    for (let round = 0; round < 3; round++) {
      await up.kill();
      await traffic.further(30);
      up = await mesh.up('--expires-after', '5s');
      await traffic.further(30);
    }
    const acknowledged = async () => {
      const { out } = await mesh.weft('status');
      return /revision +1; acknowledged by 4 of 4 proxies/.test(out) ? out : undefined;
    };
    const after = await until('all proxies at the revision that stood', acknowledged);
    const trust = /trust domain.*/;
    assert.equal(trust.exec(after)?.[0], trust.exec(status)?.[0]);
    assert.deepEqual(await readyVersions(mesh, 'stock'), ['drained', 'v1', 'v2']);

    // What left while nobody was there to be told is not served when somebody is.
    await up.kill();
    assert.equal((await drained?.process.stop())?.code, 0);
    await traffic.further(30);
    await mesh.up('--expires-after', '5s');
    await until('the instance that left is gone', async () =>
      (await readyVersions(mesh, 'stock')).includes('drained') ? undefined : true,
    );
    const late = await mesh.run('late', { calls: ['stock'] });
    await firstAnswer(late);
    const deleted = await mesh.weft('delete', 'HTTPRoute/stock-canary');
    assert.equal(deleted.code, 0, deleted.out + deleted.err);
    await traffic.further(30);
    assert.deepEqual(await traffic.failures(), []);
  });
}
