/** Whatever changes while a client is answering, it ends with what it is to have, and never refers to what it lacks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, RESOURCE_TYPES, typeUrl } from '@weft/envoy-api';
import { EncodedResource, encodeResource, SERVED_TYPES, type ServedType } from '../snapshot/resource.ts';
import { createSnapshot, eachResource, layerOf, type Snapshot } from '../snapshot/snapshot.ts';
import { Differences } from './differences.ts';
import { AdsStream } from './stream.ts';
import { DELTA, SOTW, type Variant } from './wire.ts';

/** Numbers that look like chance and are the same each time (mulberry32). */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const CLUSTERS = ['a', 'b', 'c', 'd', 'e'];

function cluster(name: string, content: number): EncodedResource {
  return encodeResource('cluster', name, { name, alt_stat_name: String(content) }, { endpoint: [name] });
}

function endpoint(name: string, port: number): EncodedResource {
  const address = { socket_address: { address: '10.0.0.1', port_value: port } };
  return encodeResource('endpoint', name, {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
  });
}

function route(name: string, to: readonly string[]): EncodedResource {
  const routes = to.map((one) => ({ match: { prefix: `/${one}` }, route: { cluster: one } }));
  return encodeResource('route', name, { name, virtual_hosts: [{ name, domains: ['*'], routes }] }, { cluster: to });
}

/** A snapshot of some clusters, with routes to some of these. */
function anySnapshot(random: (below: number) => number): Snapshot {
  const there = CLUSTERS.filter(() => random(3) > 0);
  const listeners = ['l', 'm'].filter(() => random(4) > 0);
  const own = [
    ...there.flatMap((name) => [cluster(name, random(3)), endpoint(name, 1 + random(4))]),
    ...listeners.flatMap((name) => [
      encodeResource('listener', name, { name, stat_prefix: String(random(2)) }, { route: [name] }),
      route(
        name,
        there.filter(() => random(2) > 0),
      ),
    ]),
  ];
  return createSnapshot({ layer: layerOf([]), hash: '' }, own);
}

interface Taken {
  readonly type: ServedType;
  readonly isGood: boolean;
}

type Kept = { readonly [T in ServedType]: Map<string, string> };

