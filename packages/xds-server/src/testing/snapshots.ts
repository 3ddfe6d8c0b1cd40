/** Snapshots in the form of golden files and of Envoy's configuration. */
import { decode, RESOURCE_TYPES } from '@weft/envoy-api';
import { deriveMesh, type Mesh, project } from '@weft/model';
import { sketchWorld, type WorldSketch } from '@weft/policies/testing';
import { Compiler } from '../compile/compiler.ts';
import { SERVED_TYPES, type ServedType } from '../snapshot/resource.ts';
import { eachResource, type Snapshot } from '../snapshot/snapshot.ts';

/** A snapshot as ProtoJSON: what went over the wire, read again. */
export function readSnapshot(snapshot: Snapshot): { readonly [T in ServedType]: readonly unknown[] } {
  const read = (type: ServedType) =>
    [...eachResource(snapshot.sets[type])]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ bytes }) => decode(RESOURCE_TYPES[type], bytes));
  const [cluster, endpoint, listener, route] = SERVED_TYPES.map(read);
  return { cluster: cluster ?? [], endpoint: endpoint ?? [], listener: listener ?? [], route: route ?? [] };
}

export interface Compiled {
  readonly mesh: Mesh;
  readonly compiler: Compiler;
  readonly snapshot: Snapshot;
}

/** What one proxy of a world gets. */
export function compileFor(proxyId: string, sketch: WorldSketch): Compiled {
  const mesh = deriveMesh(sketchWorld(sketch));
  const compiler = new Compiler();
  compiler.update(mesh);
  const view = project(mesh, proxyId);
  if (!view) throw new Error(`no workload ${proxyId}`);
  return { mesh, compiler, snapshot: compiler.compile(view) };
}
