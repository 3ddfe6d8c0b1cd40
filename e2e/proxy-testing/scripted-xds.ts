/** An xDS server that says what a test has it say, in either variant of the protocol, over gRPC for JavaScript. */
import type { TestContext } from 'node:test';
import {
  type handleBidiStreamingCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
} from '@grpc/grpc-js';
import {
  type AnyMessage,
  type DeltaDiscoveryRequest,
  type DiscoveryRequest,
  decode,
  encode,
  encodeUnknown,
  RESOURCE_TYPES,
  type ResourceType,
  typeUrl,
} from '@weft/envoy-api';
import { until } from '../harness.ts';

export type ScriptedVariant = 'delta' | 'sotw';

/** Every field of both kinds of requests. */
type Request = DeltaDiscoveryRequest & DiscoveryRequest;
type Call = ServerDuplexStream<Buffer, Buffer>;

const SERVICE = '/envoy.service.discovery.v3.AggregatedDiscoveryService';
const PATHS = {
  sotw: `${SERVICE}/StreamAggregatedResources`,
  delta: `${SERVICE}/DeltaAggregatedResources`,
} as const satisfies Record<ScriptedVariant, string>;

export interface Said {
  readonly version?: string;
  /** Names that there is nothing of any more; of deltas alone. */
  readonly removed?: readonly string[];
}

function nameOf(resource: object): string {
  const { name, cluster_name } = resource as { readonly name?: string; readonly cluster_name?: string };
  return name ?? cluster_name ?? '';
}

/** One stream of a client. */
export class ScriptedStream {
  /** What the client has said and nobody has taken. */
  readonly requests: Request[] = [];
  readonly #call: Call;
  readonly #variant: ScriptedVariant;
  #nonce = 0;

  constructor(call: Call, variant: ScriptedVariant) {
    this.#call = call;
    this.#variant = variant;
    const name = variant === 'delta' ? 'DeltaDiscoveryRequest' : 'DiscoveryRequest';
    call.on('data', (bytes: Buffer) => {
      this.requests.push(decode(`envoy.service.discovery.v3.${name}`, bytes) as Request);
    });
    call.on('error', () => undefined);
  }

  /** The first request of a type that `applies`; earlier ones of that type are passed over. */
  async next(type: ResourceType, applies: (request: Request) => boolean = () => true): Promise<Request> {
    const url = typeUrl(RESOURCE_TYPES[type]);
    const isIt = (request: Request) => request.type_url === url && applies(request);
    const look = () => this.requests.find(isIt);
    const told = () => JSON.stringify(this.requests);
    const found = await until(`a request of the type ${type}`, look, 20_000, told);
    for (const request of this.requests.splice(0, this.requests.indexOf(found) + 1)) {
      if (request.type_url !== url) this.requests.push(request);
    }
    return found;
  }

  /** Says what there is of a type, or in deltas what changed; gives the nonce. */
  say(type: ResourceType, resources: readonly object[], { version = '1', removed = [] }: Said = {}): string {
    const nonce = `nonce-${++this.#nonce}`;
    const url = typeUrl(RESOURCE_TYPES[type]);
    const typed = resources.map((resource) => ({ '@type': url, ...resource }) as AnyMessage);
    const head = { type_url: url, nonce };
    this.#call.write(
      this.#variant === 'delta'
        ? encodeUnknown('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
            ...head,
            system_version_info: version,
            resources: typed.map((resource) => ({ name: nameOf(resource), version, resource })),
            removed_resources: removed,
          })
        : encode('envoy.service.discovery.v3.DiscoveryResponse', { ...head, version_info: version, resources: typed }),
    );
    return nonce;
  }

  /** Says it, and gives what the client answers to it. */
  async tell(type: ResourceType, resources: readonly object[], said: Said = {}): Promise<Request> {
    const nonce = this.say(type, resources, said);
    return await this.next(type, ({ response_nonce }) => response_nonce === nonce);
  }

  /** Ends the stream with an error. */
  break(): void {
    this.#call.emit('error', { code: status.UNAVAILABLE, details: 'the server goes' });
  }
}

export class ScriptedXds {
  readonly port: number;
  readonly #streams: readonly ScriptedStream[];

  private constructor(port: number, streams: readonly ScriptedStream[]) {
    this.port = port;
    this.#streams = streams;
  }

  /** Listens on a free port; it ends with the test. */
  static async start(test: TestContext, variant: ScriptedVariant): Promise<ScriptedXds> {
    const server = new Server({ 'grpc.max_send_message_length': -1 });
    const streams: ScriptedStream[] = [];
    const handler: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
      streams.push(new ScriptedStream(call, variant));
    };
    const same = (bytes: Buffer) => bytes;
    server.register(PATHS[variant], handler, same, same, 'bidi');
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, found) => {
        if (error) reject(error);
        else resolve(found);
      });
    });
    test.after(() => server.forceShutdown());
    return new ScriptedXds(port, streams);
  }

  /** The `index`th stream that was opened. */
  stream(index = 0): Promise<ScriptedStream> {
    return until('a stream', () => this.#streams[index], 20_000);
  }
}
