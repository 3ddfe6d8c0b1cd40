/** A control plane for tests: all that an agent calls, on one port, with a CA of its own. */
import { type KeyObject, randomBytes } from 'node:crypto';
import { EventEmitter, on } from 'node:events';
import type { Workload } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import { Identity, type JoinResponse, type MeshInfo, Registry, Rollout } from '@weft/contracts/node';
import { decode } from '@weft/envoy-api';
import {
  type Certificate,
  chainToPem,
  createCsr,
  createJoinToken,
  createRoot,
  derToPem,
  formatJoinToken,
  generateKey,
  issueCertificate,
  keyToPem,
  parseCsr,
  publicKeyHash,
  type SpiffeId,
} from '@weft/identity';
import {
  changingTls,
  type GrpcServer,
  type Handlers,
  listen,
  rawService,
  type TlsMaterial,
  typedService,
} from '@weft/rpc';
import { DELTA_ADS } from '../ads-relay.ts';
import { ACCESS_LOGS } from '../als-relay.ts';
import { type FakeResources, FakeXds } from './fake-xds.ts';

const TRUST_DOMAIN = 'mesh.test';
const YEAR_MS = 365 * 24 * 3600 * 1000;

interface Root {
  readonly certificate: Certificate;
  readonly privateKey: KeyObject;
}

function newRoot(): Root {
  const privateKey = generateKey();
  const nowMs = Date.now();
  return {
    privateKey,
    certificate: createRoot({ trustDomain: TRUST_DOMAIN, privateKey, nowMs, lifeMs: 10 * YEAR_MS }),
  };
}

export interface FakeMeshOptions {
  readonly resources?: FakeResources;
  readonly svidLifeMs?: number;
}

export class FakeMesh {
  readonly trustDomain = TRUST_DOMAIN;
  readonly xds: FakeXds;
  /** What happened, in order: `join cart`, `renew cart`, `register cart-1 STARTING`, `deregister cart-1`, … */
  readonly events: string[] = [];
  readonly workloads = new Map<string, Workload>();
  readonly heartbeats: string[] = [];
  /** Paths of requests in access logs, with the log's name. */
  readonly logs: string[] = [];
  readonly token: string;
  svidLifeMs: number;
  /** What the next registrations are refused with. */
  refuseRegistration: WeftError | undefined;
  /** Called after each change of the registry. */
  onRegistry: () => void = () => undefined;
  /** How far the fake CA's clock is from that of the machine. */
  skewMs = 0;
  readonly #tls: ReturnType<typeof changingTls>;
  readonly #changed = new EventEmitter();
  /** The newest first; the newest signs. */
  #roots: readonly Root[];
  #server: GrpcServer | undefined;
  #address = '127.0.0.1:0';
  #revision = 0;

  constructor({ resources = () => ({}), svidLifeMs = YEAR_MS }: FakeMeshOptions = {}) {
    this.xds = new FakeXds(resources);
    this.svidLifeMs = svidLifeMs;
    const root = newRoot();
    this.#roots = [root];
    this.token = formatJoinToken(createJoinToken(publicKeyHash(root.certificate)));
    this.#tls = changingTls(this.#serverTls());
  }

  get address(): string {
    return this.#address;
  }

  get rootsPem(): readonly string[] {
    return this.#roots.map(({ certificate }) => derToPem(certificate.der));
  }

  /** Signs with a new root from now on; the old one is still trusted. */
  addRoot(): void {
    this.#setRoots([newRoot(), ...this.#roots]);
  }

  /** Trusts the newest root alone. */
  dropOldRoots(): void {
    this.#setRoots(this.#roots.slice(0, 1));
  }

