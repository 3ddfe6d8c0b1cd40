/**
 * Entries of the access log service (envoy.data.accesslog.v3), of what is known of a request or connection. They are
 * written field by field: in a mesh there are two of them for each request, and by way of objects each would take longer
 * than the request itself. Fields come last one first, as the writer wants them; a test holds them against the whole API.
 */
import { LOG_TYPES, type LogType } from '../config/log-filter.ts';
import { hostOf, portOf } from '../net/address-text.ts';
import { FLAG, type FlagName } from '../stack/response-flags.ts';
import type { StreamInfo } from '../stack/stream-info.ts';
import { BackwardWriter } from './backward-writer.ts';
import { requestField } from './operators.ts';
import { TlsProperties } from './tls-properties.ts';
import { ENTRY_FIELD, LOGS_FIELD, type LogKind } from './wire.ts';

/** `AccessLogType`, in the order of its numbers. */
const TYPES = new Map<LogType, number>(LOG_TYPES.map((type, number) => [type, number]));

const METHODS: Readonly<Record<string, number>> = {
  GET: 1,
  HEAD: 2,
  POST: 3,
  PUT: 4,
  DELETE: 5,
  CONNECT: 6,
  OPTIONS: 7,
  TRACE: 8,
  PATCH: 9,
};

const VERSIONS = { 'HTTP/1.0': 1, 'HTTP/1.1': 2, 'HTTP/2': 3 } as const;

/** The field of `ResponseFlags` that each flag is. */
const FLAG_FIELDS: { readonly [F in Exclude<FlagName, 'DO'>]: number } = {
  LH: 1,
  UH: 2,
  UT: 3,
  LR: 4,
  UR: 5,
  UF: 6,
  UC: 7,
  UO: 8,
  NR: 9,
  DI: 10,
  FI: 11,
  RL: 12,
  UAEX: 13,
  RLSE: 14,
  DC: 15,
  URX: 16,
  SI: 17,
  DPE: 19,
  DT: 23,
  UPE: 24,
  NC: 25,
  OM: 26,
  DF: 27,
  DR: 28,
};

const FLAGS = Object.entries(FLAG_FIELDS)
  .map(([name, field]) => ({ bit: FLAG[name as FlagName], field }))
  .sort((a, b) => b.field - a.field);

/** Headers that a log tells beside what it always tells. */
export interface ListedHeaders {
  /** In lower case. */
  readonly request: readonly string[];
  readonly response: readonly string[];
  readonly trailers: readonly string[];
}

/** Addresses that are kept as they are written: hosts are few, and each request names one. */
const MAX_ADDRESSES = 256;

export class EntryWriter {
  readonly #writer = new BackwardWriter();
  readonly #tls = new TlsProperties();
  readonly #listed: ListedHeaders;
  readonly #addresses = new Map<string, Buffer>();
  readonly #addressWriter = new BackwardWriter();

  constructor(listed: ListedHeaders) {
    this.#listed = listed;
  }

  /** How many bytes {@link message} would have now. */
  get bytes(): number {
    return this.#writer.mark;
  }

  /**
   * Adds the entry of a request or connection before those that were added since the last message. Gives whether it
   * could: of one that cannot be put into words nothing is added.
   */
  prepend(kind: LogKind, info: StreamInfo): boolean {
    const writer = this.#writer;
    const end = writer.mark;
    try {
      if (kind === 'http') this.#http(info);
      else this.#tcp(info);
    } catch {
      writer.rewind(end);
      return false;
    }
    writer.message(ENTRY_FIELD, end);
    return true;
  }

  /** A message of what was added since the last one. */
  message(kind: LogKind): Buffer {
    this.#writer.message(LOGS_FIELD[kind], 0);
    return this.#writer.finish();
  }

  /** `HTTPAccessLogEntry` */
  http(info: StreamInfo): Buffer {
    this.#http(info);
    return this.#writer.finish();
  }

  /** `TCPAccessLogEntry` */
  tcp(info: StreamInfo): Buffer {
    this.#tcp(info);
    return this.#writer.finish();
  }

