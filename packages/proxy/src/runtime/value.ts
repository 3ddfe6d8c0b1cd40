/** One value of the runtime, and what it is where a number, a share or a bool is asked for. */
import type { Share } from '../config/runtime.ts';

export interface RuntimeValue {
  /** As `/runtime` shows it. */
  readonly text: string;
  readonly number: number | undefined;
  /** Where the number is one: whole, and not negative. */
  readonly integer: number | undefined;
  readonly flag: boolean | undefined;
  readonly share: Share | undefined;
}

const DENOMINATORS: Readonly<Record<string, number>> = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 };

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether an object is one value, rather than values under a common name. */
function isShare(value: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(value);
  return keys.length === 0 || keys.includes('numerator') || keys.includes('denominator');
}

function shareOf(value: Readonly<Record<string, unknown>>): Share | undefined {
  const { numerator = 0, denominator = 'HUNDRED', ...rest } = value;
  const of = DENOMINATORS[String(denominator)];
  if (Object.keys(rest).length > 0 || typeof numerator !== 'number' || of === undefined) return undefined;
  return Number.isInteger(numerator) && numerator >= 0 ? { numerator, denominator: of } : undefined;
}

function ofNumber(text: string, value: number): RuntimeValue {
  const integer = Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  return { text, number: value, integer, flag: integer === undefined ? undefined : integer !== 0, share: undefined };
}

/** A text is what it reads as, since numbers with a point come as texts from files. */
function ofText(text: string): RuntimeValue {
  const trimmed = text.trim();
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)) return ofNumber(text, Number(trimmed));
  const lower = trimmed.toLowerCase();
  const flag = lower === 'true' ? true : lower === 'false' ? false : undefined;
  return { text, number: undefined, integer: undefined, flag, share: undefined };
}

/** The value that some JSON is; `text`: how it was written. */
export function runtimeValue(value: unknown, text?: string): RuntimeValue {
  if (typeof value === 'number') return ofNumber(text ?? String(value), value);
  if (typeof value === 'boolean') return { ...ofText(String(value)), text: text ?? String(value) };
  if (!isObject(value)) return { ...ofText(String(value)), text: text ?? String(value) };
  const none = { number: undefined, integer: undefined, flag: undefined };
  return { ...none, text: text ?? JSON.stringify(value), share: shareOf(value) };
}

/** The value that a text of the admin interface is: JSON where it is an object, what it reads as otherwise. */
export function valueOfText(text: string): RuntimeValue {
  if (!text.trimStart().startsWith('{')) return ofText(text);
  try {
    return runtimeValue(JSON.parse(text), text);
  } catch {
    return ofText(text);
  }
}

/** Every value of a layer by its whole name: `{a: {b: 1}}` is the value `a.b`. */
export function flatten(
  layer: Readonly<Record<string, unknown>>,
  into = new Map<string, RuntimeValue>(),
  prefix = '',
): Map<string, RuntimeValue> {
  for (const [key, value] of Object.entries(layer)) {
    if (isObject(value) && !isShare(value)) flatten(value, into, `${prefix}${key}.`);
    else into.set(prefix + key, runtimeValue(value));
  }
  return into;
}
