/** The two data planes side by side, each with upstreams of its own that record. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { DATA_PLANES, freePort, until } from '../harness.ts';
import { type Shown, type ShownReceived, showMessage, showReceived } from './difference.ts';
import { type Plane, startPlane } from './plane.ts';
import { type SendOptions, send } from './raw-client.ts';
import { type RecordingUpstream, startRecordingUpstream } from './recording-upstream.ts';

export interface Side {
  readonly plane: Plane;
  readonly folder: string;
  /** By the port that the bootstrap names. */
  readonly upstreams: ReadonlyMap<number, RecordingUpstream>;
}

/** A temporary folder that is removed with the test. */
export function temporaryFolder(test: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-proxy-'));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Starts both on one bootstrap: Weft's first, Envoy's second. Nobody listens where port 10089 leads. `prepare` writes
 * what the bootstrap names by relative paths.
 */
export async function startPair(
  test: TestContext,
  bootstrap: string,
  upstreamPorts: readonly number[],
  prepare: (folder: string) => void = () => undefined,
): Promise<readonly [weft: Side, envoy: Side]> {
  const dead = await freePort();
  const start = async (dataPlane: (typeof DATA_PLANES)[number]): Promise<Side> => {
    const folder = temporaryFolder(test);
    prepare(folder);
    const upstreams = new Map<number, RecordingUpstream>();
    for (const port of upstreamPorts) upstreams.set(port, await startRecordingUpstream(test));
    const ports = Object.fromEntries([...upstreams].map(([port, upstream]) => [port, upstream.port]));
    return {
      plane: await startPlane(test, { dataPlane, bootstrap, folder, ports: { ...ports, 10089: dead } }),
      folder,
      upstreams,
    };
  };
  const [weft, envoy] = await Promise.all(DATA_PLANES.map(start));
  if (!weft || !envoy) throw new Error('there are two data planes');
  return [weft, envoy];
}

/** What a log in the folder says, once it says so many lines. */
export async function logLines(
  { folder }: Pick<Side, 'folder'>,
  file: string,
  count: number,
): Promise<readonly string[]> {
  const read = () => readFileSync(join(folder, file), 'utf8').split('\n').slice(0, -1);
  return until(
    `${count} lines of ${file}`,
    async () => (read().length >= count ? read() : undefined),
    20_000,
    () => read().join('\n'),
  );
}

const machineAddresses = Object.values(networkInterfaces()).flatMap((list) =>
  (list ?? []).filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address),
);

/** What one data plane made of some bytes. */
export interface Outcome {
  readonly received: ShownReceived;
  /** What upstreams saw, by the port that the bootstrap names. */
  readonly upstreams: Readonly<Record<number, readonly Shown[]>>;
  /** Bytes at upstreams that are no whole request. */
  readonly unread: string;
}

/** `listener`: by its name in the bootstrap; the first one where it is not said. */
export async function outcome(
  side: Side,
  bytes: string,
  options: SendOptions = {},
  listener?: string,
): Promise<Outcome> {
  const port = side.plane.port(listener);
  const names = new Map([
    [String(port), '<listener>'],
    // For a client on the same machine Envoy writes the machine's address, and Weft the one that the client has.
    ...machineAddresses.map((address) => [address, '127.0.0.1'] as const),
  ]);
  const raw = await send(port, bytes, options);
  const upstreams = Object.fromEntries(
    [...side.upstreams].map(([port, upstream]) => [
      port,
      upstream.take().map((message) => showMessage(message, names)),
    ]),
  );
  const unread = [...side.upstreams.values()].map((upstream) => upstream.unread()).join('');
  return { received: showReceived(raw, names), upstreams, unread };
}
