/** The HTTP port of a control-plane process: `/live`, `/ready`, `/metrics`. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { joinAddress, splitAddress } from '@weft/contracts/address';
import { WeftError } from '@weft/contracts/error';

export interface HttpOptions {
  /** `host:port`. */
  readonly address: string;
  /** The metrics page in Prometheus's text format. */
  readonly metrics: () => Promise<string>;
  /** Why the process is not ready, a line each; empty when it is. */
  readonly notReadyBecause: () => readonly string[];
}

export interface HttpServer {
  /** As bound. */
  readonly address: string;
  close(): Promise<void>;
}

function send(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type }).end(body);
}

async function answer(path: string, response: ServerResponse, options: HttpOptions): Promise<void> {
  if (path === '/live') send(response, 200, 'live\n');
  else if (path === '/ready') {
    const reasons = options.notReadyBecause();
    if (reasons.length === 0) send(response, 200, 'ready\n');
    else send(response, 503, `${reasons.join('\n')}\n`);
  } else if (path === '/metrics') {
    send(response, 200, await options.metrics(), 'text/plain; version=0.0.4; charset=utf-8');
  } else send(response, 404, 'there is /live, /ready and /metrics\n');
}

function create(options: HttpOptions): Server {
  return createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, 405, 'only GET\n');
      return;
    }
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    answer(path, response, options).catch((thrown: unknown) => {
      if (!response.headersSent) send(response, 500, `${thrown instanceof Error ? thrown.message : thrown}\n`);
      else response.destroy();
    });
  });
}

/** Throws `WeftError` FAILED_PRECONDITION when the port is in use. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { host, port } = splitAddress(options.address);
  const server = create(options);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const message =
        cause.code === 'EADDRINUSE'
          ? `${options.address} is in use by another process; give another address for HTTP, or end that process`
          : `${options.address} cannot be listened on: ${cause.message}`;
      reject(new WeftError('FAILED_PRECONDITION', message, { cause }));
    });
    server.listen(port, host, resolve);
  });
  const bound = server.address();
  const boundPort = typeof bound === 'object' && bound ? bound.port : port;
  return {
    address: joinAddress(host, boundPort),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
