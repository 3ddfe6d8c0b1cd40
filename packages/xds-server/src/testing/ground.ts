/** A running xds-server with its bus and what an agent would serve beside it, for tests. */
import type { TestContext } from 'node:test';
import type { Bus } from '@weft/bus';
import { openEmbeddedBus } from '@weft/bus/embedded';
import { logs, type Operation, type ProxyStatus, states, type Workload } from '@weft/contracts/bus';
import { any, decode, encode } from '@weft/envoy-api';
import { createTestMesh, type TestMesh } from '@weft/identity/testing';
import { resourceKey } from '@weft/model';
import { readResource } from '@weft/policies';
import { type GrpcServer, listen, type RawStream, rawService } from '@weft/rpc';
import type { RunningService } from '@weft/service';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { startXdsServer, type XdsOptions } from '../index.ts';

export interface RunningServer {
  readonly service: RunningService;
  readonly metrics: Registry;
  readonly instanceId: string;
  /** Where it listens, in the clear. */
  readonly address: string;
  stop(): Promise<void>;
}

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';

/** Waits until `look` gives something, at most that long. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  limitMs = 20_000,
): Promise<T> {
  for (const endMs = Date.now() + limitMs; ; ) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > endMs) throw new Error(`waited ${limitMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export class Ground {
  readonly bus: Bus;
  readonly mesh: TestMesh = createTestMesh('weft.test');
  /** Log names of the access log entries that came, by node. */
  readonly accessLogs: string[] = [];
  readonly #identities = new Map<string, Workload>();
  readonly #servers = new Set<RunningServer>();
  #started = 0;

  private constructor(bus: Bus) {
    this.bus = bus;
  }

  /** Ends with the test. */
  static async open(t: TestContext): Promise<Ground> {
    const ground = new Ground(await openEmbeddedBus({ path: ':memory:' }));
    t.after(() => ground.#close());
    const trust = { trustDomain: ground.mesh.trustDomain, roots: [ground.mesh.rootPem] };
    await ground.bus.state(states.trust).put('bundle', trust);
    return ground;
  }

  async #close(): Promise<void> {
    for (const server of [...this.#servers]) await server.stop();
    await this.bus.close();
  }

  /** Starts an instance; at a given port it takes the place of an earlier one. */
  async serve(options: XdsOptions & { readonly port?: number } = {}): Promise<RunningServer> {
    const { port = 0, ...xds } = options;
    const abort = new AbortController();
    const metrics = new Registry();
    const instanceId = `xds-${++this.#started}`;
    const service = await startXdsServer(
      {
        bus: this.bus,
        log: pino({ level: 'silent' }),
        metrics,
        clock: { now: () => Date.now() },
        instanceId,
        signal: abort.signal,
      },
      { requireIdentity: false, ...xds },
    );
    const server: GrpcServer = await listen({
      address: `127.0.0.1:${port}`,
      services: [...service.node, this.#secrets(), this.#logs()],
    });
    const running: RunningServer = {
      service,
      metrics,
      instanceId,
      address: server.address,
      stop: async () => {
        this.#servers.delete(running);
        abort.abort();
        await service.stop();
        await server.close();
      },
    };
    this.#servers.add(running);
    return running;
  }

  /** The secrets of a node, as its agent would serve them. */
  #secrets() {
    return rawService({
      '/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets': (stream) => void this.#serveSecrets(stream),
    });
  }

  async #serveSecrets(stream: RawStream): Promise<void> {
    let id = '';
    try {
      for await (const bytes of stream.messages) {
        const request = decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', bytes);
        id ||= request.node?.id ?? '';
        const names = request.resource_names_subscribe ?? [];
        if (names.length === 0) continue;
        const resources = names.map((name) => ({ name, version: '1', resource: any(SECRET, this.#secret(id, name)) }));
        const response = { type_url: `type.googleapis.com/${SECRET}`, nonce: '1', resources };
        stream.send(encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', response));
      }
    } catch {
      // The proxy left; the stream ends below.
    }
    stream.end();
  }

  #secret(nodeId: string, name: string) {
    const text = (content: string) => ({ inline_string: content });
    if (name === 'weft/trust') return { name, validation_context: { trusted_ca: text(this.mesh.rootPem) } };
    const spiffeId = this.#identities.get(nodeId)?.spiffeId ?? '';
    const [, namespace = '', account = ''] = /\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(spiffeId) ?? [];
    const svid = this.mesh.issue(namespace, account);
    return { name, tls_certificate: { certificate_chain: text(svid.chainPem), private_key: text(svid.keyPem) } };
  }

  #logs() {
    return rawService({
      '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs': (stream) => void this.#readLogs(stream),
    });
  }

  async #readLogs(stream: RawStream): Promise<void> {
    let node = '';
    let name = '';
    try {
      for await (const bytes of stream.messages) {
        const message = decode('envoy.service.accesslog.v3.StreamAccessLogsMessage', bytes);
        node = message.identifier?.node?.id ?? node;
        name = message.identifier?.log_name ?? name;
        const entries = message.http_logs?.log_entry ?? message.tcp_logs?.log_entry ?? [];
        for (const _ of entries) this.accessLogs.push(`${node} ${name}`);
      }
    } catch {
      // The proxy left; the stream ends below.
    }
    stream.end();
  }

  /** Appends a change-set; gives the revision. */
  apply(...documents: readonly object[]): Promise<number> {
    const operations = documents.map((document): Operation => {
      const json = JSON.stringify(document);
      const parsed = readResource(json);
      if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.violations));
      return { action: 'PUT', key: resourceKey(parsed.resource), json };
    });
    return this.bus.log(logs.config).append({ author: 'test', atMs: 0, reason: '', operations });
  }

  /** Puts a workload into the registry; gives the revision. */
  register(workload: Workload): Promise<number> {
    const key = `${workload.namespace}/${workload.id}`;
    this.#identities.set(key, workload);
    return this.bus.state(states.workloads).put(key, workload);
  }

  /** Has the proxy of a workload show another's certificate, as a forger would. */
  disguise(workload: Workload, as: Workload): void {
    this.#identities.set(`${workload.namespace}/${workload.id}`, as);
  }

  deregister(workload: Workload): Promise<number> {
    return this.bus.state(states.workloads).delete(`${workload.namespace}/${workload.id}`);
  }

  /** Waits until the status of a proxy is as `isAsked` has it. */
  status(proxyId: string, isAsked: (status: ProxyStatus) => boolean): Promise<ProxyStatus> {
    return eventually(`the status of ${proxyId}`, async () => {
      const entry = await this.bus.state(states.proxies).get(proxyId);
      return entry && isAsked(entry.value) ? entry.value : undefined;
    });
  }
}
