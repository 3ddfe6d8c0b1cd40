/** The two data planes on `authz-services.yaml`, each with services of its own. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { decode, encode } from '@weft/envoy-api';
import { DATA_PLANES, type DataPlane, freePort } from '../harness.ts';
import { type ShownReceived, showReceived } from './difference.ts';
import { temporaryFolder } from './pair.ts';
import { type Plane, startPlane } from './plane.ts';
import { send } from './raw-client.ts';
import { type GrpcAnswer, type Heard, startGrpcService, startHttpService } from './recording-services.ts';
import { startRecordingUpstream } from './recording-upstream.ts';
import { CHECKS, LIMITS, type ServiceCase } from './service-cases.ts';
import { plainIds } from './shown-spans.ts';
import type { WireMessage } from './wire.ts';

const CHECK_PATH = '/envoy.service.auth.v3.Authorization/Check';
const LIMIT_PATH = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit';

/** What one data plane made of a case. */
export interface ServiceOutcome {
  readonly received: ShownReceived;
  readonly upstream: readonly string[];
  readonly asked: readonly unknown[];
}

export interface ServiceSide {
  readonly plane: Plane;
  outcome(given: ServiceCase): Promise<ServiceOutcome>;
  /** What collectors of traces were sent so far. */
  exported(): readonly Heard[];
}

function word(text: string, names: Iterable<string>): string | undefined {
  return [...names].find((name) => text.includes(`"${name}"`) || text.includes(Buffer.from(name).toString('base64')));
}

/** The word that the request brings along decides; where it says none all is well. */
function grpcAnswer(path: string, message: Buffer): GrpcAnswer {
  if (path === CHECK_PATH) {
    const asked = JSON.stringify(decode('envoy.service.auth.v3.CheckRequest', message));
    const chosen = word(asked, [...Object.keys(CHECKS), 'status', 'silence']) ?? 'change';
    if (chosen === 'status') return { type: 'status', code: 14 };
    if (chosen === 'silence') return { type: 'silence' };
    return { type: 'message', bytes: encode('envoy.service.auth.v3.CheckResponse', CHECKS[chosen] ?? {}) };
  }
  if (path !== LIMIT_PATH) return { type: 'message', bytes: Buffer.alloc(0) };
  const asked = JSON.stringify(decode('envoy.service.ratelimit.v3.RateLimitRequest', message));
  const chosen = word(asked, [...Object.keys(LIMITS), 'status', 'silence']) ?? 'within';
  if (chosen === 'status') return { type: 'status', code: 14 };
  if (chosen === 'silence') return { type: 'silence' };
  return { type: 'message', bytes: encode('envoy.service.ratelimit.v3.RateLimitResponse', LIMITS[chosen] ?? {}) };
}

const HTTP_FIELDS: readonly (readonly [string, string | readonly string[]])[] = [
  ['x-u', 'authz'],
  ['x-ap', 'authz'],
  ['x-c', 'authz'],
  ['x-s', 'authz'],
  ['x-dm', 'authz'],
  ['location', '/elsewhere'],
  ['www-authenticate', 'Basic'],
  ['set-cookie', ['a=1', 'b=2']],
  ['x-envoy-auth-headers-to-remove', 'x-gone, x-gone-too'],
];
const STATUSES: Readonly<Record<string, number>> = { denied: 401, redirect: 302, broken: 500, created: 201 };
const TRACES_ACCEPTED = 202;

function httpAnswer(request: IncomingMessage, response: ServerResponse): void {
  const { url = '' } = request;
  if (url.startsWith('/v1/traces') || url.startsWith('/api/v2/spans')) {
    response.writeHead(url.startsWith('/api') ? TRACES_ACCEPTED : 200).end();
    return;
  }
  const chosen = String(request.headers['x-authz'] ?? /authz=(\w+)/.exec(url)?.[1] ?? 'ok');
  if (chosen === 'silence') return;
  if (chosen === 'close') {
    request.socket.destroy();
    return;
  }
  for (const [name, value] of HTTP_FIELDS) response.setHeader(name, value);
  if (chosen === 'denied') response.setHeader('content-type', 'text/html');
  response.statusCode = STATUSES[chosen] ?? 200;
  response.end(chosen === 'denied' ? '<b>no</b>' : '');
}

