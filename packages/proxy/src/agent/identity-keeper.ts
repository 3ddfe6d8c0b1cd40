/** Keeps the workload's certificate fresh, and what it knows of the mesh current, for as long as the agent runs. */
import { toWeftError } from '@weft/contracts/error';
import { Identity, type MeshInfo } from '@weft/contracts/node';
import type { TlsMaterial, TlsSource } from '@weft/rpc';
import { Backoff, sleep } from './backoff.ts';
import type { AgentFolder } from './folder.ts';
import { type AgentIdentity, writeIdentity } from './identity.ts';
import { addressesOf, renewIdentity } from './join.ts';
import { Link } from './link.ts';
import type { Log } from './log.ts';

export interface IdentityKeeperOptions {
  readonly identity: AgentIdentity;
  /** Gets a certificate with the join token, for when the certificate has expired and proves nothing any more. */
  readonly rejoin: (signal: AbortSignal) => Promise<AgentIdentity>;
  /** The address that the agent joined at: where a CA is looked for last. */
  readonly join: string;
  readonly folder: AgentFolder;
  readonly now: () => number;
  readonly log: Log;
}

/** The renewal is tried between these parts of the certificate's life, and must be done before two thirds. */
const EARLIEST = 0.5;
const LATEST = 0.6;
const MAX_WAIT_MS = 24 * 3600 * 1000;

export class IdentityKeeper implements TlsSource {
  readonly ca: Link;
  readonly discovery: Link;
  readonly xds: Link;
  readonly telemetry: Link;
  readonly #options: IdentityKeeperOptions;
  readonly #listeners = new Set<() => void>();
  #identity: AgentIdentity;
  #material: TlsMaterial;

  constructor(options: IdentityKeeperOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.#material = materialOf(options.identity);
    const { trustDomain, addresses } = options.identity;
    const link = (known: readonly string[]) => new Link({ trustDomain, tls: this, addresses: known });
    this.ca = link(this.#caAddresses(addresses.ca));
    this.discovery = link(addresses.discovery);
    this.xds = link(addresses.xds);
    this.telemetry = link(addresses.telemetry);
  }

  get identity(): AgentIdentity {
    return this.#identity;
  }

  current(): TlsMaterial {
    return this.#material;
  }

  onChange(listener: () => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true });
  }

  /** Renews and watches until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#renewForEver(signal), this.#watchForEver(signal)]);
  }

  close(): void {
    for (const link of [this.ca, this.discovery, this.xds, this.telemetry]) link.close();
  }

  #caAddresses(told: readonly string[]): readonly string[] {
    return [...new Set([...told, this.#options.join])];
  }

  #set(identity: AgentIdentity): void {
    const { addresses, chainPem, rootsPem } = identity;
    const before = this.#identity;
    this.#identity = identity;
    this.ca.setAddresses(this.#caAddresses(addresses.ca));
    this.discovery.setAddresses(addresses.discovery);
    this.xds.setAddresses(addresses.xds);
    this.telemetry.setAddresses(addresses.telemetry);
    try {
      writeIdentity(this.#options.folder, identity);
    } catch (thrown) {
      this.#options.log.warn({ reason: toWeftError(thrown).message }, 'the certificate could not be kept on disk');
    }
    if (before.chainPem === chainPem && before.rootsPem.join() === rootsPem.join()) return;
    this.#material = materialOf(identity);
    for (const listener of [...this.#listeners]) listener();
  }

  async #renewForEver(signal: AbortSignal): Promise<void> {
    const { now, log } = this.#options;
    let part = EARLIEST + Math.random() * (LATEST - EARLIEST);
    let failures = 0;
    while (!signal.aborted) {
      const { issuedAtMs, notAfterMs } = this.#identity;
      const lifeMs = notAfterMs - issuedAtMs;
      const waitMs = issuedAtMs + lifeMs * part - now();
      if (failures === 0 && waitMs > 0) {
        await sleep(Math.min(waitMs, MAX_WAIT_MS), signal);
        continue;
      }
      try {
        this.#set(await this.#next(signal));
        failures = 0;
        part = EARLIEST + Math.random() * (LATEST - EARLIEST);
        log.debug({ notAfter: new Date(this.#identity.notAfterMs).toISOString() }, 'the certificate was renewed');
      } catch (thrown) {
        if (signal.aborted) return;
        failures++;
        const reason = toWeftError(thrown).message;
        if (failures === 1) log.warn({ reason }, 'the certificate could not be renewed; it is tried again');
        this.ca.rotate();
        await sleep(retryMs(failures, lifeMs), signal);
      }
    }
  }

  async #next(signal: AbortSignal): Promise<AgentIdentity> {
    const { now, rejoin, join } = this.#options;
    if (now() >= this.#identity.notAfterMs) return rejoin(signal);
    return renewIdentity(this.ca, this.#identity, join, now, signal);
  }

  async #watchForEver(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ firstMs: 200, maxMs: 5000 });
    while (!signal.aborted) {
      try {
        for await (const info of this.ca.client(Identity).watchMesh({}, { signal })) {
          this.#told(info);
          backoff.reset();
        }
      } catch (thrown) {
        if (signal.aborted) return;
        this.#options.log.debug({ reason: toWeftError(thrown).message }, 'the CA cannot be watched; it is tried again');
        this.ca.rotate();
      }
      await backoff.wait(signal);
    }
  }

  #told(info: MeshInfo): void {
    const rootsPem = info.roots.length > 0 ? info.roots : this.#identity.rootsPem;
    const addresses = addressesOf(info, this.#identity.addresses, this.#options.join);
    this.#set({ ...this.#identity, rootsPem, addresses });
  }
}

/** Between attempts: a 50th of the certificate's life, so that many fit before it ends, growing to 30 s. */
function retryMs(failures: number, lifeMs: number): number {
  const firstMs = Math.min(Math.max(lifeMs / 50, 20), 1000);
  return Math.min(firstMs * 2 ** Math.min(failures - 1, 10), Math.max(lifeMs / 20, firstMs), 30_000);
}

function materialOf({ chainPem, keyPem, rootsPem }: AgentIdentity): TlsMaterial {
  return { chainPem, keyPem, rootsPem };
}
