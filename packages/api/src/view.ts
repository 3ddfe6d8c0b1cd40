/** What the API knows of the mesh: live copies of the bus's log and states. */
import type { State, StateEvent } from '@weft/bus';
import {
  type ChangeSet,
  type Instance,
  logs,
  type Problem,
  type Problems,
  type ProxyStatus,
  states,
  type TrustBundle,
} from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import {
  applyWorkloads,
  deriveMesh,
  EMPTY_WORLD,
  foldChangeSets,
  keyText,
  type Mesh,
  type NumberedChangeSet,
  type WorkloadChange,
  type World,
  withTrustDomain,
} from '@weft/model';
import { readResource } from '@weft/policies';
import { type InstanceDirectory, instanceDirectory, type ServiceContext } from '@weft/service';

/** A resource as its author wrote it, with the change-set that last did. */
export interface Stored {
  readonly json: string;
  readonly revision: number;
  readonly author: string;
  readonly atMs: number;
}

/** Change-sets that are folded in one step while the log is read for the first time. */
const FOLD_AT_ONCE = 500;

const PARTS = ['the configuration', 'the registry', 'the proxies', 'the problems', 'the trust bundle'] as const;

type Part = (typeof PARTS)[number];

export class MeshView {
  readonly #context: ServiceContext;
  readonly #waiting = new Set<Part>(PARTS);
  readonly #stored = new Map<string, Stored>();
  readonly #proxies = new Map<string, ProxyStatus>();
  readonly #problems = new Map<string, Problems>();
  readonly #directory: InstanceDirectory;
  readonly #listeners = new Set<() => void>();
  readonly #unfolded: NumberedChangeSet[] = [];
  readonly #workloadChanges: WorkloadChange[] = [];
  #registryRevision = 0;
  #world: World = EMPTY_WORLD;
  #mesh: Mesh | undefined;
  #trust: TrustBundle | undefined;
  #newest: { readonly revision: number; readonly changeSet: ChangeSet } | undefined;

  constructor(context: ServiceContext) {
    this.#context = context;
    this.#directory = instanceDirectory(context.bus, context.clock);
  }

  /** What has not been read from the bus yet; undefined when all has. */
  get notSynced(): string | undefined {
    const missing = [...this.#waiting, ...(this.#directory.isSynced() ? [] : ['the instances'])];
    return missing.length === 0 ? undefined : `${missing.join(', ')} not read from the bus yet`;
  }

  get stored(): ReadonlyMap<string, Stored> {
    return this.#stored;
  }

  /** By `<namespace>/<workload id>`. */
  get proxies(): ReadonlyMap<string, ProxyStatus> {
    return this.#proxies;
  }

  get trust(): TrustBundle | undefined {
    return this.#trust;
  }

  /** The newest change-set; undefined of an empty log. */
  get newest(): { readonly revision: number; readonly changeSet: ChangeSet } | undefined {
    return this.#newest;
  }

  get revision(): number {
    return this.#newest?.revision ?? 0;
  }

  get world(): World {
    this.#world = foldChangeSets(this.#world, this.#unfolded.splice(0), readResource);
    this.#world = applyWorkloads(this.#world, this.#workloadChanges.splice(0), this.#registryRevision);
    this.#world = withTrustDomain(this.#world, this.#trust?.trustDomain ?? '');
    return this.#world;
  }

  get mesh(): Mesh {
    const { world } = this;
    if (this.#mesh?.world !== world) this.#mesh = deriveMesh(world, this.#mesh);
    return this.#mesh;
  }

  /** The instances of all services that were heard of lately. */
  instances(): readonly Instance[] {
    return this.#directory.all();
  }

  /** Resources that could not be translated or read, each once, whoever told. */
  problems(): readonly Problem[] {
    const told = [...this.#problems.values()].flatMap(({ problems }) => problems);
    const all = [...this.world.problems.values(), ...told];
    const byText = new Map(
      all.map((problem) => [`${problem.key ? keyText(problem.key) : ''} ${problem.message}`, problem]),
    );
    return [...byText.values()];
  }

  /** Calls `listener` after each change, until what it gives is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when `condition` holds. Throws `WeftError` CANCELLED when `signal` aborts before. */
  async when(condition: () => boolean, signal: AbortSignal): Promise<void> {
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stop = this.onChange(() => {
      if (condition()) resolve();
    });
    const onAbort = () => reject(new WeftError('CANCELLED', 'the wait for the bus was cut short'));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await promise;
    } finally {
      stop();
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Follows the bus until the service stops. */
  async run(): Promise<void> {
    this.#directory.onChange(() => this.#tell(), this.#context.signal);
    await Promise.all([
      this.#followConfiguration(),
      this.#follow('the registry', this.#context.bus.state(states.workloads), (event) => {
        this.#registryRevision = Math.max(this.#registryRevision, event.revision);
        if (event.type === 'synced') return;
        this.#workloadChanges.push(event);
      }),
      this.#follow('the proxies', this.#context.bus.state(states.proxies), into(this.#proxies)),
      this.#follow('the problems', this.#context.bus.state(states.problems), into(this.#problems)),
      this.#follow('the trust bundle', this.#context.bus.state(states.trust), (event) => {
        if (event.type === 'put') this.#trust = event.value;
      }),
      this.#directory.follow(this.#context.signal),
    ]);
  }

  async #follow<T>(part: Part, state: State<T>, onEvent: (event: StateEvent<T>) => void): Promise<void> {
    for await (const event of state.watch(this.#context.signal)) {
      onEvent(event);
      if (event.type === 'synced') this.#waiting.delete(part);
      this.#tell();
    }
  }

  async #followConfiguration(): Promise<void> {
    for await (const event of this.#context.bus.log(logs.config).watch(this.#context.signal)) {
      if (event.type === 'synced') this.#waiting.delete('the configuration');
      else this.#take(event.sequence, event.value);
      this.#tell();
    }
  }

  #take(sequence: number, value: ChangeSet): void {
    if (sequence <= this.revision) return;
    this.#newest = { revision: sequence, changeSet: value };
    for (const { action, key, json } of value.operations) {
      if (!key) continue;
      if (action === 'DELETE') this.#stored.delete(keyText(key));
      else this.#stored.set(keyText(key), { json, revision: sequence, author: value.author, atMs: value.atMs });
    }
    this.#unfolded.push({ sequence, value });
    if (this.#unfolded.length < FOLD_AT_ONCE) return;
    this.#world = foldChangeSets(this.#world, this.#unfolded.splice(0), readResource);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Keeps a map as the state is. */
function into<T>(map: Map<string, T>): (event: StateEvent<T>) => void {
  return (event) => {
    if (event.type === 'put') map.set(event.key, event.value);
    else if (event.type === 'delete') map.delete(event.key);
  };
}
