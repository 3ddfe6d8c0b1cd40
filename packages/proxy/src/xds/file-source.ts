/**
 * Resources of one type from a file that holds what a server would say, a `DiscoveryResponse`. It is read when something
 * is first wanted of it, and again when it is replaced by another file that is moved there: one that is written in place
 * could be read half
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/config_source.proto#config-core-v3-pathconfigsource).
 */
import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, extname } from 'node:path';
import { encodeUnknown, type ResourceType } from '@weft/envoy-api';
import type { ResourceSource } from '../config/config-source.ts';
import type { Log } from '../log.ts';
import { inSlices } from '../slices.ts';
import type { TypeSubscription } from './type-subscription.ts';
import { type DiscoveryResponse, readResponse, typeOfUrl } from './wire.ts';

/** Tells of names in a folder that came, went or now stand for something else; gives what ends that. */
export type WatchFolder = (folder: string, onMoved: (name: string) => void) => () => void;

/** A name that is new may be that of a file which is being written: it is told once nobody has written for that long. */
const STILL_MS = 50;

export function watchFolder(folder: string, onMoved: (name: string) => void, stillMs = STILL_MS): () => void {
  const moved = new Map<string, NodeJS.Timeout>();
  const watcher = watch(folder, { persistent: false }, (event, name) => {
    if (name === null) return;
    const known = moved.get(name);
    if ((event === 'rename') === (known !== undefined)) return;
    clearTimeout(known);
    const tell = () => {
      moved.delete(name);
      onMoved(name);
    };
    moved.set(name, setTimeout(tell, stillMs).unref());
  });
  const close = () => {
    watcher.close();
    for (const timer of moved.values()) clearTimeout(timer);
    moved.clear();
  };
  // The folder itself went away: what was read last stays in use.
  watcher.on('error', close);
  return close;
}

export interface FileSourceOptions {
  readonly file: Extract<ResourceSource, { type: 'file' }>;
  readonly type: ResourceType;
  readonly log: Log;
  readonly subscription: (onChange: () => void) => TypeSubscription;
  readonly watch: WatchFolder;
  /** Told when nobody wants anything from here any more. */
  readonly onIdle: () => void;
}

/** What the file says; throws with what is wrong with it. */
async function readFileResponse(path: string): Promise<DiscoveryResponse> {
  const bytes = await readFile(path);
  if (extname(path) === '.pb') return readResponse('state-of-the-world', bytes);
  const text = bytes.toString('utf8');
  const value: unknown = extname(path) === '.json' ? JSON.parse(text) : (await import('yaml')).parse(text);
  // A file that is still empty says nothing, and not that there is nothing.
  if (typeof value !== 'object' || value === null) throw new Error('it holds no object');
  return readResponse(
    'state-of-the-world',
    encodeUnknown('envoy.service.discovery.v3.DiscoveryResponse', value, { isLenient: true }),
  );
}

export class FileSource {
  readonly #options: FileSourceOptions;
  readonly #subscription: TypeSubscription;
  #unwatch: (() => void) | undefined;
  #isDue = false;
  #isReading = false;
  #isAgain = false;
  #isClosed = false;

  constructor(options: FileSourceOptions) {
    this.#options = options;
    this.#subscription = options.subscription(() => this.#settleSoon());
  }

  type(): TypeSubscription {
    return this.#subscription;
  }

  close(): void {
    this.#isClosed = true;
    this.#unwatch?.();
    this.#subscription.close();
  }

  /** What many ask for in one turn is read once. */
  #settleSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      if (!this.#isClosed) this.#settle();
    });
  }

  #settle(): void {
    if (!this.#subscription.isWanted) {
      this.#options.onIdle();
      return;
    }
    this.#unwatch ??= this.#watch();
    if (this.#subscription.request()) void this.#read();
  }

  #watch(): () => void {
    const { file, watch: begin, log } = this.#options;
    const name = basename(file.path);
    try {
      if (file.folder !== undefined) return begin(file.folder, () => void this.#read());
      return begin(dirname(file.path), (moved) => {
        if (moved === name) void this.#read();
      });
    } catch (thrown) {
      log.warn({ path: file.path, reason: String(thrown) }, 'changes of a file with resources cannot be seen');
      return () => undefined;
    }
  }

  async #read(): Promise<void> {
    if (this.#isReading) {
      this.#isAgain = true;
      return;
    }
    this.#isReading = true;
    do {
      this.#isAgain = false;
      await this.#readOnce();
    } while (this.#isAgain && !this.#isClosed);
    this.#isReading = false;
  }

  async #readOnce(): Promise<void> {
    const { file, type, log } = this.#options;
    try {
      const response = await readFileResponse(file.path);
      if (this.#isClosed) return;
      const given = response.typeUrl === '' ? type : typeOfUrl(response.typeUrl);
      if (given !== type) throw new Error(`it is of ${response.typeUrl}, and ${type} resources were expected`);
      const refusal = await inSlices(this.#subscription.take(response));
      if (this.#isClosed) return;
      this.#subscription.answer(response, refusal);
    } catch (thrown) {
      if (this.#isClosed) return;
      this.#subscription.failed();
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      log.warn({ path: file.path, reason }, 'a file with resources cannot be read; what it held before stays in use');
    }
  }
}
