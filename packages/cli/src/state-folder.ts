/** The folder `.weft/`: what `weft up` keeps, and how other commands on the machine find it. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** Where the running control plane of a state folder is reached. */
export interface ControlPlaneFile {
  readonly pid: number;
  /** `host:port` for agents. */
  readonly node: string;
  /** `host:port` for administrators. */
  readonly admin: string;
  /** `host:port` of /ready and /metrics. */
  readonly http: string;
}

export interface StateFolder {
  readonly path: string;
  readonly busFile: string;
  readonly caFolder: string;
  readonly joinTokenFile: string;
  readonly agentsFolder: string;
  readonly controlPlaneFile: string;
}

export function stateFolder(path: string): StateFolder {
  const root = resolve(path);
  return {
    path: root,
    busFile: join(root, 'bus.sqlite'),
    caFolder: join(root, 'ca'),
    joinTokenFile: join(root, 'join-token'),
    agentsFolder: join(root, 'agents'),
    controlPlaneFile: join(root, 'control-plane.json'),
  };
}

/**
 * The state folder that a command on this machine means: the one it was given, else `.weft` in the working folder or
 * the nearest folder above it, else `.weft` in the working folder, which need not exist.
 */
export function findStateFolder(given: string | undefined, cwd: string): StateFolder {
  if (given) return stateFolder(resolve(cwd, given));
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.weft'))) return stateFolder(join(folder, '.weft'));
    if (dirname(folder) === folder) return stateFolder(join(cwd, '.weft'));
  }
}

export function makeStateFolder(folder: StateFolder): void {
  mkdirSync(folder.path, { recursive: true, mode: 0o700 });
}

/** Written in one step, so that no reader sees half of it. */
export function writeControlPlaneFile(folder: StateFolder, content: ControlPlaneFile): void {
  const temporary = `${folder.controlPlaneFile}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, folder.controlPlaneFile);
}

export function removeControlPlaneFile(folder: StateFolder): void {
  if (readControlPlaneFile(folder)?.pid === process.pid) rmSync(folder.controlPlaneFile, { force: true });
}

/** What the running control plane wrote; undefined when none did. */
export function readControlPlaneFile(folder: StateFolder): ControlPlaneFile | undefined {
  if (!existsSync(folder.controlPlaneFile)) return undefined;
  return JSON.parse(readFileSync(folder.controlPlaneFile, 'utf8')) as ControlPlaneFile;
}
