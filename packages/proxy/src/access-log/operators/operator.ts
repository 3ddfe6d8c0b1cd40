/** What command operators are made of. */
import { fieldOf } from '../../http/field-text.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';

/**
 * What an operator stands for; undefined and null: nothing. In JSON all but texts keep their type. A text on its own is
 * bytes, a character for each; in objects texts are texts.
 */
export type OperatorValue = string | number | boolean | object | null | undefined;

/** What an operator stands for in one request. */
export type Operator = (info: StreamInfo) => OperatorValue;

/** An operator that may be told more: `%NAME(argument):length%`. */
export interface Command {
  /** Whether `%NAME%` says too little. */
  readonly isArgumentNeeded: boolean;
  /** Whether texts may be cut to a length. */
  readonly canBeCut: boolean;
  /** Gives a sentence where the argument is wrong; '': there is none. */
  readonly compile: (argument: string) => Operator | string;
}

export type Operators = Readonly<Record<string, Operator>>;
export type Commands = Readonly<Record<string, Command>>;

/** Of an operator that gives texts one that gives their bytes. */
export function inBytes(operator: Operator): Operator {
  return (info) => {
    const value = operator(info);
    return typeof value === 'string' ? fieldOf(value) : value;
  };
}

/** The text, or nothing where it is empty. */
export function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** A list with commas, or nothing where it is empty. */
export function listed(texts: readonly string[] | undefined): string | undefined {
  return texts && texts.length > 0 ? texts.join(',') : undefined;
}

/** One of the words that an argument may be; '' stands for the first. */
export function wordOf<W extends string>(given: string, words: readonly [W, ...W[]]): W | undefined {
  return given === '' ? words[0] : words.find((word) => word === given);
}

/** As Envoy writes values in texts: objects as JSON, their keys in order. */
export function textOfValue(value: OperatorValue): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'object' ? fieldOf(JSON.stringify(inOrder(value))) : String(value);
}

/** The same value with the keys of all objects in order. */
export function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, inOrder(item)]));
}
