/** A data plane and an xds-server for tests: both sides of delta xDS, message by message. */

import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse } from '@weft/envoy-api';
import { decode, encode } from '@weft/envoy-api';
import type { RawStream } from '@weft/rpc';

/** Reads a stream one message at a time. */
export class Reader {
  readonly #messages: AsyncIterator<Buffer>;

  constructor(stream: RawStream) {
    this.#messages = stream.messages[Symbol.asyncIterator]();
  }

  /** The next message; rejects when the stream breaks, and when it ends. */
  async next(): Promise<Buffer> {
    const { value, done } = await this.#messages.next();
    if (done) throw new Error('the stream has ended');
    return value;
  }

  async request(): Promise<DeltaDiscoveryRequest> {
    return decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', await this.next());
  }

  async response(): Promise<DeltaDiscoveryResponse> {
    return decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', await this.next());
  }
}

export function requestBytes(request: DeltaDiscoveryRequest): Buffer {
  return encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', request);
}

/** A response with one cluster, or listener, of each name; the version is that of all. */
export function responseBytes(typeUrl: string, nonce: string, names: readonly string[], version: string): Buffer {
  return encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
    type_url: typeUrl,
    nonce,
    resources: names.map((name) => ({ name, version, resource: { '@type': typeUrl, name } })),
  });
}
