/** A server for tests that says what it is told to say, over the twin of a stream in memory. */
import { WeftError } from '@weft/contracts/error';
import {
  type AnyMessage,
  type DeltaDiscoveryRequest,
  type DiscoveryRequest,
  decode,
  encode,
  RESOURCE_TYPES,
  type ResourceType,
  typeUrl,
} from '@weft/envoy-api';
import { memoryStreamPair, type RawStream } from '@weft/rpc';
import type { StreamFactory, StreamHead } from '../../streams.ts';

/** What is said in a response; names stand for empty resources of that name and version `1`. */
export interface Saying {
  readonly resources?: readonly (string | SaidResource)[];
  readonly removed?: readonly string[];
  readonly typeUrl?: string;
  readonly version?: string;
}

export interface SaidResource {
  readonly name: string;
  readonly version?: string;
  readonly content?: object;
  /** In place of the content: the whole `Any`, or none. */
  readonly any?: AnyMessage | 'none';
  readonly ttl?: string;
}

const NAME_FIELD: Partial<Record<ResourceType, string>> = { endpoint: 'cluster_name' };

/** A resource with its own name and nothing else but `content`. */
export function resourceOf(type: ResourceType, name: string, content: object = {}): AnyMessage {
  return { '@type': typeUrl(RESOURCE_TYPES[type]), [NAME_FIELD[type] ?? 'name']: name, ...content };
}

/** One stream as the server sees it. */
export class ServedStream {
  readonly cluster: string;
  readonly path: string;
  readonly head: StreamHead;
  readonly raw: RawStream;
  readonly #messages: AsyncIterator<Buffer>;
  #nonce = 0;

  constructor(cluster: string, path: string, head: StreamHead, raw: RawStream) {
    this.cluster = cluster;
    this.path = path;
    this.head = head;
    this.raw = raw;
    this.#messages = raw.messages[Symbol.asyncIterator]();
  }

  /** The next request. Throws when the client has left. */
  async next(): Promise<DeltaDiscoveryRequest> {
    const { done, value } = await this.#messages.next();
    if (done) throw new Error('the client has ended its side');
    return decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', value);
  }

  /** Sends a response; gives its nonce. */
  say(type: ResourceType, { resources = [], removed = [], typeUrl: url, version = 'v' }: Saying): string {
    const nonce = String(++this.#nonce);
    const said = resources.map((given) => {
      const { name, content, any, ttl, ...rest } = typeof given === 'string' ? { name: given } : given;
      const resource = any === 'none' ? undefined : (any ?? resourceOf(type, name, content));
      return { name, version: '1', ...rest, ...(resource ? { resource } : {}), ...(ttl === undefined ? {} : { ttl }) };
    });
    this.raw.send(
      encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
        system_version_info: version,
        type_url: url ?? typeUrl(RESOURCE_TYPES[type]),
        nonce,
        resources: said,
        removed_resources: removed,
      }),
    );
    return nonce;
  }

  /** The next request of a stream in the variant of the state of the world. */
  async nextState(): Promise<DiscoveryRequest> {
    const { done, value } = await this.#messages.next();
    if (done) throw new Error('the client has ended its side');
    return decode('envoy.service.discovery.v3.DiscoveryRequest', value);
  }

  /** Sends a response in that variant; gives its nonce. */
  sayState(type: ResourceType, version: string, resources: readonly (string | AnyMessage)[]): string {
    const nonce = String(++this.#nonce);
    const said = resources.map((given) => (typeof given === 'string' ? resourceOf(type, given) : given));
    const message = { version_info: version, type_url: typeUrl(RESOURCE_TYPES[type]), nonce, resources: said };
    this.raw.send(encode('envoy.service.discovery.v3.DiscoveryResponse', message));
    return nonce;
  }

  /** Breaks the stream, as the loss of a connection does. */
  break(): void {
    this.raw.end(new WeftError('UNAVAILABLE', 'the connection is lost'));
  }
}

export class ScriptedServer {
  readonly #waiting: ((stream: ServedStream) => void)[] = [];
  readonly #unmet: ServedStream[] = [];
  /** How many streams were opened. */
  opened = 0;
  /** While set, nobody can connect. */
  isAway = false;

  readonly streams: StreamFactory = (cluster, path, signal, head = {}) => {
    this.opened++;
    if (this.isAway) throw new WeftError('UNAVAILABLE', 'nobody listens');
    const [client, raw] = memoryStreamPair();
    signal.addEventListener('abort', () => client.end(new WeftError('CANCELLED', 'aborted')), { once: true });
    const stream = new ServedStream(cluster, path, head, raw);
    const meet = this.#waiting.shift();
    if (meet) meet(stream);
    else this.#unmet.push(stream);
    return client;
  };

  /** The next stream that is opened, or was and was not met yet. */
  stream(): Promise<ServedStream> {
    const unmet = this.#unmet.shift();
    if (unmet) return Promise.resolve(unmet);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
