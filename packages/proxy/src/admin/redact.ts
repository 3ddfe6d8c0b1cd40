/** Takes out of a dump what nobody may read there: private keys, and what opens them. */

const REDACTED = '[redacted]';
const REDACTED_BYTES = Buffer.from(REDACTED).toString('base64');

/** Fields of the Envoy API that are marked as sensitive, with everything below them. */
const SENSITIVE = new Set([
  'generic_secret',
  'password',
  'pkcs12',
  'private_key',
  'private_key_provider',
  'session_ticket_keys',
]);

const BASE64_LINE = /^[A-Za-z0-9+/=\s]+$/;
const KEY_BLOCK = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g;
const KEY_MARK = 'PRIVATE KEY-----';

/** A text without the keys in it: files that hold a chain often hold its key too. */
function clean(key: string, text: string): string {
  if (text.includes(KEY_MARK)) return text.replace(KEY_BLOCK, REDACTED);
  if (key !== 'inline_bytes' || !BASE64_LINE.test(text)) return text;
  return Buffer.from(text, 'base64').includes(KEY_MARK) ? REDACTED_BYTES : text;
}

function hidden(key: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => hidden(key, item));
  if (typeof value === 'object' && value !== null) return mapped(value, hidden);
  if (typeof value !== 'string' || key === '@type') return value;
  return key === 'inline_bytes' ? REDACTED_BYTES : REDACTED;
}

function shown(key: string, value: unknown): unknown {
  if (SENSITIVE.has(key)) return hidden(key, value);
  if (Array.isArray(value)) return value.map((item: unknown) => shown(key, item));
  if (typeof value === 'object' && value !== null) return mapped(value, shown);
  return typeof value === 'string' ? clean(key, value) : value;
}

function mapped(object: object, change: (key: string, value: unknown) => unknown): object {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(key, value)]));
}

/**
 * The same with `[redacted]` in place of whatever stands in a sensitive field, as in Envoy's dumps, and of private keys
 * wherever else they stand.
 */
export function redact<T extends object>(dump: T): T {
  return mapped(dump, shown) as T;
}

/** How far down a dump is written part by part: as far as the clusters of a bootstrap in it. */
const DEPTH = 6;

/** The JSON of {@link redact}, with a space for each level, a piece at a time: dumps can be many megabytes. */
export function* redactedJson(dump: object): Generator<string, void> {
  yield* redactedPieces('', dump, 0);
  yield '\n';
}

function* redactedPieces(key: string, value: unknown, depth: number): Generator<string, void> {
  if (depth === DEPTH || typeof value !== 'object' || value === null || SENSITIVE.has(key)) {
    const text = JSON.stringify(shown(key, value), null, 1);
    yield depth === 0 ? text : text.replaceAll('\n', `\n${' '.repeat(depth)}`);
    return;
  }
  const isList = Array.isArray(value);
  const [open, close] = isList ? '[]' : '{}';
  const line = `\n${' '.repeat(depth + 1)}`;
  let before = `${open}${line}`;
  for (const [name, item] of Object.entries(value)) {
    if (item === undefined) continue;
    yield isList ? before : `${before}${JSON.stringify(name)}: `;
    yield* redactedPieces(isList ? key : name, item, depth + 1);
    before = `,${line}`;
  }
  yield before.startsWith(',') ? `\n${' '.repeat(depth)}${close}` : `${open}${close}`;
}
