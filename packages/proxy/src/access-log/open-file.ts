/** Opens what a log is written to, so that nothing ever waits for it: neither requests, nor the threads that files are read with. */
import { constants, createWriteStream, fstat, open } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';

/**
 * To open a pipe that nobody reads, and to write to one that is full, would each keep a thread waiting that resolving names and
 * reading files need, too.
 */
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK;
const MODE = 0o666;

const openDescriptor = promisify(open);
const statDescriptor = promisify(fstat);

/**
 * A stream to the end of the file, which is made where there is none. A pipe takes what its reader takes: one without a reader
 * is an error (ENXIO), as are folders and what may not be written. Rejects with the error of the system.
 */
export async function openFile(path: string): Promise<Writable> {
  const fd = await openDescriptor(path, FLAGS, MODE);
  const stat = await statDescriptor(fd);
  if (stat.isFIFO()) return new Socket({ fd, readable: false, writable: true });
  return createWriteStream(path, { fd });
}
