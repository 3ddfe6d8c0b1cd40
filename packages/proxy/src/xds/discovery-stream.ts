/** One source of resources: a stream to it that is opened again whenever it ends, and what is wanted over it. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { toWeftError, WeftError } from '@weft/contracts/error';
import type { Node, ResourceType } from '@weft/envoy-api';
import type { RawStream } from '@weft/rpc';
import type { Cancel, Clock } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import type { RequestLimitConfig, XdsVariant } from '../config/config-source.ts';
import type { Log } from '../log.ts';
import { inSlices } from '../slices.ts';
import type { ControlPlaneStats } from '../stats/groups.ts';
import { Backoff } from './backoff.ts';
import { RequestLimit } from './request-limit.ts';
import type { TypeSubscription } from './type-subscription.ts';
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  readResponse,
  TYPE_ORDER,
  typeOfUrl,
  writeRequest,
} from './wire.ts';

export interface DiscoveryStreamOptions {
  /** For people: `the aggregated stream to weft-agent`. */
  readonly name: string;
  readonly open: (signal: AbortSignal) => RawStream;
  readonly node: Node;
  readonly variant: XdsVariant;
  /** Whether the node is said in each request, not in the first of a stream alone. */
  readonly saysNodeAlways: boolean;
  /** How fast requests may follow one another; undefined: as fast as there is something to say. */
  readonly limit: RequestLimitConfig | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly stats: ControlPlaneStats;
  /** Makes what keeps a type's subscriptions. */
  readonly subscription: (type: ResourceType, onChange: () => void) => TypeSubscription;
  /** The type of a stream of its own; undefined: all types share the stream. */
  readonly only: ResourceType | undefined;
  /** Told when nobody wants anything from here any more. */
  readonly onIdle: () => void;
}

type State =
  | { readonly type: 'idle' }
  | { readonly type: 'open'; readonly raw: RawStream; readonly abort: AbortController }
  /** The stream ended; the next attempt is due later. */
  | { readonly type: 'waiting'; readonly cancel: Cancel }
  | { readonly type: 'closed' };

/**
 * There are servers that answer a refusal with what was refused, at once. They and this proxy would do nothing else any
 * more; so the second refusal of a version waits.
 */
const REFUSED_AGAIN_MS = 1000;

export class DiscoveryStream {
  readonly #options: DiscoveryStreamOptions;
  readonly #types = new Map<ResourceType, TypeSubscription>();
  readonly #backoff: Backoff;
  #state: State = { type: 'idle' };
  #isFlushDue = false;
  /** Whether the server is slow to read: what is to be said is gathered meanwhile. */
  #isHeld = false;
  #isIntroduced = false;
  readonly #limit: RequestLimit | undefined;
  /** What is to be said as soon as the limit allows it. */
  #delayed: DiscoveryRequest[] = [];
  #cancelDelay: Cancel = () => undefined;
  /** Versions that were refused last. */
  readonly #refused = new Map<ResourceType, string>();
  /** Refusals that wait; one that a later response has overtaken is not said any more: its nonce is an old one. */
  readonly #late = new Map<ResourceType, Cancel>();
  /** Whether it was already told that the server cannot be reached. */
  #isTroubleTold = false;

