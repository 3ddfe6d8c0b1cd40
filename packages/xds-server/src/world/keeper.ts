/** Keeps the world as the bus tells it: the configuration, the registry and the trust domain. */
import type { Log, State } from '@weft/bus';
import type { ChangeSet, TrustBundle, Workload } from '@weft/contracts/bus';
import {
  applyWorkloads,
  EMPTY_WORLD,
  foldChangeSets,
  type NumberedChangeSet,
  type WorkloadChange,
  type World,
  withTrustDomain,
} from '@weft/model';
import { readResource } from '@weft/policies';
import { retryForever } from '@weft/service';

/** Where the parts of the world are told. */
export interface WorldSources {
  readonly configuration: Pick<Log<ChangeSet>, 'watch'>;
  readonly registry: Pick<State<Workload>, 'watch'>;
  readonly trust: Pick<State<TrustBundle>, 'watch'>;
}

export interface KeeperOptions {
  readonly sources: WorldSources;
  readonly signal: AbortSignal;
  /** Told that the world is to be looked at again, and whether that is urgent: changes of the registry are. */
  readonly onChange: (urgency: 'now' | 'gather') => void;
  /** Told that a watch broke; it is made anew. */
  readonly onTrouble: (what: string, error: unknown) => void;
}

const WHAT: { readonly [S in keyof WorldSources]: string } = {
  configuration: 'the configuration',
  registry: 'the registry',
  trust: 'the trust bundle',
};
type Source = keyof WorldSources;

export class WorldKeeper {
  readonly #options: KeeperOptions;
  readonly #synced = new Set<Source>();
  #world: World = EMPTY_WORLD;
  #changeSets: NumberedChangeSet[] = [];
  #workloads: WorkloadChange[] = [];
  #registryRevision = 0;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Follows the bus until the signal aborts. */
  async run(): Promise<void> {
    await Promise.all([
      this.#follow('configuration', () => this.#followConfiguration()),
      this.#follow('registry', () => this.#followRegistry()),
      this.#follow('trust', () => this.#followTrust()),
    ]);
  }

  /** What has not been read yet, in words; undefined when the world is whole. */
  get missing(): string | undefined {
    const unread = (Object.keys(WHAT) as Source[]).filter((source) => !this.#synced.has(source));
    if (unread.length > 0)
      return `${unread.map((source) => WHAT[source]).join(' and ')} has not been read from the bus yet`;
    return this.#world.trustDomain === '' ? 'no trust bundle has been published yet: is the ca running?' : undefined;
  }

  /** The world as it is told now; undefined while a part of it has not been read. */
  take(): World | undefined {
    if (this.#changeSets.length > 0) this.#world = foldChangeSets(this.#world, this.#changeSets, readResource);
    this.#changeSets = [];
    this.#world = applyWorkloads(this.#world, this.#workloads, this.#registryRevision);
    this.#workloads = [];
    return this.missing === undefined ? this.#world : undefined;
  }

  async #follow(source: Source, work: () => Promise<void>): Promise<void> {
    const { signal, onTrouble } = this.#options;
    const untilAborted = async () => {
      await work();
      if (!signal.aborted) throw new Error('the watch ended');
    };
    try {
      await retryForever(untilAborted, { signal, onFailure: (error) => onTrouble(WHAT[source], error) });
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
    }
  }

  #isSynced(source: Source): void {
    this.#synced.add(source);
    this.#options.onChange('now');
  }

  async #followConfiguration(): Promise<void> {
    const { sources, signal, onChange } = this.#options;
    const from = Math.max(this.#world.revision, this.#changeSets.at(-1)?.sequence ?? 0) + 1;
    for await (const event of sources.configuration.watch(signal, { from })) {
      if (event.type === 'synced') this.#isSynced('configuration');
      else {
        this.#changeSets.push({ sequence: event.sequence, value: event.value });
        if (this.#synced.has('configuration')) onChange('gather');
      }
    }
  }

  async #followRegistry(): Promise<void> {
    const { sources, signal, onChange } = this.#options;
    let standing: Map<string, Workload> | undefined = new Map();
    for await (const event of sources.registry.watch(signal)) {
      if (event.type === 'synced') {
        this.#replaceRegistry(standing ?? new Map(), event.revision);
        standing = undefined;
        this.#isSynced('registry');
        continue;
      }
      const { key, revision } = event;
      if (standing) {
        if (event.type === 'put') standing.set(key, event.value);
        else standing.delete(key);
        continue;
      }
      this.#workloads.push(event.type === 'put' ? { type: 'put', key, value: event.value } : { type: 'delete', key });
      this.#registryRevision = Math.max(this.#registryRevision, revision);
      onChange('now');
    }
  }

  /** A watch that is made anew tells what stands: what it does not tell of is gone. */
  #replaceRegistry(standing: ReadonlyMap<string, Workload>, revision: number): void {
    this.take();
    const gone = [...this.#world.workloads.keys()].filter((key) => !standing.has(key));
    this.#workloads = [
      ...gone.map((key) => ({ type: 'delete' as const, key })),
      ...[...standing].map(([key, value]) => ({ type: 'put' as const, key, value })),
    ];
    this.#registryRevision = Math.max(this.#registryRevision, revision);
  }

  async #followTrust(): Promise<void> {
    const { sources, signal, onChange } = this.#options;
    for await (const event of sources.trust.watch(signal)) {
      if (event.type === 'synced') this.#isSynced('trust');
      else if (event.type === 'put' && event.key === 'bundle') {
        this.#world = withTrustDomain(this.#world, event.value.trustDomain);
        onChange('now');
      }
    }
  }
}
