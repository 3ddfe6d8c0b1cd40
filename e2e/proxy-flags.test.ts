/** Flags and signals that those who run Envoy give it: both data planes take them the same way. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask, DATA_PLANES, until } from './harness.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { startPlane } from './proxy-testing/plane.ts';

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: the node, the log and the address of the admin interface are as flags say`, async (t) => {
    const folder = temporaryFolder(t);
    const at = (name: string): string => join(folder, name);
    const node = ['--service-node', 'node-1', '--service-cluster', 'web', '--service-zone', 'zone-1'];
    const files = ['--log-path', at('log'), '--admin-address-path', at('admin')];
    const noEffect = ['--component-log-level', 'upstream:info', '--allow-unknown-static-fields'];
    const flags = [...node, ...files, ...noEffect];
    const plane = await startPlane(t, { dataPlane, bootstrap: 'http-edges.yaml', folder, ports: {}, flags });
    assert.equal(readFileSync(at('admin'), 'utf8').trim(), `127.0.0.1:${plane.adminPort}`);
    const told = JSON.parse((await plane.admin('/server_info')).body) as { readonly node: object };
    assert.partialDeepStrictEqual(told.node, { id: 'node-1', cluster: 'web', locality: { zone: 'zone-1' } });

    plane.signal('SIGHUP');
    renameSync(at('log'), at('log.1'));
    plane.signal('SIGUSR1');
    await until('a log of its own again', () => (existsSync(at('log')) ? true : undefined));
    assert.ok((await ask(`http://127.0.0.1:${plane.port()}/`)).status > 0, 'it serves');
    plane.signal('SIGTERM');
    assert.equal(await plane.ended, 0);
  });
}

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: a file for the address that cannot be written is told, and it serves and ends all the same`, async (t) => {
    const folder = temporaryFolder(t);
    const flags = ['--admin-address-path', join(folder, 'none', 'admin')];
    const plane = await startPlane(t, { dataPlane, bootstrap: 'http-edges.yaml', folder, ports: {}, flags });
    assert.ok((await ask(`http://127.0.0.1:${plane.port()}/`)).status > 0, 'it serves');
    assert.match(plane.text(), /address/);
    plane.signal('SIGTERM');
    assert.equal(await plane.ended, 0);
  });
}

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: a log on a full disk costs its lines, and nothing else`, async (t) => {
    const folder = temporaryFolder(t);
    const flags = ['--log-path', '/dev/full'];
    const plane = await startPlane(t, { dataPlane, bootstrap: 'http-edges.yaml', folder, ports: {}, flags });
    assert.ok((await ask(`http://127.0.0.1:${plane.port()}/`)).status > 0, 'it serves');
    plane.signal('SIGTERM');
    assert.equal(await plane.ended, 0);
  });
}
