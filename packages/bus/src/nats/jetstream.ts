/**
 * The part of JetStream's API that the bus needs, as requests of their own deadlines:
 * https://docs.nats.io/reference/reference-protocols/nats_api_reference. Names, bodies and headers are NATS's.
 */
import { headers, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { API_CODES, ApiError, RequestFailure } from './failure.ts';
import type { Link } from './link.ts';

export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly num_replicas: number;
  readonly [setting: string]: unknown;
}

export interface StreamInfo {
  /** When the stream was made; another one of the same name has another time. */
  readonly created: string;
  readonly config: StreamConfig & { readonly allow_msg_ttl?: boolean };
  readonly state: {
    readonly messages: number;
    readonly first_seq: number;
    readonly last_seq: number;
    /** How many messages each subject has; only when asked for. */
    readonly subjects?: Readonly<Record<string, number>>;
  };
}

export interface ConsumerInfo {
  /** How many messages it has yet to give. */
  readonly num_pending: number;
}

export interface StoredMessage {
  readonly subject: string;
  readonly sequence: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly data: Buffer;
}

export interface PublishAck {
  readonly seq: number;
  readonly duplicate?: boolean;
}

export const HEADERS = {
  messageId: 'Nats-Msg-Id',
  expectedLast: 'Nats-Expected-Last-Sequence',
  expectedLastOfSubject: 'Nats-Expected-Last-Subject-Sequence',
  timeToLive: 'Nats-TTL',
  markerReason: 'Nats-Marker-Reason',
  operation: 'KV-Operation',
} as const;

/** How long one request is waited for; requests are made again by those who make them. */
const ATTEMPT_MS = 1_500;

interface ErrorBody {
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string };
}

function parse<T>(answer: Msg): T {
  const body = answer.json<T & ErrorBody>();
  if (body.error)
    throw new ApiError(body.error.code, body.error.err_code ?? 0, body.error.description ?? 'no reason given');
  return body;
}

/** The headers of a stored message: a status line, then `name: value` lines. */
function parseHeaders(base64: string | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of Buffer.from(base64 ?? '', 'base64')
    .toString()
    .split('\r\n')
    .slice(1)) {
    const colon = line.indexOf(':');
    if (colon > 0) found.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return found;
}

export class JetStream {
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  async #api<T>(subject: string, body: object | undefined, signal?: AbortSignal, timeoutMs = ATTEMPT_MS): Promise<T> {
    const data = Buffer.from(body === undefined ? '' : JSON.stringify(body));
    return parse<T>(await this.#link.request(`$JS.API.${subject}`, data, { timeoutMs, signal }));
  }

  /** Throws unless the account can use JetStream. */
  async accountInfo(signal?: AbortSignal): Promise<void> {
    await this.#api<object>('INFO', undefined, signal);
  }

  streamInfo(stream: string, signal?: AbortSignal, timeoutMs = ATTEMPT_MS): Promise<StreamInfo> {
    return this.#api<StreamInfo>(`STREAM.INFO.${stream}`, undefined, signal, timeoutMs);
  }

  /** The subjects that have messages, as the stream's leader knows them. */
  async subjects(stream: string, filter: string): Promise<readonly string[]> {
    const found = new Set<string>();
    for (;;) {
      const body = { subjects_filter: filter, offset: found.size };
      const info = await this.#api<StreamInfo & { total?: number }>(`STREAM.INFO.${stream}`, body);
      const page = Object.keys(info.state.subjects ?? {});
      for (const subject of page) found.add(subject);
      if (page.length === 0 || found.size >= (info.total ?? 0)) return [...found];
    }
  }

  createStream(config: StreamConfig): Promise<StreamInfo> {
    return this.#api<StreamInfo>(`STREAM.CREATE.${config.name}`, config, undefined, 5_000);
  }

  /** A message as the stream's leader has it: that of a sequence, or the newest of a subject. */
  async message(
    stream: string,
    which: { readonly seq: number } | { readonly last_by_subj: string },
  ): Promise<StoredMessage | undefined> {
    interface Answer {
      readonly message: { subject: string; seq: number; hdrs?: string; data?: string };
    }
    try {
      const { message } = await this.#api<Answer>(`STREAM.MSG.GET.${stream}`, which);
      const { subject, seq, hdrs, data } = message;
      return { subject, sequence: seq, headers: parseHeaders(hdrs), data: Buffer.from(data ?? '', 'base64') };
    } catch (thrown) {
      if (thrown instanceof ApiError && thrown.code === API_CODES.messageNotFound) return undefined;
      throw thrown;
    }
  }

  /** Stores a message; throws `ApiError` when the stream refuses it. */
  async publish(subject: string, data: Uint8Array, fields: Readonly<Record<string, string>>): Promise<PublishAck> {
    const sent = headersOf(fields);
    return parse<PublishAck>(await this.#link.request(subject, data, { timeoutMs: ATTEMPT_MS, headers: sent }));
  }

  createConsumer(stream: string, name: string, config: object, signal: AbortSignal): Promise<ConsumerInfo> {
    const body = { stream_name: stream, action: 'create', config: { name, ...config } };
    return this.#api(`CONSUMER.CREATE.${stream}.${name}`, body, signal, 1_000);
  }

  /** Best effort: consumers that are not deleted end by themselves. */
  async deleteConsumer(stream: string, name: string): Promise<void> {
    try {
      await this.#api(`CONSUMER.DELETE.${stream}.${name}`, undefined, undefined, 1_000);
    } catch (thrown) {
      if (!(thrown instanceof ApiError || thrown instanceof RequestFailure)) throw thrown;
    }
  }
}

export function headersOf(fields: Readonly<Record<string, string>>): MsgHdrs {
  const made = headers();
  for (const [name, value] of Object.entries(fields)) made.set(name, value);
  return made;
}

/** How many bytes headers take of the message's size. */
export function headersSize(fields: Readonly<Record<string, string>>): number {
  const lines = Object.entries(fields).map(([name, value]) => name.length + value.length + 4);
  return lines.reduce((sum, length) => sum + length, 'NATS/1.0\r\n\r\n'.length);
}
