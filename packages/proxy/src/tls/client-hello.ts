/** What a client says before the handshake begins: the server name, the protocols, what it can verify (RFC 8446, 4.1.2; RFC 6066, 3). */

export interface ClientHello {
  /** In lower case; '' where none was sent. */
  readonly serverName: string;
  readonly protocols: readonly string[];
}

/** It has not come whole; `atLeast`: it takes at least so many bytes in all. */
export interface UnfinishedHello {
  readonly type: 'more';
  readonly atLeast: number;
}

/** `not-tls`: this is something else, or a hello that no server takes; `too-large`: it goes on beyond what is read. */
export type ClientHelloResult = ClientHello | UnfinishedHello | 'not-tls' | 'too-large';

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const SUPPORTED_GROUPS = 10;
const SIGNATURE_ALGORITHMS = 13;
const ALPN = 16;
const SUPPORTED_VERSIONS = 43;
const MAX_BYTES = 16_384;
const MAX_NAME_LENGTH = 255;

/** What is read does not fit together. */
class Short extends Error {}

/** Reads numbers and vectors, and throws where they do not fit. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(bytes: number): number {
    if (this.#at + bytes > this.#bytes.length) throw new Short();
    const value = this.#bytes.readUIntBE(this.#at, bytes);
    this.#at += bytes;
    return value;
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new Short();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  vector(lengthBytes: number): Cursor {
    return new Cursor(this.take(this.number(lengthBytes)));
  }

  rest(): Buffer {
    return this.take(this.#bytes.length - this.#at);
  }
}

/** The handshake message of one or more records; a number: it takes at least so many bytes. */
function handshakeMessage(bytes: Buffer): Buffer | number | 'not-tls' {
  const parts: Buffer[] = [];
  let at = 0;
  let gathered = 0;
  let wanted = 0;
  while (at + 5 <= bytes.length) {
    if (bytes[at] !== HANDSHAKE_RECORD || bytes[at + 1] !== 3) return 'not-tls';
    const size = bytes.readUInt16BE(at + 3);
    const end = at + 5 + size;
    if (size === 0 || size > MAX_BYTES) return 'not-tls';
    if (bytes.length > 5 && bytes[5] !== CLIENT_HELLO) return 'not-tls';
    if (bytes.length < end) return end;
    parts.push(bytes.subarray(at + 5, end));
    gathered += size;
    at = end;
    if (wanted === 0 && gathered >= 4) wanted = 4 + Buffer.concat(parts).readUIntBE(1, 3);
    if (wanted > 0 && gathered >= wanted) return Buffer.concat(parts);
  }
  return at + 5;
}

/** A name that is sent twice could be read by us as one and by the server as another. */
function eachExtension(extensions: Cursor, take: (type: number, body: Cursor) => void): void {
  const seen = new Set<number>();
  while (!extensions.atEnd) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (seen.has(type)) throw new Short();
    seen.add(type);
    take(type, body);
  }
}

function readServerName(body: Cursor): string {
  const names = body.vector(2);
  if (names.number(1) !== 0) throw new Short();
  const name = names.vector(2).rest();
  if (!names.atEnd || name.length === 0 || name.length > MAX_NAME_LENGTH || name.includes(0)) throw new Short();
  return name.toString('latin1').toLowerCase();
}

/** A hello that came whole, parted. */
interface Hello {
  /** As before TLS 1.3: 0x0303 is TLS 1.2 or later. */
  readonly version: number;
  readonly cipherSuites: Cursor;
  readonly extensions: Cursor | undefined;
}

function helloOf(message: Buffer): Hello {
  const cursor = new Cursor(message);
  cursor.number(1);
  const hello = cursor.vector(3);
  const version = hello.number(2);
  hello.take(32);
  hello.vector(1);
  const cipherSuites = hello.vector(2);
  hello.vector(1);
  return { version, cipherSuites, extensions: hello.atEnd ? undefined : hello.vector(2) };
}

function read<T>(
  bytes: Buffer,
  maxBytes: number,
  make: (hello: Hello) => T,
): T | Exclude<ClientHelloResult, ClientHello> {
  if (bytes.length > 0 && bytes[0] !== HANDSHAKE_RECORD) return 'not-tls';
  const message = handshakeMessage(bytes.length > maxBytes ? bytes.subarray(0, maxBytes) : bytes);
  if (message === 'not-tls') return 'not-tls';
  if (typeof message === 'number') {
    return bytes.length >= maxBytes ? 'too-large' : { type: 'more', atLeast: Math.min(message, maxBytes) };
  }
  try {
    return make(helloOf(message));
  } catch (error) {
    if (error instanceof Short) return 'not-tls';
    throw error;
  }
}

/** Reads the start of a connection, as far as it came; no more than `maxBytes` of it. */
export function readClientHello(bytes: Buffer, maxBytes: number = MAX_BYTES): ClientHelloResult {
  return read(bytes, maxBytes, ({ extensions }) => {
    let serverName = '';
    const protocols: string[] = [];
    if (!extensions) return { serverName, protocols };
    eachExtension(extensions, (type, body) => {
      if (type === SERVER_NAME) serverName = readServerName(body);
      else if (type === ALPN) {
        const list = body.vector(2);
        while (!list.atEnd) protocols.push(list.vector(1).rest().toString('latin1'));
      }
    });
    return { serverName, protocols };
  });
}

/** What of a hello says which certificates the client can be shown. */
export interface ClientOffer {
  /** In lower case; '' where none was sent. */
  readonly serverName: string;
  readonly version: number;
  /** Whether it says by itself which versions it speaks, as of TLS 1.3. */
  readonly saysVersions: boolean;
  readonly cipherSuites: readonly number[];
  readonly groups: readonly number[];
  readonly signatureAlgorithms: readonly number[];
}

function numbers(cursor: Cursor): readonly number[] {
  const list: number[] = [];
  while (!cursor.atEnd) list.push(cursor.number(2));
  return list;
}

/** As {@link readClientHello}, for what certificates are chosen by. */
export function readClientOffer(bytes: Buffer): ClientOffer | Exclude<ClientHelloResult, ClientHello> {
  return read(bytes, MAX_BYTES, ({ version, cipherSuites, extensions }) => {
    let serverName = '';
    let saysVersions = false;
    let groups: readonly number[] = [];
    let signatureAlgorithms: readonly number[] = [];
    if (extensions) {
      eachExtension(extensions, (type, body) => {
        if (type === SERVER_NAME) serverName = readServerName(body);
        else if (type === SUPPORTED_VERSIONS) saysVersions = true;
        else if (type === SUPPORTED_GROUPS) groups = numbers(body.vector(2));
        else if (type === SIGNATURE_ALGORITHMS) signatureAlgorithms = numbers(body.vector(2));
      });
    }
    return { serverName, version, saysVersions, cipherSuites: numbers(cipherSuites), groups, signatureAlgorithms };
  });
}
