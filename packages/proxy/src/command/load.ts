/** Reads bootstrap files: YAML, JSON, or protobuf in binary (https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/cli). */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { WeftError } from '@weft/contracts/error';
import { type Bootstrap, decode, encodeUnknown } from '@weft/envoy-api';
import { MessageError } from '@weft/protobuf';

const BOOTSTRAP = 'envoy.config.bootstrap.v3.Bootstrap';

export interface BootstrapFiles {
  /** `-c`: a file that ends in .json or .pb is read as that, any other as YAML. */
  readonly path: string | undefined;
  /** `--config-yaml`: merged over the file. */
  readonly yaml: string | undefined;
}

type Yaml = typeof import('yaml');

/**
 * The bootstrap of a command line, as ProtoJSON. Throws `WeftError` INVALID_ARGUMENT with every violation and its place,
 * NOT_FOUND where there is no such file.
 */
export async function loadBootstrap({ path, yaml }: BootstrapFiles): Promise<Bootstrap> {
  const parts: Buffer[] = [];
  if (path !== undefined) parts.push(readBootstrap(path));
  if (yaml !== undefined) parts.push(encodeText(parseYaml(yaml, '--config-yaml'), '--config-yaml'));
  // Messages in binary that stand one behind the other are one message, merged.
  return decode(BOOTSTRAP, Buffer.concat(parts));
}

function readBootstrap(path: string): Buffer {
  if (path.endsWith('.pb_text')) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `${path}: text protobuf is not supported: give YAML, JSON, or binary (.pb)`,
    );
  }
  const bytes = readFile(path);
  if (path.endsWith('.pb')) return checkBinary(path, bytes);
  const text = bytes.toString();
  return encodeText(path.endsWith('.json') ? parseJson(text, path) : parseYaml(text, path), path);
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new WeftError('NOT_FOUND', `the bootstrap ${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function checkBinary(path: string, bytes: Buffer): Buffer {
  const unknown: string[] = [];
  const told = (place: string, type: string, number: number) => {
    unknown.push(`${place === '' ? '' : `${place}: `}field ${number} of ${type} is not known`);
  };
  try {
    decode(BOOTSTRAP, bytes, { unknownField: told });
  } catch (thrown) {
    throw invalid(path, thrown);
  }
  if (unknown.length > 0) throw new WeftError('INVALID_ARGUMENT', unknown.map((text) => `${path}: ${text}`).join('\n'));
  return bytes;
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw invalid(path, thrown);
  }
}

function parseYaml(text: string, path: string): unknown {
  try {
    // Aliases are what YAML files of bootstraps save repetition with; their number is bounded by the parser.
    return borrowYaml(({ parse }) => parse(text, { merge: true }));
  } catch (thrown) {
    if ((thrown as { readonly code?: unknown }).code === 'MULTIPLE_DOCS') {
      throw new WeftError('INVALID_ARGUMENT', `${path}: holds several documents; a bootstrap is one`, {
        cause: thrown,
      });
    }
    throw invalid(path, thrown);
  }
}

/** Lends the YAML library, 72 modules that nobody needs once a bootstrap is read; Node then forgets them. */
function borrowYaml<T>(use: (yaml: Yaml) => T): T {
  const require = createRequire(import.meta.url);
  const before = new Set(Object.keys(require.cache));
  try {
    return use(require('yaml') as Yaml);
  } finally {
    for (const name of Object.keys(require.cache)) if (!before.has(name)) delete require.cache[name];
  }
}

function encodeText(value: unknown, path: string): Buffer {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `${path}: expected a bootstrap, an object with static_resources and the like`,
    );
  }
  try {
    return encodeUnknown(BOOTSTRAP, value, { isLenient: true });
  } catch (thrown) {
    throw invalid(path, thrown);
  }
}

function invalid(path: string, thrown: unknown): WeftError {
  const lines =
    thrown instanceof MessageError
      ? thrown.violations.map((violation) =>
          violation.path === '' ? violation.message : `${violation.path}: ${violation.message}`,
        )
      : [(thrown as Error).message];
  return new WeftError('INVALID_ARGUMENT', lines.map((line) => `${path}: ${line}`).join('\n'), { cause: thrown });
}
