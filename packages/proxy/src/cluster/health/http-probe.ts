/** A check by an HTTP request. */
import type { HttpHealthCheckConfig, StatusRange } from '../../config/health-check.ts';
import { HeaderList } from '../../http/header-list.ts';
import { RequestHead, type ResponseHead } from '../../http/message.ts';
import type { ResponseListener } from '../../http/stream.ts';
import { applyChanges, changeLevels, type HeaderChanges } from '../../stack/header-changes.ts';
import type { Host } from '../host.ts';
import { checkedAddress, checkedName, ProbeConnection, type ProbeTransport } from './connection.ts';
import { DEGRADED, holdsInOrder, NO_ANSWER, PASSED, type Probe, type ProbeOutcome, type ProbeOwner } from './probe.ts';
import { checkInfo } from './stream-info.ts';

/** By which servers tell checks from requests. */
export const USER_AGENT = 'Envoy/HC';
const OK: readonly StatusRange[] = [{ start: 200, end: 201 }];

export interface HttpProbeOptions {
  readonly config: HttpHealthCheckConfig;
  readonly transport: ProbeTransport;
  readonly clusterName: string;
  readonly reusesConnection: boolean;
  /** An answer was asked for the name of its service. */
  readonly onVerified: () => void;
}

const holds = (ranges: readonly StatusRange[], status: number) =>
  ranges.some(({ start, end }) => status >= start && status < end);

export class HttpProbe implements Probe, ResponseListener {
  readonly #host: Host;
  readonly #owner: ProbeOwner;
  readonly #options: HttpProbeOptions;
  readonly #connection: ProbeConnection;
  readonly #changes: readonly HeaderChanges[];
  readonly #body: Buffer[] = [];
  #bytes = 0;
  #head: ResponseHead | undefined;
  #isRunning = false;

  constructor(host: Host, owner: ProbeOwner, options: HttpProbeOptions) {
    const { config, transport } = options;
    this.#host = host;
    this.#owner = owner;
    this.#options = options;
    const protocol = config.codec_client_type === 'HTTP2' ? 'HTTP/2' : 'HTTP/1.1';
    this.#connection = new ProbeConnection(checkedAddress(host), transport, protocol);
    this.#changes = changeLevels([{ remove: config.request_headers_to_remove, add: config.request_headers_to_add }]);
  }

  start(): void {
    const { send } = this.#options.config;
    this.#isRunning = true;
    this.#head = undefined;
    this.#body.length = 0;
    this.#bytes = 0;
    this.#connection.request(this, (stream) => {
      stream.sendHead(this.#request(), send === undefined);
      if (!send) return;
      stream.sendBody(send);
      stream.sendEnd(undefined);
    });
  }

  #request(): RequestHead {
    const { config, clusterName, transport } = this.#options;
    const method = config.method === 'METHOD_UNSPECIFIED' ? 'GET' : config.method;
    const headers = new HeaderList(['user-agent', USER_AGENT]);
    const authority = checkedName(this.#host, config.host, clusterName);
    const scheme = transport.connect.tls ? 'https' : 'http';
    const head = new RequestHead(method, config.path, authority, scheme, headers);
    applyChanges(this.#changes, headers, checkInfo(this.#host, head, clusterName, transport.clock));
    if (config.send) {
      headers.set('content-length', String(config.send.length));
      head.bodyLength = config.send.length;
    }
    return head;
  }

  // The answer.

  onUpstreamInformational(): void {
    // The answer proper follows.
  }

  onUpstreamHead(head: ResponseHead): void {
    this.#head = head;
  }

  onUpstreamBody(chunk: Buffer): void {
    const { receive, response_buffer_size: limit } = this.#options.config;
    const isWanted = receive.length > 0 && (limit === 0 || this.#bytes < limit);
    if (!isWanted) return;
    this.#body.push(limit === 0 ? chunk : chunk.subarray(0, limit - this.#bytes));
    this.#bytes += chunk.length;
  }

  onUpstreamEnd(): void {
    const head = this.#head;
    if (!this.#isRunning || !head) return;
    this.#isRunning = false;
    const outcome = this.#judge(head);
    if (!this.#options.reusesConnection) this.#connection.close();
    this.#owner.onOutcome(outcome);
  }

  onUpstreamReset(): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#connection.close();
    this.#owner.onOutcome(NO_ANSWER);
  }

  onUpstreamDrain(): void {
    // What is sent is short.
  }

  #judge({ status, headers }: ResponseHead): ProbeOutcome {
    const { config, onVerified } = this.#options;
    const failed = (isRetriable: boolean): ProbeOutcome => {
      const isExcluding = headers.has('x-envoy-immediate-health-check-fail');
      return { type: 'failed', cause: 'active', isRetriable, isExcluding, status };
    };
    if (!holdsInOrder(Buffer.concat(this.#body), config.receive)) return failed(false);
    const expected = config.expected_statuses.length > 0 ? config.expected_statuses : OK;
    if (!holds(expected, status)) return failed(holds(config.retriable_statuses, status));
    if (config.service_name_matcher) {
      onVerified();
      const name = headers.get('x-envoy-upstream-healthchecked-cluster') ?? '';
      if (!config.service_name_matcher(name)) {
        return { type: 'failed', cause: 'active', isRetriable: false, isExcluding: false, status };
      }
    }
    return headers.has('x-envoy-degraded') ? DEGRADED : PASSED;
  }

  giveUp(): void {
    this.#isRunning = false;
    this.#connection.close();
  }

  close(): void {
    this.giveUp();
  }
}
