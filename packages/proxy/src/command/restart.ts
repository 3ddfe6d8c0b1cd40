/** Hot restart, as the flags ask for it: https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/operations/hot_restart. */
import { toWeftError } from '@weft/contracts/error';
import type { ListeningSocket } from '../listener/inherited.ts';
import type { Log } from '../log.ts';
import { type Takeover, takeOver } from '../restart/child.ts';
import { HOT_RESTART_VERSION } from '../restart/messages.ts';
import { type Offer, offerRestart, type Replaceable } from '../restart/parent.ts';
import type { RunningProxy } from '../server.ts';
import type { ProxyFlags } from './flags.ts';

type RestartFlags = Pick<ProxyFlags, 'baseId' | 'restartEpoch' | 'canBeReplaced' | 'parentShutdownMs'>;

export class Restart {
  readonly #flags: RestartFlags;
  readonly #takeover: Takeover | undefined;
  readonly #log: Log;
  #offer: Offer | undefined;

  private constructor(flags: RestartFlags, takeover: Takeover | undefined, log: Log) {
    this.#flags = flags;
    this.#takeover = takeover;
    this.#log = log;
  }

  /**
   * Takes the sockets of the process before this one, where the flags name one, and else the base ID. Throws as
   * {@link takeOver} does, and `WeftError` ALREADY_EXISTS where the base ID that was asked for is taken.
   */
  static async begin(flags: RestartFlags, target: Replaceable, log: Log): Promise<Restart> {
    const { baseId = 0, restartEpoch } = flags;
    const takeover = restartEpoch > 0 ? await takeOver(baseId, restartEpoch) : undefined;
    const restart = new Restart(flags, takeover, log);
    if (!takeover) await restart.#offerTo(target);
    return restart;
  }

  /** Sockets of the process before this one, as descriptors of this one. */
  get inherited(): readonly ListeningSocket[] {
    return this.#takeover?.sockets ?? [];
  }

  /** With which version other processes can take over from this one. */
  get version(): string {
    return this.#flags.canBeReplaced ? HOT_RESTART_VERSION : 'disabled';
  }

  /** This process serves: the one before it may end, and the next one may come. */
  async serving(target: Replaceable, proxy: Pick<RunningProxy, 'keepPaths' | 'setParentConnections'>): Promise<void> {
    if (!this.#takeover) return;
    proxy.keepPaths(false);
    await this.#takeover.complete(this.#flags.parentShutdownMs, (count) => proxy.setParentConnections(count));
    this.#log.info({ pid: this.#takeover.pid }, 'has taken over; the process before it serves what it has begun');
    await this.#offerTo(target);
  }

  async #offerTo(target: Replaceable): Promise<void> {
    const { baseId, restartEpoch: epoch, canBeReplaced } = this.#flags;
    if (!canBeReplaced) return;
    try {
      this.#offer = await offerRestart({ baseId: baseId ?? 0, epoch, target, log: this.#log });
    } catch (thrown) {
      // Several proxies on one machine, none of which was given a base ID: only the first can be taken over from.
      if (baseId !== undefined) throw thrown;
      this.#log.debug({}, `no process can take over from this one: ${toWeftError(thrown).message}`);
    }
  }

  async close(): Promise<void> {
    this.#takeover?.close();
    await this.#offer?.close();
  }
}