  constructor(options: DiscoveryStreamOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random);
    this.#limit = options.limit && new RequestLimit(options.clock, options.limit);
  }

  /** The subscriptions of one type from this source. */
  type(type: ResourceType): TypeSubscription {
    const known = this.#types.get(type);
    if (known) return known;
    const made = this.#options.subscription(type, () => this.#flushSoon());
    this.#types.set(type, made);
    return made;
  }

  close(): void {
    const state = this.#state;
    this.#state = { type: 'closed' };
    this.#forgetDelayed();
    if (state.type === 'waiting') state.cancel();
    if (state.type === 'open') end(state.raw, state.abort, new WeftError('CANCELLED', 'the proxy leaves the stream'));
    for (const subscription of this.#types.values()) subscription.close();
    this.#setConnected(false);
  }

  /** What many ask for in one turn is said at once. */
  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#state.type === 'closed') return;
    if (![...this.#types.values()].some(({ isWanted }) => isWanted)) {
      this.#options.onIdle();
      return;
    }
    if (this.#state.type === 'idle') this.#open();
    else if (this.#state.type === 'open') this.#sayAll(this.#state.raw);
    else for (const subscription of this.#types.values()) subscription.settle();
    this.#countPending();
  }

  #countPending(): void {
    const behind = [...this.#types.values()].filter(({ isBehind }) => isBehind).length;
    this.#options.stats.pending_requests = behind + this.#delayed.length;
  }

  #setConnected(isConnected: boolean): void {
    this.#options.stats.connected_state = isConnected ? 1 : 0;
  }

  #open(): void {
    const abort = new AbortController();
    let raw: RawStream;
    try {
      raw = this.#options.open(abort.signal);
    } catch (thrown) {
      this.#retryLater(thrown);
      return;
    }
    this.#state = { type: 'open', raw, abort };
    this.#isIntroduced = false;
    this.#isHeld = false;
    this.#setConnected(true);
    this.#sayAll(raw);
    void this.#read(raw, abort);
  }

  /** Bytes that are no response end the stream: nothing after them is sure. */
  async #read(raw: RawStream, abort: AbortController): Promise<void> {
    let reason: unknown = new WeftError('UNAVAILABLE', 'the server ended the stream', { source: 'control-plane' });
    try {
      for await (const bytes of raw.messages) {
        const response = readResponse(this.#options.variant, bytes);
        await this.#prepare(response);
        if (!this.#isCurrent(raw)) return;
        await this.#hear(raw, response);
        if (!this.#isCurrent(raw)) return;
        // A server that does not read is not listened to either: what it is answered has to go somewhere.
        if (this.#isHeld) await raw.drained();
        // Others have their turn between two responses.
        await nextTurn();
        if (!this.#isCurrent(raw)) return;
      }
    } catch (thrown) {
      reason = thrown;
    }
    end(raw, abort, reason);
    if (this.#isCurrent(raw)) this.#ended(reason);
  }

  #isCurrent(raw: RawStream): boolean {
    return this.#state.type === 'open' && this.#state.raw === raw;
  }

  #ended(reason: unknown): void {
    this.#forgetDelayed();
    for (const subscription of this.#types.values()) subscription.streamEnded();
    this.#setConnected(false);
    this.#retryLater(reason);
  }

  #retryLater(reason: unknown): void {
    const waitMs = this.#backoff.next();
    const fields = { reason: toWeftError(reason).message, retryMs: Math.round(waitMs) };
    const text = `${this.#options.name} ended; what it brought stays in use until it is back`;
    if (this.#isTroubleTold) this.#options.log.debug(fields, text);
    else this.#options.log.warn(fields, text);
    this.#isTroubleTold = true;
    const cancel = this.#options.clock.after(waitMs, () => {
      this.#state = { type: 'idle' };
      this.#flush();
    });
    this.#state = { type: 'waiting', cancel };
    this.#countPending();
  }

  #sayAll(raw: RawStream): void {
    for (const type of TYPE_ORDER) {
      // What waits is asked for when it is its turn, as it is then.
      if (this.#isHeld || this.#delayed.length > 0) return;
      const request = this.#types.get(type)?.request();
      if (request) this.#say(raw, request);
    }
  }

  #say(raw: RawStream, request: DiscoveryRequest): void {
    if (this.#limit && (this.#delayed.length > 0 || !this.#limit.take())) {
      this.#options.stats.rate_limit_enforced++;
      this.#delayed.push(request);
      if (this.#delayed.length === 1) this.#sayLater(raw, this.#limit);
      return;
    }
    this.#sayNow(raw, request);
  }

  #sayLater(raw: RawStream, limit: RequestLimit): void {
    this.#cancelDelay = this.#options.clock.after(limit.waitMs(), () => {
      while (this.#delayed.length > 0 && limit.take()) {
        const next = this.#delayed.shift();
        if (next) this.#sayNow(raw, next);
      }
      if (this.#delayed.length > 0) this.#sayLater(raw, limit);
      else this.#flush();
    });
  }

  #forgetDelayed(): void {
    this.#cancelDelay();
    this.#delayed = [];
    for (const cancel of this.#late.values()) cancel();
    this.#late.clear();
  }

  #sayNow(raw: RawStream, request: DiscoveryRequest): void {
    const { node, saysNodeAlways } = this.#options;
    const said = this.#isIntroduced && !saysNodeAlways ? undefined : node;
    this.#isIntroduced = true;
    if (raw.send(writeRequest(request, said)) || this.#isHeld) return;
    this.#isHeld = true;
    void this.#goOn(raw);
  }

  async #goOn(raw: RawStream): Promise<void> {
    await raw.drained();
    if (!this.#isCurrent(raw)) return;
    this.#isHeld = false;
    this.#flush();
  }

  /** Reads what is large a part at a time; what is in use stays in use meanwhile, and is changed all at once. */
  async #prepare(response: DiscoveryResponse): Promise<void> {
    const type = typeOfUrl(response.typeUrl);
    const subscription = type && this.#types.get(type);
    if (subscription?.isAsked && subscription.isLarge(response)) await inSlices(subscription.prepare(response));
  }

  /** Takes one response, a few milliseconds of it at a time. */
  async #hear(raw: RawStream, response: DiscoveryResponse): Promise<void> {
    const { only, log, variant } = this.#options;
    this.#backoff.reset();
    if (this.#isTroubleTold) this.#options.log.info({}, `${this.#options.name} is back`);
    this.#isTroubleTold = false;
    const type = typeOfUrl(response.typeUrl);
    if (type && only && type !== only) {
      const refusal = `the response is of ${response.typeUrl}, which was not asked for on this stream`;
      log.warn({ reason: refusal }, 'a response is refused');
      const asked = this.#types.get(only);
      if (asked) this.#say(raw, asked.answer(response, refusal));
      return;
    }
    const subscription = type && this.#types.get(type);
    if (!type || !subscription?.isAsked) {
      log.warn({ typeUrl: response.typeUrl }, 'a response of a type that was not asked for is ignored');
      return;
    }
    this.#late.get(type)?.();
    this.#late.delete(type);
    const refusal = await inSlices(subscription.take(response));
    const isRefusedAgain = refusal !== undefined && this.#refused.get(type) === response.version;
    if (refusal === undefined) this.#refused.delete(type);
    else this.#refused.set(type, response.version);
    const answer = (): void => {
      if (this.#isCurrent(raw)) this.#say(raw, subscription.answer(response, refusal));
    };
    if (isRefusedAgain && variant === 'state-of-the-world') this.#answerLater(type, answer);
    else answer();
  }

  #answerLater(type: ResourceType, answer: () => void): void {
    const cancel = this.#options.clock.after(REFUSED_AGAIN_MS, () => {
      this.#late.delete(type);
      answer();
    });
    this.#late.set(type, cancel);
  }
}

/** Leaves a stream, however far it is. */
function end(raw: RawStream, abort: AbortController, reason: unknown): void {
  raw.end(reason);
  abort.abort();
}
