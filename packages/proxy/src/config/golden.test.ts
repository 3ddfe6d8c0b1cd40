import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decode, encodeUnknown, type MessageName } from '@weft/envoy-api';
import { cluster, clusterLoadAssignment } from './cluster.ts';
import { listener } from './listener.ts';
import { routeConfiguration } from './route.ts';
import { type ConfigIssue, type MessageSchema, NOT_SUPPORTED, Place } from './schema.ts';

/** What the control plane's own golden snapshots hold, by kind. */
const KINDS: Readonly<Record<string, MessageSchema<unknown>>> = {
  cluster,
  endpoint: clusterLoadAssignment,
  listener,
  route: routeConfiguration,
};

const FOLDER = new URL('../../../xds-server/src/testdata/', import.meta.url);
const GOLDEN = readdirSync(FOLDER).map((file): readonly [string, Record<string, readonly unknown[]>] => [
  file,
  JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')),
]);

function issuesOf(schema: MessageSchema<unknown>, resource: unknown): readonly ConfigIssue[] {
  const place = new Place();
  schema.parse(resource, place);
  return place.issues;
}

function schemaOf(kind: string): MessageSchema<unknown> {
  const schema = KINDS[kind];
  assert.ok(schema, `a snapshot holds resources of the kind ${kind}, which no schema is for`);
  return schema;
}

for (const [file, snapshot] of GOLDEN) {
  test(`${file}: everything that the control plane sends is taken, before and after it went over the wire`, () => {
    for (const [kind, resources] of Object.entries(snapshot)) {
      const schema = schemaOf(kind);
      for (const resource of resources) {
        assert.deepEqual(issuesOf(schema, resource), []);
        const messageName = schema.name as MessageName;
        const received = decode(messageName, encodeUnknown(messageName, resource));
        assert.deepEqual(issuesOf(schema, received), []);
      }
    }
  });
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Parts where anything may stand: they are kept, and nothing acts on them. */
const FREE = new Set(['filter_metadata', 'typed_filter_metadata', 'json_format']);

/** Every message within a resource, and the path to it. */
function* messages(value: unknown, path: string): Generator<readonly [path: string, message: Record<string, unknown>]> {
  if (Array.isArray(value)) {
    for (const [index, entry] of value.entries()) yield* messages(entry, `${path}[${index}]`);
  }
  if (!isObject(value)) return;
  yield [path, value];
  for (const [key, entry] of Object.entries(value)) {
    if (FREE.has(key)) continue;
    const inner = path === '' ? key : `${path}.${key}`;
    if (key === 'typed_extension_protocol_options') {
      for (const [name, option] of Object.entries(entry as object)) {
        yield* messages(option, `${inner}[${JSON.stringify(name)}]`);
      }
    } else yield* messages(entry, inner);
  }
}

test('a field that is not supported is refused by its path, wherever it stands', () => {
  let places = 0;
  for (const [file, snapshot] of GOLDEN) {
    for (const [kind, resources] of Object.entries(snapshot)) {
      for (const resource of resources) {
        for (const [path, message] of [...messages(resource, '')]) {
          message.no_such_field = {};
          const expected = path === '' ? 'no_such_field' : `${path}.no_such_field`;
          assert.deepEqual(issuesOf(schemaOf(kind), resource), [{ path: expected, message: NOT_SUPPORTED }], file);
          delete message.no_such_field;
          places++;
        }
      }
    }
  }
  assert.ok(places > 100);
});
