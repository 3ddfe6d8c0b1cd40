import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { encodeUnknown, RESOURCE_TYPES, typeUrl } from '@weft/envoy-api';
import type { ResourceSource } from '../config/config-source.ts';
import { watchFolder } from './file-source.ts';
import { ClientGround } from './testing/ground.ts';
import { CollectionRecorder, Recorder } from './testing/recorders.ts';
import { resourceOf } from './testing/scripted-server.ts';

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-files-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function eventually(what: string, isThere: () => boolean): Promise<void> {
  for (const endMs = performance.now() + 20_000; !isThere(); ) {
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function clusters(version: string, names: readonly string[]): object {
  return { version_info: version, resources: names.map((name) => resourceOf('cluster', name)) };
}

function fileSource(path: string, folder?: string): ResourceSource {
  return { type: 'file', path, folder, initialFetchTimeoutMs: 0 };
}

test('a file says what there is, and says it anew when another is moved to its place', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'clusters.json');
  const replace = (text: string) => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  replace(JSON.stringify(clusters('1', ['a', 'b'])));
  const { client, log, stat } = bound(new ClientGround());
  t.after(() => client.close());
  const recorder = new CollectionRecorder();
  client.watchAll(fileSource(path), 'cluster', recorder);
  await eventually('what is there', () => recorder.told.length === 1);
  replace('{ "version_info": ');
  await eventually('the failure', () => log.lines.some((line) => line.includes('cannot be read')));
  assert.equal(stat('cluster_manager.cds.update_failure'), 1);
  replace(JSON.stringify(clusters('2', ['b', 'c'])));
  await eventually('what is new', () => recorder.told.length === 2);
  assert.deepEqual(recorder.told, ['a@1 b@1', 'c@2 -a']);
  recorder.issues = [{ name: 'd', path: 'lb_policy', message: 'no' }];
  replace(JSON.stringify(clusters('3', ['b', 'c', 'd'])));
  await eventually('the refusal', () => stat('cluster_manager.cds.update_rejected') === 1);
});

test('a watched folder is what is looked at, as where a link in it is moved', async (t) => {
  const folder = temporaryFolder(t);
  for (const version of ['1', '2']) {
    mkdirSync(join(folder, version));
    const text = `version_info: "${version}"\nresources:\n- "@type": ${typeUrl(RESOURCE_TYPES.secret)}\n  name: s\n`;
    writeFileSync(
      join(folder, version, 'sds.yaml'),
      `${text}  generic_secret: { secret: { inline_string: "${version}" } }\n`,
    );
  }
  symlinkSync('1', join(folder, 'data'));
  const { client } = new ClientGround();
  t.after(() => client.close());
  const recorder = new Recorder();
  client.watch(fileSource(join(folder, 'data', 'sds.yaml'), folder), 'secret', 's', recorder);
  await eventually('the secret', () => recorder.told.length === 1);
  symlinkSync('2', join(folder, 'data.new'));
  renameSync(join(folder, 'data.new'), join(folder, 'data'));
  await eventually('the next', () => recorder.told.length === 2);
  assert.deepEqual(recorder.told, ['1', '2']);
});

test('a file in binary holds the same; one of another type is not taken', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'clusters.pb');
  writeFileSync(path, encodeUnknown('envoy.service.discovery.v3.DiscoveryResponse', clusters('1', ['a'])));
  const other = join(folder, 'other.json');
  writeFileSync(other, JSON.stringify({ type_url: typeUrl(RESOURCE_TYPES.route), resources: [] }));
  const { client, log } = new ClientGround();
  t.after(() => client.close());
  const [recorder, wrong] = [new CollectionRecorder(), new CollectionRecorder()];
  client.watchAll(fileSource(path), 'cluster', recorder);
  client.watchAll(fileSource(other), 'cluster', wrong);
  await eventually('what is there', () => recorder.told.length === 1);
  await eventually('the failure', () => log.lines.some((line) => line.includes('cluster resources were expected')));
  assert.deepEqual([recorder.told, wrong.told], [['a@1'], []]);
});

function bound(ground: ClientGround) {
  return { client: ground.client, log: ground.log, stat: (name: string) => ground.stat(name) };
}

test('a file that is written at its place is told once it is no longer written', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'clusters.yaml');
  const seen: string[] = [];
  const unwatch = watchFolder(folder, (name) => seen.push(`${name}: ${readFileSync(path, 'utf8')}`), 1000);
  t.after(unwatch);
  writeFileSync(path, 'a');
  for (const part of ['b', 'c']) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    appendFileSync(path, part);
  }
  await eventually('the file', () => seen.length > 0);
  assert.deepEqual(seen, ['clusters.yaml: abc']);
});
