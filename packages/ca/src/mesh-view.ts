/** What agents are told of the mesh: what to trust, and where the control plane is. */
import type { MeshInfo } from '@weft/contracts/node';
import type { InstanceDirectory } from '@weft/service';

export class MeshView {
  readonly #directory: InstanceDirectory;
  readonly #trustDomain: string;
  #roots: readonly string[];
  #current: MeshInfo;
  #text: string;
  readonly #waiting = new Set<() => void>();

  constructor(directory: InstanceDirectory, trustDomain: string, roots: readonly string[]) {
    this.#directory = directory;
    this.#trustDomain = trustDomain;
    this.#roots = roots;
    this.#current = this.#make();
    this.#text = JSON.stringify(this.#current);
  }

  get current(): MeshInfo {
    return this.#current;
  }

  /** Takes the roots of the bundle, PEM. */
  setRoots(roots: readonly string[]): void {
    this.#roots = roots;
    this.refresh();
  }

  /** Looks again at who is there, and tells the watchers when it is another picture. */
  refresh(): void {
    const next = this.#make();
    const text = JSON.stringify(next);
    if (text === this.#text) return;
    this.#text = text;
    this.#current = next;
    for (const wake of [...this.#waiting]) wake();
  }

  /** What stands, and each change, until `signal` aborts. Of changes that come faster than they are read, the last. */
  async *watch(signal: AbortSignal): AsyncGenerator<MeshInfo, void, undefined> {
    while (!signal.aborted) {
      const told = this.#current;
      yield told;
      while (this.#current === told && !signal.aborted) await this.#changed(signal);
    }
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  #make(): MeshInfo {
    return {
      trustDomain: this.#trustDomain,
      roots: [...this.#roots],
      caAddresses: [...this.#directory.addresses('ca')],
      discoveryAddresses: [...this.#directory.addresses('discovery')],
      xdsAddresses: [...this.#directory.addresses('xds-server')],
      telemetryAddresses: [...this.#directory.addresses('telemetry')],
    };
  }
}