/** What codecs add, what differs from one run to the next, and addresses of the machine that Envoy tells services. */
const NOT_SHOWN = new Set([
  'date',
  'content-length',
  'transfer-encoding',
  'connection',
  'x-forwarded-for',
  'user-agent',
]);
const MOVING = new Set(['x-request-id', 'x-envoy-upstream-service-time']);

function fields(headers: Iterable<readonly [string, string]>): readonly string[] {
  return [...headers]
    .filter(([name, value]) => !NOT_SHOWN.has(name) && (name !== 'tracestate' || value !== ''))
    .map(([name, value]) => `${name}: ${MOVING.has(name) ? '*' : plainIds(value)}`)
    .sort();
}

/** Of a request id what it says of the trace. */
function reason(headers: WireMessage['headers']): string {
  const id = headers.find(([name]) => name === 'x-request-id')?.[1] ?? '';
  return id.length === 36 ? (id[14] ?? '') : id;
}

function shownUpstream({ start, headers, body }: WireMessage): readonly string[] {
  return [start, ...fields(headers), `traced: ${reason(headers)}`, body];
}

interface CheckedHttp {
  readonly headers?: Readonly<Record<string, string>>;
  readonly header_map?: { readonly headers?: readonly { readonly key?: string; readonly raw_value?: string }[] };
}

/** What was asked, without what is new in each run. */
function shownCheck(message: Buffer): unknown {
  const { attributes } = decode('envoy.service.auth.v3.CheckRequest', message);
  const http = (attributes?.request?.http ?? {}) as CheckedHttp & { readonly id?: string };
  const raw = http.header_map?.headers?.map(({ key = '', raw_value = '' }) => [key, atob(raw_value)] as const);
  return {
    ...attributes,
    source: { ...attributes?.source, address: attributes?.source?.address?.socket_address?.address },
    destination: { ...attributes?.destination, address: attributes?.destination?.address?.socket_address?.address },
    request: {
      ...http,
      id: /^\d+$/.test(http.id ?? ''),
      headers: fields(Object.entries(http.headers ?? {})),
      header_map: raw && fields(raw),
    },
  };
}

function shownCall({ path, headers, body }: Heard): unknown {
  const shown = { path, headers: fields(Object.entries(headers)) };
  if (path === CHECK_PATH) return { ...shown, message: shownCheck(body) };
  if (path !== LIMIT_PATH) return { ...shown, body: body.toString('latin1') };
  return { ...shown, message: decode('envoy.service.ratelimit.v3.RateLimitRequest', body) };
}

const isExport = ({ path }: Heard): boolean => /traces|TraceService|spans/.test(path);

async function startSide(test: TestContext, dataPlane: DataPlane, dead: number): Promise<ServiceSide> {
  const folder = temporaryFolder(test);
  const upstream = await startRecordingUpstream(test);
  const services = await startGrpcService(test, grpcAnswer);
  const httpServices = await startHttpService(test, httpAnswer);
  const ports = { 10081: upstream.port, 10083: services.port, 10084: httpServices.port, 10089: dead };
  const plane = await startPlane(test, { dataPlane, bootstrap: 'authz-services.yaml', folder, ports });
  const exported: Heard[] = [];
  /** Exports come when they come; what was asked belongs to the request. */
  const asked = (): readonly Heard[] =>
    [...services.take(), ...httpServices.take()].filter((heard) => {
      if (isExport(heard)) exported.push(heard);
      return !isExport(heard);
    });
  return {
    plane,
    async outcome({ listener, bytes }) {
      const received = showReceived(await send(plane.port(listener), bytes));
      return { received, upstream: upstream.take().flatMap(shownUpstream), asked: asked().map(shownCall) };
    },
    exported() {
      asked();
      return exported;
    },
  };
}

/** Starts both: Weft's first, Envoy's second. */
export async function startServicePair(test: TestContext): Promise<readonly [weft: ServiceSide, envoy: ServiceSide]> {
  const dead = await freePort();
  const [weft, envoy] = await Promise.all(DATA_PLANES.map((dataPlane) => startSide(test, dataPlane, dead)));
  if (!weft || !envoy) throw new Error('there are two data planes');
  return [weft, envoy];
}
