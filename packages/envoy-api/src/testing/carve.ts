/**
 * Takes the descriptors of the Envoy API out of an Envoy binary.
 *
 * protoc's C++ code keeps the serialized FileDescriptorProto of each .proto file in one section of the program,
 * `protodesc_cold`, between tables of offsets. The same binary has older copies of some of them elsewhere,
 * in the read-only data of gRPC's own xDS client; those are not what Envoy reads its configuration with, so the section
 * is found by name, never by searching the file for names of .proto files.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { type FileDescriptorSet, fileDescriptorSet } from '@weft/protobuf/descriptor';

const SECTION = 'protodesc_cold';
const ELF_MAGIC = 0x7f45_4c46;
/** EI_CLASS and EI_DATA of a 64-bit little-endian file. */
const ELF_64_LITTLE = 0x0201;
/** The tag of a string of number 1: FileDescriptorProto.name, and FileDescriptorSet.file. */
const NAME_TAG = 0x0a;
const MAX_SECTION_BYTES = 64 * 1024 * 1024;

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  if (bytesRead !== length) throw new Error(`the binary ends before byte ${position + length}`);
  return bytes;
}

/** The section's bytes; the layout is that of the ELF specification's Elf64_Ehdr and Elf64_Shdr. */
async function readSection(file: FileHandle): Promise<Buffer> {
  const header = await readAt(file, 0, 64);
  if (header.readUInt32BE(0) !== ELF_MAGIC || header.readUInt16BE(4) !== ELF_64_LITTLE) {
    throw new Error('the binary is no 64-bit little-endian ELF file');
  }
  const entrySize = header.readUInt16LE(58);
  const table = await readAt(file, Number(header.readBigUInt64LE(40)), entrySize * header.readUInt16LE(60));
  const extent = (index: number): readonly [number, number] => {
    const at = index * entrySize;
    return [Number(table.readBigUInt64LE(at + 24)), Number(table.readBigUInt64LE(at + 32))];
  };
  const names = await readAt(file, ...extent(header.readUInt16LE(62)));
  for (let index = 0; index * entrySize < table.length; index++) {
    const name = table.readUInt32LE(index * entrySize);
    if (names.toString('latin1', name, names.indexOf(0, name)) !== SECTION) continue;
    const [position, length] = extent(index);
    if (length > MAX_SECTION_BYTES) throw new Error(`${SECTION} has ${length} bytes, more than any Envoy's`);
    return readAt(file, position, length);
  }
  throw new Error(`the binary has no section ${SECTION}`);
}

/** The value of the varint at `position`, and where it ends. */
function varint(bytes: Buffer, position: number): readonly [value: number, end: number] {
  let value = 0;
  for (let at = position, scale = 1; at < position + 5; at++, scale *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return [value, at + 1];
  }
  throw new Error(`${SECTION} has a varint that is too long at byte ${position}`);
}

/** The number of the field at `position`, and where it ends. */
function field(bytes: Buffer, position: number): readonly [number: number, end: number] {
  const [tag, afterTag] = varint(bytes, position);
  const [next, afterNext] = varint(bytes, afterTag);
  const end = (tag & 7) === 2 ? afterNext + next : afterNext;
  if (((tag & 7) !== 0 && (tag & 7) !== 2) || end > bytes.length) {
    throw new Error(`${SECTION} has no field of a file's descriptor at byte ${position}`);
  }
  return [tag >>> 3, end];
}

/**
 * Where the descriptor that begins at `start` ends. protoc writes fields in order of number and a zero at the end, so
 * both a zero and a number below the one before end it.
 */
function descriptorEnd(bytes: Buffer, start: number): number {
  let [last, end] = field(bytes, start);
  while (end < bytes.length && bytes[end] !== 0) {
    const [number, next] = field(bytes, end);
    if (number < last || number === 1) break;
    [last, end] = [number, next];
  }
  return end;
}

/**
 * Where the next descriptor at or after `position` begins: at its first field, number 1, the file's name. Names in
 * imports stand in fields of another number, and the tables of offsets between the descriptors hold no text.
 */
function nextDescriptor(bytes: Buffer, position: number): number | undefined {
  for (let at = bytes.indexOf('.proto', position); at !== -1; at = bytes.indexOf('.proto', at + 1)) {
    const end = at + '.proto'.length;
    for (let length = '.proto'.length; length < 0x80 && end - length - 2 >= position; length++) {
      const start = end - length - 2;
      if (bytes[start] !== NAME_TAG || bytes[start + 1] !== length) continue;
      if (/^[\w/.-]+$/.test(bytes.toString('latin1', start + 2, end))) return start;
    }
  }
  return undefined;
}

/** The serialized FileDescriptorSet of all descriptors in the section: each is one field 1. */
function toDescriptorSet(section: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let start = nextDescriptor(section, 0); start !== undefined; ) {
    const end = descriptorEnd(section, start);
    const length: number[] = [];
    for (let rest = end - start; ; rest >>>= 7) {
      length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
      if (rest <= 0x7f) break;
    }
    parts.push(Buffer.of(NAME_TAG, ...length), section.subarray(start, end));
    start = nextDescriptor(section, end);
  }
  return Buffer.concat(parts);
}

/**
 * The descriptors that the Envoy binary at `path` carries, in the order of the file. Throws with a sentence that says
 * what is not as expected; whatever is in the section is read, nothing passed over.
 */
export async function carveDescriptors(path: string): Promise<FileDescriptorSet> {
  const file = await open(path);
  try {
    return fileDescriptorSet.decode(toDescriptorSet(await readSection(file)));
  } catch (cause) {
    throw new Error(`no descriptors can be read from ${path}: ${(cause as Error).message}`, { cause });
  } finally {
    await file.close();
  }
}
