/**
 * Reads one file out of a zip archive, stored or deflated, as wheels are: APPNOTE.TXT of PKWARE, sections 4.3.7 to
 * 4.3.16. Zip64, encryption and archives in several parts are refused by name.
 */
import { createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';

const END_OF_DIRECTORY = 0x0605_4b50;
const DIRECTORY_ENTRY = 0x0201_4b50;
const LOCAL_HEADER = 0x0403_4b50;
/** The end record is 22 bytes and a comment of at most 65,535. */
const END_SEARCH = 22 + 0xffff;

interface Entry {
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly headerAt: number;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  if (bytesRead !== length) throw new Error('the zip archive is cut short');
  return buffer;
}

/** The bytes of the central directory. */
async function directory(file: FileHandle): Promise<Buffer> {
  const { size } = await file.stat();
  const length = Math.min(size, END_SEARCH);
  const tail = await readAt(file, size - length, length);
  for (let at = tail.length - 22; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END_OF_DIRECTORY) continue;
    if (tail.readUInt16LE(at + 4) !== 0) throw new Error('the zip archive has several parts, which is not supported');
    const directorySize = tail.readUInt32LE(at + 12);
    const directoryAt = tail.readUInt32LE(at + 16);
    if (directoryAt === 0xffff_ffff) throw new Error('the archive is zip64, which is not supported');
    return readAt(file, directoryAt, directorySize);
  }
  throw new Error('the file is not a zip archive');
}

function findEntry(bytes: Buffer, name: string): Entry {
  let at = 0;
  while (at + 46 <= bytes.length && bytes.readUInt32LE(at) === DIRECTORY_ENTRY) {
    const nameLength = bytes.readUInt16LE(at + 28);
    const next = at + 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    if (bytes.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      return {
        flags: bytes.readUInt16LE(at + 8),
        method: bytes.readUInt16LE(at + 10),
        crc: bytes.readUInt32LE(at + 16),
        compressedSize: bytes.readUInt32LE(at + 20),
        size: bytes.readUInt32LE(at + 24),
        headerAt: bytes.readUInt32LE(at + 42),
      };
    }
    at = next;
  }
  throw new Error(`the zip archive holds no ${name}`);
}

async function dataPosition(file: FileHandle, entry: Entry): Promise<number> {
  const header = await readAt(file, entry.headerAt, 30);
  if (header.readUInt32LE(0) !== LOCAL_HEADER) throw new Error('the zip archive is damaged: a local header is missing');
  return entry.headerAt + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
}

/** Passes bytes on and, at the end, fails unless they are as many, and have the checksum, that the archive says. */
function checker(name: string, entry: Entry): Transform {
  let crc = 0;
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      crc = crc32(chunk, crc);
      size += chunk.length;
      done(size > entry.size ? new Error(`${name} is longer than the zip archive says`) : null, chunk);
    },
    flush(done) {
      const whole = size === entry.size && crc === entry.crc;
      done(whole ? null : new Error(`${name} is damaged inside the zip archive`));
    },
  });
}

/** Writes the file `name` of the archive to `target`, which must not exist, with the given mode. */
export async function extract(archive: string, name: string, target: string, mode: number): Promise<void> {
  await using file = await open(archive, 'r');
  const entry = findEntry(await directory(file), name);
  if ((entry.flags & 1) !== 0) throw new Error(`${name} is encrypted in the zip archive`);
  if (entry.method !== 0 && entry.method !== 8) {
    throw new Error(`${name} is compressed by method ${entry.method}, which is not supported`);
  }
  const start = await dataPosition(file, entry);
  const sink = createWriteStream(target, { flags: 'wx', mode });
  if (entry.compressedSize === 0) {
    await pipeline([Buffer.alloc(0)], checker(name, entry), sink);
    return;
  }
  const source = file.createReadStream({ start, end: start + entry.compressedSize - 1, autoClose: false });
  if (entry.method === 0) await pipeline(source, checker(name, entry), sink);
  else await pipeline(source, createInflateRaw(), checker(name, entry), sink);
}