  #http(info: StreamInfo): void {
    this.#response(info);
    this.#request(info);
    this.#writer.uint(2, info.request ? VERSIONS[info.request.protocol] : 0);
    this.#common(info);
  }

  #tcp(info: StreamInfo): void {
    const writer = this.#writer;
    const end = writer.mark;
    writer.uint(2, info.bytesSent);
    writer.uint(1, info.bytesReceived);
    writer.message(2, end);
    this.#common(info);
  }

  #response({ response, responseTrailers, responseDetails, bytesSent }: StreamInfo): void {
    const writer = this.#writer;
    const end = writer.mark;
    writer.text(6, responseDetails);
    for (const name of this.#listed.trailers) this.#header(5, name, responseTrailers?.joined(name));
    for (const name of this.#listed.response) this.#header(4, name, response?.headers.joined(name));
    writer.uint(3, bytesSent);
    if (response) {
      const codeEnd = writer.mark;
      writer.uint(1, response.status);
      writer.message(1, codeEnd);
    }
    writer.message(4, end);
  }

  #request({ request, bytesReceived }: StreamInfo): void {
    const writer = this.#writer;
    const end = writer.mark;
    if (request) {
      const { headers } = request;
      for (const name of this.#listed.request) this.#header(13, name, requestField(request, name));
      writer.uint(12, bytesReceived);
      writer.fieldText(10, headers.get('x-envoy-original-path'));
      writer.fieldText(9, headers.get('x-request-id'));
      writer.fieldText(8, headers.joined('x-forwarded-for'));
      writer.fieldText(7, headers.get('referer'));
      writer.fieldText(6, headers.get('user-agent'));
      writer.fieldText(5, request.path);
      writer.fieldText(3, request.authority);
      writer.text(2, requestField(request, ':scheme'));
      writer.uint(1, METHODS[request.method] ?? 0);
    } else writer.uint(12, bytesReceived);
    writer.message(3, end);
  }

  /** An entry of a map. */
  #header(field: number, name: string, value: string | undefined): void {
    if (value === undefined) return;
    const end = this.#writer.mark;
    this.#writer.fieldText(2, value);
    this.#writer.text(1, name);
    this.#writer.message(field, end);
  }

  #common(info: StreamInfo): void {
    const writer = this.#writer;
    const { downstream } = info;
    const end = writer.mark;
    writer.uint(33, TYPES.get(info.logType) ?? 0);
    writer.text(25, info.terminationDetails);
    writer.uint(24, info.attempts);
    this.#duration(23, info.since(info.endMs));
    const { directRemoteHost = downstream.remoteHost, directRemotePort = downstream.remotePort } = downstream;
    this.#socketAddress(20, directRemoteHost, directRemotePort);
    writer.text(19, info.routeName);
    writer.text(18, info.upstreamFailure);
    this.#flags(info.flags);
    writer.text(15, info.cluster);
    this.#address(14, info.upstreamLocalAddress);
    this.#address(13, info.upstreamHost);
    this.#times(info);
    this.#time(5, info.startWallMs);
    if (downstream.tls) writer.bytes(4, this.#tls.of(downstream.tls));
    this.#socketAddress(3, downstream.localHost, downstream.localPort);
    this.#socketAddress(2, info.remoteHost, info.remotePort);
    writer.message(1, end);
  }

  #times(info: StreamInfo): void {
    this.#duration(12, info.since(info.lastResponseSentMs));
    this.#duration(11, info.since(info.firstResponseSentMs));
    this.#duration(10, info.since(info.lastUpstreamReceivedMs));
    this.#duration(9, info.since(info.firstUpstreamReceivedMs));
    this.#duration(8, info.since(info.lastUpstreamSentMs));
    this.#duration(7, info.since(info.firstUpstreamSentMs));
    this.#duration(6, info.since(info.lastRequestByteMs));
  }

  #flags(flags: number): void {
    if (flags === 0) return;
    const end = this.#writer.mark;
    for (const { bit, field } of FLAGS) {
      if ((flags & bit) === 0) continue;
      const fieldEnd = this.#writer.mark;
      this.#writer.uint(field === FLAG_FIELDS.UAEX ? 1 : field, 1);
      // This one is a message that says who did not let it through: an external service.
      if (field === FLAG_FIELDS.UAEX) this.#writer.message(field, fieldEnd);
    }
    this.#writer.message(16, end);
  }

  #duration(field: number, milliseconds: number | undefined): void {
    if (milliseconds !== undefined && milliseconds >= 0) this.#time(field, milliseconds);
  }

  /** `Duration` and `Timestamp` are alike on the wire; to a microsecond. */
  #time(field: number, milliseconds: number): void {
    const micros = Math.round(milliseconds * 1000);
    const seconds = Math.floor(micros / 1_000_000);
    const end = this.#writer.mark;
    this.#writer.uint(2, (micros - seconds * 1_000_000) * 1000);
    this.#writer.uint(1, seconds);
    this.#writer.message(field, end);
  }

  /** `Address`; there is none of a unix socket's client. */
  #socketAddress(field: number, host: string, port: number): void {
    if (host === '') return;
    const end = this.#writer.mark;
    writeSocketAddress(this.#writer, host, port);
    this.#writer.message(field, end);
  }

  /** Of a text as logs show it: `127.0.0.1:80`, `[::1]:80`, or the path of a socket. */
  #address(field: number, text: string): void {
    if (text === '') return;
    const address = this.#addresses.get(text) ?? this.#learnAddress(text);
    if (address.length > 0) this.#writer.bytes(field, address);
  }

  #learnAddress(text: string): Buffer {
    const writer = this.#addressWriter;
    const port = portOf(text);
    if (port === undefined) {
      const end = writer.mark;
      writer.text(1, text);
      writer.message(2, end);
    } else if (hostOf(text) !== '') writeSocketAddress(writer, hostOf(text), port || 0);
    const address = writer.finish();
    if (this.#addresses.size >= MAX_ADDRESSES) this.#addresses.clear();
    this.#addresses.set(text, address);
    return address;
  }
}

/** `socket_address` of an `Address`. */
function writeSocketAddress(writer: BackwardWriter, host: string, port: number): void {
  const end = writer.mark;
  writer.uint(3, port);
  writer.text(2, host);
  writer.message(1, end);
}
