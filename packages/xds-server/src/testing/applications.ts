/** Applications and callers for tests. */
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import type { TestContext } from 'node:test';

export interface Application {
  readonly port: number;
  /** How many requests it has seen. */
  seen(): number;
  stop(): Promise<void>;
}

/** An application that answers with its name and the headers and path of the request. */
export async function startApplication(t: TestContext, name: string): Promise<Application> {
  let seen = 0;
  const server = createServer((incoming, answer) => {
    seen++;
    incoming.resume();
    if (incoming.url === '/forge') answer.setHeader('x-weft-refused', '1');
    if (incoming.url === '/forge') answer.statusCode = 503;
    answer.end(JSON.stringify({ name, path: incoming.url, headers: incoming.headers }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const stop = async () => {
    if (!server.listening) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  t.after(stop);
  return { port: typeof address === 'object' && address ? address.port : 0, seen: () => seen, stop };
}

/** An application that sends a greeting, and then what it is sent. */
export async function startEcho(t: TestContext, greeting: string): Promise<number> {
  const server = createTcpServer((socket) => {
    socket.write(greeting);
    socket.pipe(socket);
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** What the application told, when it was it that answered. */
  readonly told: { readonly name?: string; readonly path?: string; readonly headers?: Record<string, string> };
}

export interface Call {
  /** Of the listener. */
  readonly port: number;
  /** Absolute for HTTP_PROXY. */
  readonly path: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** Makes a request on a connection of its own. */
export function call({ port, path, method = 'GET', headers = {}, body }: Call): Promise<Answer> {
  const host = path.startsWith('http') ? { host: new URL(path).host } : {};
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers: { ...host, ...headers }, agent: false });
    outgoing.on('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => {
        const told = text.startsWith('{') ? JSON.parse(text) : {};
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, told });
      });
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Sends a text over TCP and gives what comes until it ends with `until`. */
export function talk(port: number, text: string, until: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    const timer = setTimeout(() => reject(new Error(`waited in vain for ${until}: got ${received}`)), 15_000);
    const finish = (result: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      result();
    };
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString();
      if (received.endsWith(until)) finish(() => resolve(received));
    });
    socket.on('close', () => finish(() => reject(new Error(`closed before ${until}: got ${received}`))));
    socket.on('error', reject);
    socket.write(text);
  });
}
