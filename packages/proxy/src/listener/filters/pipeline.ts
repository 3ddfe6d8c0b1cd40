/** The listener filters of a listener, in their order, and a connection on its way through them. */
import type { Socket } from 'node:net';
import type { ListenerFilterConfig, PortPredicate } from '../../config/listener-filters.ts';
import type { Opening } from '../opening.ts';
import type { ListenerFilter, ListenerFilterContext } from './filter.ts';
import { makeHttpInspector } from './http-inspector/http-inspector.ts';
import { makeOriginalDst } from './original-dst/original-dst.ts';
import { makeProxyProtocol } from './proxy-protocol/proxy-protocol.ts';
import { makeTlsInspector } from './tls-inspector/tls-inspector.ts';

type TypedConfig = ListenerFilterConfig['typed_config'];
type FilterType = TypedConfig['type'];
type ConfigOf<K extends FilterType> = Extract<TypedConfig, { type: K }>['value'];
type Makers = { readonly [K in FilterType]: (config: ConfigOf<K>, context: ListenerFilterContext) => ListenerFilter };

const MAKERS: Makers = {
  'tls-inspector': makeTlsInspector,
  'http-inspector': makeHttpInspector,
  'proxy-protocol': makeProxyProtocol,
  'original-dst': makeOriginalDst,
};

function make<K extends FilterType>(type: K, config: ConfigOf<K>, context: ListenerFilterContext): ListenerFilter {
  return MAKERS[type](config, context);
}

interface Step {
  readonly filter: ListenerFilter;
  readonly isDisabled: PortPredicate | undefined;
}

export type Pipeline = readonly Step[];

export function makePipeline(configs: readonly ListenerFilterConfig[], context: ListenerFilterContext): Pipeline {
  return configs.map(({ typed_config: given, filter_disabled: isDisabled }) => {
    return { filter: make(given.type, given.value, context), isDisabled };
  });
}

/** Told once what became of a connection. */
export interface PassageListener {
  /** Every filter is done; what came and was not taken can be read from the socket again. */
  onPassed(): void;
  /** A filter has it closed. */
  onRefused(): void;
  /** The client ended before every filter was done. */
  onGone(): void;
}

/** A connection on its way. Nothing is read of it before a filter asks. */
export class Passage {
  readonly #socket: Socket;
  readonly #opening: Opening;
  readonly #pipeline: Pipeline;
  readonly #listener: PassageListener;
  #at = 0;
  /** What came and was not taken: `#bytes` up to `#end`, with room behind it. */
  #bytes: Buffer = Buffer.alloc(0);
  #end = 0;
  #atLeast = 1;
  #isReading = false;
  #isOver = false;

  constructor(socket: Socket, opening: Opening, pipeline: Pipeline, listener: PassageListener) {
    this.#socket = socket;
    this.#opening = opening;
    this.#pipeline = pipeline;
    this.#listener = listener;
  }

  /** Begins; where no filter wants to see bytes it is over when this returns. */
  start(): void {
    this.#accept();
  }

  /** No filter is waited for any more. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (!this.#isReading) return;
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onEnd);
    socket.pause();
    if (this.#end > 0) socket.unshift(this.#bytes.subarray(0, this.#end));
  }

  /** Lets filters see the connection, from the next one on, up to the first that wants to see bytes. */
  #accept(): void {
    while (this.#at < this.#pipeline.length) {
      const { filter, isDisabled } = this.#pipeline[this.#at] as Step;
      const isPassed = isDisabled?.(this.#opening.localPort) || filter.onAccept(this.#opening, this.#socket) === 'pass';
      if (isPassed) this.#at++;
      else {
        this.#atLeast = 1;
        this.#read();
        return;
      }
    }
    this.stop();
    this.#listener.onPassed();
  }

  #read(): void {
    if (this.#isReading) {
      this.#look();
      return;
    }
    this.#isReading = true;
    this.#socket.on('data', this.#onData);
    this.#socket.on('end', this.#onEnd);
    this.#socket.on('close', this.#onEnd);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#add(chunk);
    this.#look();
  };

  #add(chunk: Buffer): void {
    if (this.#end === 0) this.#bytes = chunk;
    else {
      if (this.#end + chunk.length > this.#bytes.length) {
        const larger = Buffer.allocUnsafe(Math.max(256, 2 * (this.#end + chunk.length)));
        this.#bytes.copy(larger, 0, 0, this.#end);
        this.#bytes = larger;
      }
      chunk.copy(this.#bytes, this.#end);
    }
    this.#end += chunk.length;
  }

  /** Shows the filter whose turn it is what came. */
  #look(): void {
    if (this.#end < this.#atLeast) return;
    const { filter } = this.#pipeline[this.#at] as Step;
    const seen = filter.look(this.#bytes.subarray(0, this.#end), this.#opening);
    if (seen.type === 'more') this.#atLeast = Math.max(this.#end + 1, seen.atLeast);
    else if (seen.type === 'close') {
      this.stop();
      this.#listener.onRefused();
    } else {
      this.#bytes = this.#bytes.subarray(seen.taken, this.#end);
      this.#end -= seen.taken;
      this.#at++;
      this.#accept();
    }
  }

  readonly #onEnd = (): void => {
    this.stop();
    this.#listener.onGone();
  };
}
