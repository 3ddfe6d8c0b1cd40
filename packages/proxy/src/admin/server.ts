/**
 * The admin interface over HTTP. It is meant for the machine's own tools: requests of browsers on behalf of other sites
 * are refused, be they sent across origins or to a name that was made to point here, and what a client may hold is
 * bounded.
 */
import type { IncomingMessage, Server } from 'node:http';
import { type AddressInfo, isIP, isIPv4 } from 'node:net';
import { WeftError } from '@weft/contracts/error';
import { addressText, type NetworkAddress } from '../config/core.ts';
import { type Answer, text } from './answer.ts';
import type { Admin, AdminContext } from './context.ts';
import { ADMIN_PATHS, type AdminPath, helpText, homePage } from './paths.ts';
import { Sender } from './send.ts';

const MAX_CONNECTIONS = 128;
const MAX_HEADER_BYTES = 16_384;
/** Of a body; more than this is not even waited for. */
const MAX_BODY_BYTES = 65_536;
const REQUEST_MS = 10_000;
/** A connection on which nothing moves, be it between requests or in an answer that nobody reads. */
const IDLE_MS = 60_000;
const CHECK_MS = 5000;

/**
 * `node:http`, with what is used of it alone: an import reads each of its properties, and so loads the client of
 * `fetch` and of WebSockets, 16 MiB that nobody uses.
 */
const { createServer } = process.getBuiltinModule('node:http');

function isLoopback(host: string): boolean {
  return host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** Without the port: `[::1]:9901` is `::1`. */
function hostName(host: string): string {
  return /^\[(.*)\](?::\d+)?$/.exec(host)?.[1] ?? host.replace(/:\d*$/, '');
}

/** Why a request is refused whatever it asks for; undefined where it is not. */
function refusal(request: IncomingMessage, bound: NetworkAddress): string | undefined {
  const { origin, host = '', 'sec-fetch-site': site } = request.headers;
  if (origin !== undefined || (site !== undefined && site !== 'none' && site !== 'same-origin')) {
    return 'The admin interface answers no request that a web page sent; use the address itself, or curl.';
  }
  if (bound.type === 'unix' || !isLoopback(bound.host)) return undefined;
  const name = hostName(host);
  if (name === '' || name === 'localhost' || isIP(name) !== 0) return undefined;
  return `The admin interface listens on loopback alone and is not known as ${JSON.stringify(name)}; use ${addressText(bound)}.`;
}

/** A request that may be answered, and with what. */
interface Asked {
  readonly path: AdminPath;
  readonly query: string;
}

/** What is to be done for a request; an answer, where that does not depend on the state of the proxy. */
function read(request: IncomingMessage, bound: NetworkAddress): Asked | Answer {
  const refused = refusal(request, bound);
  if (refused !== undefined) return text(`${refused}\n`, 403);
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  const given = mark === -1 ? url : url.slice(0, mark);
  if (given === '/' || given === '') return homePage();
  const path = ADMIN_PATHS.find((entry) => entry.path === given);
  if (!path) return text(`invalid path. ${helpText()}`, 404);
  if (path.mutates && request.method !== 'POST') {
    return text(`Method ${request.method} not allowed, POST required.`, 405);
  }
  return { path, query: mark === -1 ? '' : url.slice(mark + 1) };
}

async function answerTo(request: IncomingMessage, context: AdminContext, bound: NetworkAddress): Promise<Answer> {
  const asked = read(request, bound);
  const form = await formOf(request);
  if (!('path' in asked)) return asked;
  const { path, query } = asked;
  try {
    if (path.reads) await context.refresh(path.reads);
    return path.answer(context, new URLSearchParams(query === '' ? form : query));
  } catch (error) {
    context.log.error({ path: path.path, reason: (error as Error).stack }, 'the admin interface failed to answer');
    return text(`${path.path} could not be answered: ${(error as Error).message}\n`, 500);
  }
}

/** Parameters that are sent as a form in the body; any other body is let go of, as are clients that go on sending one. */
function formOf(request: IncomingMessage): Promise<string> {
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
  const chunks: Buffer[] = [];
  let received = 0;
  request.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received > MAX_BODY_BYTES) request.destroy();
    else if (isForm) chunks.push(chunk);
  });
  // The client left; whom it matters to is told by the response.
  request.on('error', () => undefined);
  if (!isForm) return Promise.resolve('');
  return new Promise((resolve) => {
    request.once('end', () => resolve(Buffer.concat(chunks).toString()));
    request.once('close', () => resolve(''));
  });
}

function makeServer(context: AdminContext, bound: () => NetworkAddress): Server {
  const options = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: CHECK_MS,
  };
  const sender = new Sender();
  const server = createServer(options, (request, response) => {
    answerTo(request, context, bound())
      .then((answer) => sender.send(request.method === 'HEAD', response, answer))
      .catch((error: unknown) => {
        context.log.error({ reason: String(error) }, 'the admin interface could not answer');
        response.destroy();
      });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = IDLE_MS;
  return server;
}

function listen(server: Server, address: NetworkAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const where = addressText(address);
      const reason = cause.code === 'EADDRINUSE' ? 'something else listens there' : cause.message;
      const advice = 'choose another address in admin.address of the bootstrap';
      reject(
        new WeftError('FAILED_PRECONDITION', `The admin interface cannot listen on ${where}: ${reason}; ${advice}.`, {
          cause,
        }),
      );
    });
    server.once('listening', resolve);
    if (address.type === 'unix') server.listen(address.path);
    else server.listen(address.port, address.host);
  });
}

/** Where it listens, with the port that the system chose. */
function boundAddress(server: Server, address: NetworkAddress): NetworkAddress {
  if (address.type === 'unix') return address;
  return { ...address, port: (server.address() as AddressInfo).port };
}

/** Starts the admin interface. Throws `WeftError` FAILED_PRECONDITION where the address cannot be had. */
export async function startAdmin(context: AdminContext, address: NetworkAddress): Promise<Admin> {
  let bound = address;
  const server = makeServer(context, () => bound);
  await listen(server, address);
  bound = boundAddress(server, address);
  server.on('error', (error) => context.log.error({ reason: error.message }, 'the admin interface failed'));
  return {
    address: addressText(bound),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
