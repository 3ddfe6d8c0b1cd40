/**
 * Route tables of many thousand routes, read a route at a time: as a whole that takes a second, in which nothing else is
 * done. A table is taken apart where protobuf allows it: fields that are repeated stand one by one, in any order with others.
 */
import { type AnyMessage, decode, type Messages, RESOURCE_TYPES, typeUrl } from '@weft/envoy-api';
import type { Steps } from '../slices.ts';

/** What is smaller is read at once, in a few milliseconds. */
export const LARGE_BYTES = 65_536;

const ROUTE_URL = typeUrl(RESOURCE_TYPES.route);
/** Numbers of fields of bytes. */
const RESOURCE_OF_WRAPPER = 2;
const VALUE_OF_ANY = 2;
const HOSTS_OF_TABLE = 2;
const ROUTES_OF_HOST = 3;
const BYTES_TYPE = 2;

/** The bytes are not what they should be; whoever reads them as a whole finds out what is wrong. */
class NotTakenApart extends Error {}

type Wrapper = Messages['envoy.service.discovery.v3.Resource'];

/** Walks over the fields of a message. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;
  number = 0;
  wireType = 0;
  /** Of the field, its number included. */
  start = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(): boolean {
    if (this.#at === this.#bytes.length) return false;
    this.start = this.#at;
    const tag = this.#varint();
    this.number = Math.floor(tag / 8);
    this.wireType = tag % 8;
    return true;
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 35; factor *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new NotTakenApart();
  }

  /** The content of a field of bytes; passes it. */
  content(): Buffer {
    const length = this.#varint();
    return this.#advance(length);
  }

  #advance(length: number): Buffer {
    const from = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new NotTakenApart();
    return this.#bytes.subarray(from, this.#at);
  }

  /** Passes any field, and gives all of it. */
  whole(): Buffer {
    if (this.wireType === 0) this.#varint();
    else if (this.wireType === 1) this.#advance(8);
    else if (this.wireType === 5) this.#advance(4);
    else if (this.wireType === BYTES_TYPE) this.content();
    else throw new NotTakenApart();
    return this.#bytes.subarray(this.start, this.#at);
  }
}

/** What stands in the fields of that number, and the message without them. */
function takeApart(bytes: Buffer, number: number): { readonly parts: readonly Buffer[]; readonly rest: Buffer } {
  const parts: Buffer[] = [];
  const others: Buffer[] = [];
  const fields = new Fields(bytes);
  while (fields.next()) {
    if (fields.number === number && fields.wireType === BYTES_TYPE) parts.push(fields.content());
    else others.push(fields.whole());
  }
  return { parts, rest: Buffer.concat(others) };
}

function only(bytes: Buffer, number: number): { readonly part: Buffer; readonly rest: Buffer } {
  const { parts, rest } = takeApart(bytes, number);
  const [part] = parts;
  if (!part || parts.length > 1) throw new NotTakenApart();
  return { part, rest };
}

const options = {
  unknownField: (): void => {
    throw new NotTakenApart();
  },
};

function* readHost(bytes: Buffer): Steps<object> {
  const { parts, rest } = takeApart(bytes, ROUTES_OF_HOST);
  const host = decode('envoy.config.route.v3.VirtualHost', rest, options);
  if (parts.length === 0) return host;
  const routes: object[] = [];
  for (const part of parts) {
    routes.push(decode('envoy.config.route.v3.Route', part, options));
    yield;
  }
  return { ...host, routes };
}

function* readTable(bytes: Buffer): Steps<object> {
  const { parts, rest } = takeApart(bytes, HOSTS_OF_TABLE);
  const table = decode('envoy.config.route.v3.RouteConfiguration', rest, options);
  const hosts: object[] = [];
  for (const part of parts) {
    hosts.push(yield* readHost(part));
    yield;
  }
  return { ...table, virtual_hosts: hosts };
}

/**
 * Reads an encoded `Resource` that holds a route table. Undefined where it cannot be read so: it is another resource, or
 * something is wrong with it.
 */
export function* readLargeRoutes(bytes: Uint8Array): Steps<Wrapper | undefined> {
  try {
    const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const { part: any, rest } = only(whole, RESOURCE_OF_WRAPPER);
    const { part: value, rest: head } = only(any, VALUE_OF_ANY);
    const fields = new Fields(head);
    if (!fields.next() || fields.number !== 1 || fields.content().toString() !== ROUTE_URL || fields.next()) {
      return undefined;
    }
    const wrapper = decode('envoy.service.discovery.v3.Resource', rest, options);
    const resource: AnyMessage = { '@type': ROUTE_URL, ...(yield* readTable(value)) };
    return { ...wrapper, resource };
  } catch {
    // What is wrong is told by whoever reads all of it.
    return undefined;
  }
}
