/** Writes small zip archives for tests. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipFile {
  readonly name: string;
  readonly content: Buffer;
  readonly method: 'stored' | 'deflate';
}

function header(signature: number, file: ZipFile, body: Buffer, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32LE(signature, 0);
  const at = size === 30 ? 4 : 6;
  if (size === 46) bytes.writeUInt16LE(20, 4);
  bytes.writeUInt16LE(20, at);
  bytes.writeUInt16LE(file.method === 'deflate' ? 8 : 0, at + 4);
  bytes.writeUInt32LE(crc32(file.content), at + 10);
  bytes.writeUInt32LE(body.length, at + 14);
  bytes.writeUInt32LE(file.content.length, at + 18);
  bytes.writeUInt16LE(Buffer.byteLength(file.name), at + 22);
  return bytes;
}

/** The bytes of a zip archive with these files. */
export function zipOf(files: readonly ZipFile[], comment = ''): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let position = 0;
  for (const file of files) {
    const body = file.method === 'deflate' ? deflateRawSync(file.content) : file.content;
    const entry = header(0x0201_4b50, file, body, 46);
    entry.writeUInt32LE(position, 42);
    const local = [header(0x0403_4b50, file, body, 30), Buffer.from(file.name), body];
    directory.push(entry, Buffer.from(file.name));
    parts.push(...local);
    position += local.reduce((sum, part) => sum + part.length, 0);
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x0605_4b50, 0);
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(position, 16);
  end.writeUInt16LE(Buffer.byteLength(comment), 20);
  return Buffer.concat([...parts, ...directory, end, Buffer.from(comment)]);
}