  #setRoots(roots: readonly Root[]): void {
    this.#roots = roots;
    this.#tls.set(this.#serverTls());
    this.#changed.emit('mesh');
  }

  #serverTls(): TlsMaterial {
    const own = this.identityOf({ trustDomain: TRUST_DOMAIN, namespace: 'weft-system', serviceAccount: 'ca' });
    return { ...own, chainPem: own.chainPem + (this.rootsPem[0] ?? '') };
  }

  /** A certificate of the mesh with its key, as others hold it. */
  identityOf(id: SpiffeId): {
    readonly chainPem: string;
    readonly keyPem: string;
    readonly rootsPem: readonly string[];
  } {
    const key = generateKey();
    const der = this.#issue(id, parseCsr(createCsr(key)), YEAR_MS);
    return { chainPem: chainToPem([der]), keyPem: keyToPem(key), rootsPem: this.rootsPem };
  }

  /** Listens; after `stop` at the same address again. */
  async start(): Promise<void> {
    this.#server = await listen({
      address: this.#address,
      tls: this.#tls,
      anonymousMethods: [Identity.join.path],
      services: [
        typedService(Identity, this.#identity()),
        typedService(Registry, this.#registry()),
        typedService(Rollout, { waitPropagated: async () => this.#propagated() }),
        rawService({ [DELTA_ADS]: this.xds.handler, [ACCESS_LOGS]: (stream) => void this.#readLogs(stream) }),
      ],
    });
    this.#address = this.#server.address;
  }

  async stop(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
  }

  #issue(id: SpiffeId, spki: Buffer, lifeMs: number): Buffer {
    const [issuer] = this.#roots;
    if (!issuer) throw new Error('there is no root');
    return issueCertificate({ issuer, id, spki, nowMs: Date.now() + this.skewMs, lifeMs });
  }

  #mesh(): MeshInfo {
    const here = [this.#address];
    return {
      trustDomain: TRUST_DOMAIN,
      roots: this.rootsPem,
      caAddresses: here,
      discoveryAddresses: here,
      xdsAddresses: here,
      telemetryAddresses: here,
    };
  }

  #certify(id: SpiffeId, csr: Uint8Array): JoinResponse {
    const nowMs = Date.now() + this.skewMs;
    const der = this.#issue(id, parseCsr(csr), this.svidLifeMs);
    return {
      chain: [der],
      notBeforeMs: nowMs - 60_000,
      notAfterMs: nowMs + this.svidLifeMs,
      mesh: this.#mesh(),
      nowMs,
    };
  }

  #identity(): Handlers<typeof Identity> {
    const mesh = this.#mesh.bind(this);
    const changed = this.#changed;
    return {
      join: async ({ token, namespace, serviceAccount, csr }) => {
        if (token !== this.token) throw new WeftError('PERMISSION_DENIED', 'the join token is not known here');
        this.events.push(`join ${serviceAccount}`);
        return this.#certify({ trustDomain: TRUST_DOMAIN, namespace, serviceAccount }, csr);
      },
      renew: async ({ csr }, { caller }) => {
        if (!caller.identity) throw new WeftError('UNAUTHENTICATED', 'no certificate');
        this.events.push(`renew ${caller.identity.serviceAccount}`);
        return this.#certify(caller.identity, csr);
      },
      async *watchMesh(_request, { signal }) {
        yield mesh();
        try {
          for await (const _ of on(changed, 'mesh', { signal })) yield mesh();
        } catch (thrown) {
          if (!signal.aborted) throw thrown;
        }
      },
    };
  }

  #registry(): Handlers<typeof Registry> {
    return {
      register: async ({ workload }) => {
        if (this.refuseRegistration) throw this.refuseRegistration;
        if (!workload) throw new WeftError('INVALID_ARGUMENT', 'no workload');
        this.events.push(`register ${workload.id} ${workload.health}`);
        this.workloads.set(workload.id, workload);
        this.onRegistry();
        return { heartbeatEveryMs: 200, expiresAfterMs: 15_000, registryRevision: ++this.#revision };
      },
      heartbeat: async ({ workloadId, health, incarnation }) => {
        const workload = this.workloads.get(workloadId);
        if (!workload) throw new WeftError('NOT_FOUND', 'not registered');
        if (workload.incarnation !== incarnation) throw new WeftError('ABORTED', 'taken over');
        if (workload.health !== health) this.events.push(`health ${workloadId} ${health}`);
        this.workloads.set(workloadId, { ...workload, health });
        if (workload.health !== health) this.onRegistry();
        this.heartbeats.push(workloadId);
        return { registryRevision: this.#revision };
      },
      deregister: async ({ workloadId }) => {
        this.events.push(`deregister ${workloadId}`);
        this.workloads.delete(workloadId);
        this.onRegistry();
        return { registryRevision: ++this.#revision };
      },
    };
  }

  #propagated(): { propagated: boolean; proxies: number } {
    this.events.push('propagated');
    return { propagated: true, proxies: 1 };
  }

  async #readLogs(stream: Parameters<FakeXds['handler']>[0]): Promise<void> {
    let name = '';
    try {
      for await (const bytes of stream.messages) {
        const message = decode('envoy.service.accesslog.v3.StreamAccessLogsMessage', bytes);
        name = message.identifier?.log_name ?? name;
        for (const entry of message.http_logs?.log_entry ?? []) this.logs.push(`${name} ${entry.request?.path ?? ''}`);
      }
      stream.end();
    } catch (thrown) {
      stream.end(thrown);
    }
  }

  /** A token of another mesh. */
  static foreignToken(): string {
    return formatJoinToken(createJoinToken(randomBytes(32)));
  }
}