/** A client in the manner of Envoy: it asks for load assignments of its clusters and routes of its listeners. */
class Client {
  readonly kept: Kept = { cluster: new Map(), endpoint: new Map(), listener: new Map(), route: new Map() };
  readonly inbox: Buffer[] = [];
  stream: AdsStream;
  readonly #variant: Variant;
  /** Versions that it refuses. */
  readonly #bad: ReadonlySet<string>;
  readonly #asked: { readonly endpoint: Set<string>; readonly route: Set<string> } = {
    endpoint: new Set(),
    route: new Set(),
  };

  constructor(variant: Variant, bad: ReadonlySet<string>) {
    this.#variant = variant;
    this.#bad = bad;
    this.stream = this.#open();
  }

  #open(): AdsStream {
    return new AdsStream({
      variant: this.#variant,
      identifier: 'test',
      patienceMs: 5000,
      now: () => 0,
      later: () => () => undefined,
      send: (message) => {
        this.inbox.push(message);
        return true;
      },
    });
  }

  start(): void {
    for (const type of ['cluster', 'endpoint', 'listener', 'route'] as const) {
      const names = type === 'endpoint' || type === 'route' ? [...this.#asked[type]] : [];
      if (names.length > 0 || type === 'cluster' || type === 'listener') this.#say(type, '', names, [], true);
    }
  }

  /** Loses its stream with all that was under way, and comes back with what it has. */
  reconnect(offer: () => void): void {
    this.inbox.length = 0;
    this.#nonces.clear();
    this.stream = this.#open();
    offer();
    this.start();
  }

  #say(
    type: ServedType,
    nonce: string,
    subscribe: readonly string[],
    unsubscribe: readonly string[],
    isBack = false,
    refusal?: string,
  ): void {
    const error = refusal === undefined ? {} : { error_detail: { code: 3, message: refusal } };
    const common = { type_url: typeUrl(RESOURCE_TYPES[type]), response_nonce: nonce, ...error };
    if (this.#variant === DELTA) {
      const initial_resource_versions = isBack ? Object.fromEntries(this.kept[type]) : {};
      const changes = { resource_names_subscribe: subscribe, resource_names_unsubscribe: unsubscribe };
      const names = { ...changes, initial_resource_versions };
      this.stream.hear(DELTA.read(encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', { ...common, ...names })));
    } else {
      const names = type === 'endpoint' || type === 'route' ? [...this.#asked[type]] : [];
      const request = { ...common, resource_names: names };
      this.stream.hear(SOTW.read(encode('envoy.service.discovery.v3.DiscoveryRequest', request)));
    }
  }

  readonly #nonces = new Map<ServedType, string>();

  /** Takes one response, answers it, and asks for what follows from it. */
  step(): void {
    const bytes = this.inbox.shift();
    if (!bytes) return;
    const taken = this.#variant === DELTA ? this.#takeDelta(bytes) : this.#takeAll(bytes);
    const { type } = taken;
    if (!taken.isGood) {
      this.#say(type, this.#nonces.get(type) ?? '', [], [], false, 'bad');
      return;
    }
    this.#say(type, this.#nonces.get(type) ?? '', [], []);
    if (type === 'cluster') this.#follow('cluster', 'endpoint');
    if (type === 'listener') this.#follow('listener', 'route');
  }

  /** Takes a response whole, or refuses it whole. */
  #takeDelta(bytes: Buffer): Taken {
    const message = decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes);
    const type = this.#note(message);
    const { resources = [], removed_resources: removed = [] } = message;
    if (resources.some(({ version = '' }) => this.#bad.has(version))) return { type, isGood: false };
    for (const { name = '', version = '' } of resources) this.#keep(type, name, version);
    for (const name of removed) this.kept[type].delete(name);
    return { type, isGood: true };
  }

  #takeAll(bytes: Buffer): Taken {
    const message = decode('envoy.service.discovery.v3.DiscoveryResponse', bytes);
    const type = this.#note(message);
    const resources = (message.resources ?? []).map((any) => {
      const { '@type': _, ...fields } = any as { '@type': string; name?: string; cluster_name?: string };
      const name = fields.name ?? fields.cluster_name ?? '';
      return new EncodedResource(type, name, encode(RESOURCE_TYPES[type], fields), {});
    });
    if (resources.some(({ version }) => this.#bad.has(version))) return { type, isGood: false };
    if (type === 'cluster' || type === 'listener') this.kept[type].clear();
    for (const { name, version } of resources) this.#keep(type, name, version);
    return { type, isGood: true };
  }

  /** What it no longer asks for may still come; it passes over that. */
  #keep(type: ServedType, name: string, version: string): void {
    const isAsked = type === 'cluster' || type === 'listener' || this.#asked[type].has(name);
    if (isAsked) this.kept[type].set(name, version);
  }

  #note({ type_url: url, nonce = '' }: { readonly type_url?: string; readonly nonce?: string }): ServedType {
    const type = SERVED_TYPES.find((one) => typeUrl(RESOURCE_TYPES[one]) === url);
    assert.ok(type);
    this.#nonces.set(type, nonce);
    return type;
  }

  #follow(from: 'cluster' | 'listener', to: 'endpoint' | 'route'): void {
    const wanted = new Set(this.kept[from].keys());
    const added = [...wanted].filter((name) => !this.#asked[to].has(name));
    const dropped = [...this.#asked[to]].filter((name) => !wanted.has(name));
    for (const name of added) this.#asked[to].add(name);
    for (const name of dropped) {
      this.#asked[to].delete(name);
      this.kept[to].delete(name);
    }
    if (added.length + dropped.length === 0) return;
    // Over the state of the world what it asks for goes with the nonce that it saw last.
    this.#say(to, this.#variant === DELTA ? '' : (this.#nonces.get(to) ?? ''), added, dropped);
  }
}

/** Every route of the client leads to clusters that it has. */
function assertWhole({ kept }: Client, routes: ReadonlyMap<string, readonly string[]>, seed: number): void {
  for (const [name, version] of kept.route) {
    for (const to of routes.get(version) ?? []) {
      assert.ok(kept.cluster.has(to), `seed ${seed}: route ${name} leads to ${to}, which the client has not`);
      assert.ok(kept.endpoint.has(to), `seed ${seed}: route ${name} leads to ${to}, whose endpoints it has not`);
    }
  }
}

interface Trouble {
  readonly reconnects: boolean;
  readonly refusals: boolean;
}

function run(variant: Variant, seed: number, { reconnects, refusals }: Trouble): void {
  const random = chance(seed);
  const bad = new Set<string>();
  const client = new Client(variant, bad);
  const differences = new Differences();
  const routes = new Map<string, readonly string[]>();
  let snapshot = anySnapshot(random);
  let revision = 0;
  // Over the state of the world a client that comes back cannot say what it has, so that it loses it at once; and what
  // it refuses holds up nobody, so that the route that it keeps in its place may lose its clusters.
  const isLax = refusals || (variant === SOTW && reconnects);
  const look = isLax ? () => undefined : () => assertWhole(client, routes, seed);
  const offer = () => {
    for (const { version, needs } of eachResource(snapshot.sets.route)) {
      routes.set(version, needs.cluster ?? []);
      if (refusals && needs.cluster?.includes('c')) bad.add(version);
    }
    const before = client.stream.snapshot;
    const changes = before && differences.between(before, snapshot);
    client.stream.offer(snapshot, { revision, registryRevision: revision }, changes);
  };
  offer();
  client.start();
  for (let n = 0; n < 120; n++) {
    const what = random(40);
    if (what < 10) {
      snapshot = anySnapshot(random);
      revision++;
      offer();
    } else if (what === 39 && reconnects) client.reconnect(offer);
    else client.step();
    look();
  }
  for (let n = 0; client.inbox.length > 0; n++) {
    assert.ok(n < 200, `seed ${seed}: it never comes to rest`);
    client.step();
    look();
  }
  assertArrived(client, snapshot, bad, seed);
  const isRefused = [...eachResource(snapshot.sets.route)].some(({ version }) => bad.has(version));
  const { accepted, refusals: told } = client.stream.progress();
  if (isRefused) assert.equal(told.length, 1, `seed ${seed}: the refusal is told`);
  else assert.deepEqual([accepted.revision, told], [revision, []], `seed ${seed}: accepted`);
}

/** The client has everything, but what it refuses; of that it may have what it had. */
function assertArrived({ kept }: Client, snapshot: Snapshot, bad: ReadonlySet<string>, seed: number): void {
  for (const type of SERVED_TYPES) {
    const all = [...eachResource(snapshot.sets[type])];
    const refused = new Set(all.filter(({ version }) => bad.has(version)).map(({ name }) => name));
    const good = all.filter(({ name }) => !refused.has(name));
    const expected = Object.fromEntries(good.map(({ name, version }) => [name, version]));
    const has = Object.fromEntries([...kept[type]].filter(([name]) => !refused.has(name)));
    assert.deepEqual(has, expected, `seed ${seed}: ${type}`);
  }
}

const TROUBLES: Readonly<Record<string, Trouble>> = {
  'without trouble': { reconnects: false, refusals: false },
  'through lost streams': { reconnects: true, refusals: false },
  'with routes that it refuses': { reconnects: false, refusals: true },
  'through both': { reconnects: true, refusals: true },
};

for (const variant of [DELTA, SOTW]) {
  for (const [name, trouble] of Object.entries(TROUBLES)) {
    test(`a client comes to have the newest snapshot and never lacks what it refers to, ${name}, over ${variant.name}`, () => {
      for (let seed = 1; seed <= 100; seed++) run(variant, seed, trouble);
    });
  }
}
