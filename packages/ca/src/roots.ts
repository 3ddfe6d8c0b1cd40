/** The CA's own roots: the one that signs, and the next, which everyone trusts before it signs. */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { createRoot, generateKey, type Issuer } from '@weft/identity';
import { type RootFileOptions, readRoot, writeRoot } from './root-file.ts';

export interface RootsOptions {
  readonly dir: string;
  readonly trustDomain: string;
  readonly rootLifeMs: number;
  readonly passphrase: string | undefined;
}

/** Parts of a root's life that are left when the next is made, and when that takes over. */
const PREPARE_AT = 0.25;
const SWITCH_AT = 0.2;

export type RootChange = 'none' | 'prepared' | 'switched';

export class Roots {
  readonly #options: RootsOptions;
  #active: Issuer;
  #next: Issuer | undefined;

  /** Reads the roots in the folder, or makes the first. Throws `WeftError` FAILED_PRECONDITION as `readRoot`. */
  constructor(options: RootsOptions, nowMs: number) {
    this.#options = options;
    const active = readRoot(this.#file('root.pem'));
    this.#next = readRoot(this.#file('next-root.pem'));
    this.#active = active ?? this.#make('root.pem', nowMs);
  }

  /** The root that signs. */
  get active(): Issuer {
    return this.#active;
  }

  /** All that are to be trusted, the one that signs first. */
  get all(): readonly Issuer[] {
    return this.#next ? [this.#active, this.#next] : [this.#active];
  }

  /** How often `rotate` is to be called. */
  get checkEveryMs(): number {
    return Math.min(3_600_000, Math.max(50, this.#options.rootLifeMs / 200));
  }

  /** Makes the next root, or lets it take over, when the time has come. At most one step a call. */
  rotate(nowMs: number): RootChange {
    const { notBeforeMs, notAfterMs } = this.#active.certificate;
    const left = (notAfterMs - nowMs) / (notAfterMs - notBeforeMs);
    if (left > PREPARE_AT) return 'none';
    if (!this.#next) {
      this.#next = this.#make('next-root.pem', nowMs);
      return 'prepared';
    }
    if (left > SWITCH_AT) return 'none';
    renameSync(this.#file('next-root.pem').path, this.#file('root.pem').path);
    this.#active = this.#next;
    this.#next = undefined;
    return 'switched';
  }

  #file(name: string): RootFileOptions {
    const { dir, trustDomain, passphrase } = this.#options;
    return { path: join(dir, name), trustDomain, passphrase };
  }

  #make(name: string, nowMs: number): Issuer {
    const { trustDomain, rootLifeMs: lifeMs } = this.#options;
    const privateKey = generateKey();
    const root = { certificate: createRoot({ trustDomain, privateKey, nowMs, lifeMs }), privateKey };
    writeRoot(root, this.#file(name));
    return root;
  }
}
