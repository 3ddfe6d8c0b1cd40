/** What the cases stand on: a folder with certificates, load processes, and data planes that are ended with them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LoadProcess } from './load/link.ts';
import { bootstrapText } from './plane/bootstrap.ts';
import { type Certificates, writeCertificates } from './plane/certificates.ts';
import { type Cpus, findCpus } from './plane/cpus.ts';
import { type Plane, type PlaneOptions, type Side, startPlane } from './plane/plane.ts';

export type StartOptions = Pick<PlaneOptions, 'ports'> &
  Partial<Pick<PlaneOptions, 'text' | 'format' | 'readyWithinMs'>>;

export type Start = (name: string, options: StartOptions) => Promise<Plane>;

export class Ground implements AsyncDisposable {
  readonly #folder: string;
  readonly cpus: Cpus;
  readonly certificates: Certificates;
  readonly load: LoadProcess;
  /** The process of the applications: that of the load where there is no processor for one more. */
  readonly upstream: LoadProcess;

  constructor() {
    this.cpus = findCpus();
    this.#folder = mkdtempSync(join(tmpdir(), 'weft-bench-'));
    this.certificates = writeCertificates(this.#folder);
    this.load = new LoadProcess(this.cpus.load);
    this.upstream = this.cpus.upstream === this.cpus.load ? this.load : new LoadProcess(this.cpus.upstream);
  }

  /**
   * Runs `work`, which starts data planes of one side on `bench/bootstrap/<name>.yaml` or on the text that is given; they
   * end with it. What goes wrong is told with the side that it went wrong with.
   */
  async with<T>(side: Side, work: (start: Start) => Promise<T>): Promise<T> {
    const started: Plane[] = [];
    const start: Start = async (name, options) => {
      const text = options.text ?? bootstrapText(`${name}.yaml`);
      const place = { folder: this.#folder, cpu: this.cpus.proxy };
      const plane = await startPlane({ ...options, ...place, side, name, text });
      started.push(plane);
      return plane;
    };
    try {
      return await work(start);
    } catch (error) {
      const { message } = error as Error;
      throw new Error(message.startsWith(side) ? message : `${side}: ${message}`, { cause: error });
    } finally {
      await Promise.all(started.map((plane) => plane.close()));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(new Set([this.load, this.upstream]).values().map((each) => each.close()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
