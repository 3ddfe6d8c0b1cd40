/**
 * Connections to hosts, made by Weft's proxy and by the real Envoy on the same bootstrap: the first bytes of each, how many
 * there are, and what is counted of them.
 */
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { DATA_PLANES, type DataPlane, listen, until } from './harness.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';

const UPSTREAM_PORTS = [10081, 10082, 10083, 10084, 10085, 10086, 10087];

/** A handshake of TLS: what is in it is drawn anew each time. */
const HANDSHAKE = '\u0016\u0003';

/** What came before the request, or before TLS, and of those what does not change. */
function beginningOf(text: string): string {
  const [plain = '', ...secure] = text.split(HANDSHAKE);
  const [header = '', ...request] = plain.split('GET ');
  const path = request[0]?.split(' ')[0] ?? '';
  return header + path + (secure.length > 0 ? 'TLS' : '');
}

/** What came on each connection, as far as it is not of the proxy's own making: up to the request, or to TLS. */
class Upstreams {
  readonly ports: Record<number, number> = {};
  readonly #seen = new Map<number, string[]>();

  async start(test: TestContext): Promise<this> {
    for (const port of UPSTREAM_PORTS) this.ports[port] = await this.#listen(test, port);
    return this;
  }

  async #listen(test: TestContext, name: number): Promise<number> {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      const list = this.of(name);
      const index = list.push('') - 1;
      socket.on('data', (chunk: Buffer) => {
        list[index] += chunk.toString('latin1');
        const requests = chunk.toString('latin1').match(/\r\n\r\n$/) ? 1 : 0;
        if (requests > 0) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n');
        else if (list[index]?.includes('hello') || list[index]?.includes(HANDSHAKE)) socket.end('bye');
      });
    });
    return listen(test, server);
  }

  of(name: number): string[] {
    const known = this.#seen.get(name) ?? [];
    this.#seen.set(name, known);
    return known;
  }

  /** What began each connection, by the upstream; forgets them. */
  take(): Readonly<Record<string, readonly string[]>> {
    const entries = [...this.#seen].map(([name, list]) => {
      const begun = list.splice(0).map((text) => {
        const start = beginningOf(text);
        return Buffer.from(start, 'latin1').toString('hex');
      });
      return [String(name), begun.toSorted()] as const;
    });
    return Object.fromEntries(entries.filter(([, list]) => list.length > 0));
  }
}

interface Side {
  readonly plane: Plane;
  readonly upstreams: Upstreams;
}

async function startSide(test: TestContext, dataPlane: DataPlane): Promise<Side> {
  const upstreams = await new Upstreams().start(test);
  const folder = temporaryFolder(test);
  const plane = await startPlane(test, { dataPlane, bootstrap: 'transports.yaml', folder, ports: upstreams.ports });
  return { plane, upstreams };
}

/** Sends each text once the one before is answered, over one connection, and waits for the last answer. */
function say(port: number, header: string, texts: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = '';
    const left = [...texts];
    const socket = connect({ host: '127.0.0.1', port });
    socket.setTimeout(20_000, () => reject(new Error(`no answer for 20 s, but ${JSON.stringify(seen)}`)));
    socket.write(`PROXY ${header}\r\n${left.shift() ?? ''}`);
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1');
      if (!seen.endsWith('ok\n')) return;
      const next = left.shift();
      if (next === undefined) socket.end();
      else socket.write(next);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      socket.destroy();
      resolve(seen);
    });
  });
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

type Act = (side: Side) => Promise<unknown>;

const CLIENTS = {
  IPv4: 'TCP4 198.51.100.1 10.1.2.3 40000 443',
  IPv6: 'TCP6 2001:db8::9 2001:db8:0:1::a 40000 443',
};

const ACTS: Readonly<Record<string, Act>> = {
  ...Object.fromEntries(
    Object.entries(CLIENTS).flatMap(([family, header]) =>
      ['tcp-v1', 'tcp-v2', 'tcp-tls'].map((listener): [string, Act] => [
        `${listener} for a client with ${family}`,
        ({ plane }) => say(plane.port(listener), header, ['hello']),
      ]),
    ),
  ),
  ...Object.fromEntries(
    ['/v1', '/v2'].map((path): [string, Act] => [
      `requests for ${path} of three clients, two of them at the same address`,
      async ({ plane }) => {
        const two = [get(path), get(path)];
        await say(plane.port('http'), 'TCP4 198.51.100.1 10.1.2.3 1000 80', two);
        await say(plane.port('http'), 'TCP4 198.51.100.1 10.1.2.3 1000 80', two);
        await say(plane.port('http'), 'TCP4 198.51.100.1 10.1.2.3 1001 80', two);
        await say(plane.port('http'), 'TCP6 2001:db8::9 2001:db8::1 1000 80', two);
      },
    ]),
  ),
  'connections to hosts of different metadata': async ({ plane }) => {
    for (let i = 0; i < 4; i++) await say(plane.port('tcp-matched'), 'TCP4 198.51.100.1 10.1.2.3 1000 80', ['hello']);
  },
  'requests to hosts of different metadata': async ({ plane }) => {
    const request = 'GET /matched HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    const requests = [request, request, request, request];
    for (const header of ['TCP4 198.51.100.1 10.1.2.3 1000 80', 'TCP4 198.51.100.2 10.1.2.3 1000 80']) {
      await Promise.all(requests.map((request) => say(plane.port('http'), header, [request])));
    }
  },
};

/** Which of several hosts is first is drawn anew: what is told of each is what counts, not how often. */
function distinct(seen: Readonly<Record<string, readonly string[]>>): object {
  return Object.fromEntries(Object.entries(seen).map(([name, list]) => [name, [...new Set(list)]]));
}

test('hosts are connected to in the same ways, and told the same of clients', async (t) => {
  const sides = await Promise.all(DATA_PLANES.map((dataPlane) => startSide(t, dataPlane)));
  const checks = await Promise.all(
    sides.map(({ upstreams }) => until('the check of health', async () => upstreams.of(10082)[0] || undefined)),
  );
  assert.deepEqual(checks.length, 2);
  const [ourChecks, theirChecks] = sides.map(({ upstreams }) => upstreams.take());
  assert.deepEqual(ourChecks, theirChecks, 'checks of health');
  for (const [name, act] of Object.entries(ACTS)) {
    await Promise.all(sides.map(act));
    const [ours = {}, theirs = {}] = sides.map(({ upstreams }) => upstreams.take());
    if (name.includes('metadata')) assert.deepEqual(distinct(ours), distinct(theirs), name);
    else assert.deepEqual(ours, theirs, name);
    assert.notDeepEqual(ours, {}, name);
  }
  for (const name of ['secure', 'told', 'never', 'default']) {
    const [ours, theirs] = await Promise.all(
      sides.map(({ plane }) => plane.stat(`cluster.matched.${name}.total_match_count`)),
    );
    assert.equal(ours, theirs, name);
  }
});
