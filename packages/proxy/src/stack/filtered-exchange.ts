/** A request on its way through the filters: which of them sees it next, what it waits for, and what is held meanwhile. */
import type { RouteFilterConfig } from '../config/filters.ts';
import type { FilteredRequest, HeldBody } from '../filters/filter.ts';
import { RequestHold } from '../filters/request-hold.ts';
import type { HeaderList } from '../http/header-list.ts';
import { ResponseHead } from '../http/message.ts';
import { ExchangeResponse } from './exchange-response.ts';

const NO_LEVELS: readonly RouteFilterConfig[] = [];

export abstract class FilteredExchange extends ExchangeResponse implements FilteredRequest {
  /** The filter that sees the request next. */
  #nextFilter = 0;
  #isFiltering = false;
  /** The body, from the moment that a filter stops the request until the router has it. */
  protected hold: RequestHold | undefined;
  #onEnd: (() => void)[] | undefined;
  #trailerChanges: ((trailers: HeaderList) => void)[] | undefined;

  /** Every filter has let the request pass. */
  protected abstract filtered(): void;
  abstract chooseRouteAgain(): void;
  abstract resumeRequest(): void;

  /** Has the filters that are left see the request, up to one that stops it; after them comes the router. */
  protected filter(): void {
    const { filters } = this.manager;
    this.#isFiltering = true;
    while (this.#nextFilter < filters.length) {
      const index = this.#nextFilter++;
      const { name, filter, isDisabled } = filters[index] as (typeof filters)[number];
      const levels = (this.choice?.filters ?? this.route?.filters)?.get(name);
      if (levels?.isDisabled ?? isDisabled) continue;
      const verdict = filter.onRequest(this, levels?.configs ?? NO_LEVELS);
      // A filter that stops the request may let it go on before it returns.
      if (verdict === 'pass' || !this.#isFiltering) {
        this.#isFiltering = true;
        continue;
      }
      this.#isFiltering = false;
      if (!this.isOver) this.hold ??= new RequestHold();
      return;
    }
    this.#isFiltering = false;
    this.filtered();
  }

  protected filterEarlyAnswer(head: ResponseHead): void {
    const { filters } = this.manager;
    for (let i = filters.length - 1; i >= this.#nextFilter; i--) {
      const { name, filter, isDisabled } = filters[i] as (typeof filters)[number];
      const levels = (this.choice?.filters ?? this.route?.filters)?.get(name);
      if (!(levels?.isDisabled ?? isDisabled)) filter.onEarlyAnswer?.(this, levels?.configs ?? NO_LEVELS, head);
    }
  }

  resume(): void {
    if (this.isOver || this.progress !== 'awaited') return;
    if (this.#isFiltering) this.#isFiltering = false;
    else this.filter();
  }

  holdBody(maxBytes: number, done: (held: HeldBody) => void): void {
    this.hold ??= new RequestHold();
    if (this.head.expectsContinue) this.continueRequest();
    this.hold.ask(maxBytes, this.isRequestComplete, done);
    if (!this.hold.isFull) this.resumeRequest();
  }

  onRequestTrailers(change: (trailers: HeaderList) => void): void {
    this.#trailerChanges ??= [];
    this.#trailerChanges.push(change);
  }

  protected changeTrailers(trailers: HeaderList): void {
    const changes = this.#trailerChanges;
    if (changes) for (const change of changes) change(trailers);
  }

  onEnd(run: () => void): void {
    if (this.isOver) {
      run();
      return;
    }
    this.#onEnd ??= [];
    this.#onEnd.push(run);
  }

  get isComplete(): boolean {
    return this.isRequestComplete;
  }

  /** A client that waits before it sends the body is told to go on, by this proxy: it takes the body as it comes. */
  protected continueRequest(): void {
    if (this.manager.proxiesContinue) return;
    this.head.expectsContinue = false;
    this.head.headers.remove('expect');
    if (this.route?.action.type === 'forward') this.stream.sendInformational(new ResponseHead(100));
  }

  protected runEnd(): void {
    const runs = this.#onEnd;
    this.#onEnd = undefined;
    if (runs) for (const run of runs) run();
  }

  /** The filters see the request from the first one on; what they did for it before is over. */
  protected filterAgain(): void {
    this.#trailerChanges = undefined;
    this.runEnd();
    this.#nextFilter = 0;
  }
}
