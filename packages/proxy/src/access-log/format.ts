/** Formats: texts and JSON objects with command operators in them. */
import { fieldOf, textOf } from '../http/field-text.ts';
import type { StreamInfo } from '../stack/stream-info.ts';
import { type Operator, textOfValue } from './operators/operator.ts';
import { compileOperator, OPERATOR } from './operators.ts';

/** Gives bytes, a character for each, as fields have them: what came in a field is told as it came. */
export type Format = (info: StreamInfo) => string;

type Part = string | Operator;

/** The parts of a text with operators; what is wrong is told to `refuse`. `form`: of an operator that is all of it. */
function partsOf(text: string, refuse: (problem: string) => void, form: 'text' | 'json' = 'text'): readonly Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const match of text.matchAll(OPERATOR)) {
    const literal = text.slice(at, match.index);
    if (literal.includes('%')) refuse(`${JSON.stringify(literal)} has a % that begins no operator; write %% for it`);
    if (literal !== '') parts.push(fieldOf(literal));
    at = match.index + match[0].length;
    if (match[0] === '%%') parts.push('%');
    else {
      const isAll = match[0].length === text.length;
      const operator = compileOperator(match[1] as string, match[2], match[3], isAll ? form : 'text');
      if (typeof operator === 'string') refuse(operator);
      else parts.push(operator);
    }
  }
  const rest = text.slice(at);
  if (rest.includes('%')) refuse(`${JSON.stringify(rest)} has a % that begins no operator; write %% for it`);
  if (rest !== '') parts.push(fieldOf(rest));
  return parts;
}

/** A text with operators; `absent` stands for what there is nothing to say of. */
export function compileText(text: string, absent: string, refuse: (problem: string) => void): Format {
  return joined(partsOf(text, refuse), absent);
}

function joined(parts: readonly Part[], absent: string): Format {
  if (parts.every((part) => typeof part === 'string')) {
    const fixed = parts.join('');
    return () => fixed;
  }
  return (info) => {
    let result = '';
    for (const part of parts) result += typeof part === 'string' ? part : (textOfValue(part(info)) ?? absent);
    return result;
  };
}

/** The same for what holds texts. */
export function compileAsText(text: string, absent: string, refuse: (problem: string) => void): Format {
  const format = compileText(text, absent, refuse);
  return (info) => textOf(format(info));
}

/** As JSON has it: what is no UTF-8 is told byte for byte, as Envoy does. */
function jsonText<V>(value: V): V | string {
  if (typeof value !== 'string') return value;
  const text = textOf(value);
  return text.includes('!') && fieldOf(text) !== value ? value : text;
}

type JsonPart = (info: StreamInfo) => unknown;

function compileJson(value: unknown, omitsEmpty: boolean, refuse: (problem: string) => void): JsonPart {
  if (typeof value === 'string') {
    const parts = partsOf(value, refuse, 'json');
    const [only] = parts;
    // A value that is one operator keeps its type, and is null where there is nothing to say.
    if (parts.length === 1 && typeof only === 'function') {
      return (info) => jsonText(only(info)) ?? null;
    }
    const texts = parts.map((part) => {
      if (typeof part === 'string') return textOf(part);
      return (info: StreamInfo) => jsonText(textOfValue(part(info)));
    });
    return joined(texts, omitsEmpty ? '' : '-');
  }
  if (Array.isArray(value)) {
    const items = value.map((item) => compileJson(item, omitsEmpty, refuse));
    return (info) => items.map((item) => item(info));
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, item]) => [key, compileJson(item, omitsEmpty, refuse)] as const);
    return (info) => {
      const made = entries.map(([key, item]) => [key, item(info)] as const);
      if (!omitsEmpty) return Object.fromEntries(made);
      const kept = made.filter(([, item]) => item !== null && item !== '');
      // An object of which nothing is left is left out, too.
      return kept.length === 0 && made.length > 0 ? null : Object.fromEntries(kept);
    };
  }
  return () => value;
}

/** One JSON object a line. */
export function compileJsonLine(
  object: Readonly<Record<string, unknown>>,
  { omitsEmpty, sorts }: { readonly omitsEmpty: boolean; readonly sorts: boolean },
  refuse: (problem: string) => void,
): Format {
  const entries = Object.entries(object);
  if (sorts) entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const make = compileJson(Object.fromEntries(entries), omitsEmpty, refuse);
  return (info) => `${fieldOf(JSON.stringify(make(info) ?? {}))}\n`;
}

/** A `SubstitutionFormatString` as it is configured. */
export interface SubstitutionFormat {
  readonly text_format: string | undefined;
  readonly text_format_source: Buffer | undefined;
  readonly json_format: Readonly<Record<string, unknown>> | undefined;
  readonly omit_empty_values: boolean;
  readonly content_type: string;
  readonly json_format_options: { readonly sort_properties: boolean } | undefined;
}

/** The format of a `SubstitutionFormatString`, with the content type that it asks for. */
export interface BodyFormat {
  readonly write: Format;
  readonly contentType: string;
}

export function compileSubstitutionFormat(
  format: SubstitutionFormat,
  refuse: (problem: string) => void,
): BodyFormat | undefined {
  const text = format.text_format ?? format.text_format_source?.toString();
  const absent = format.omit_empty_values ? '' : '-';
  if (text !== undefined) {
    return { write: compileText(text, absent, refuse), contentType: format.content_type || 'text/plain' };
  }
  if (!format.json_format) return undefined;
  const options = {
    omitsEmpty: format.omit_empty_values,
    sorts: format.json_format_options?.sort_properties ?? false,
  };
  return {
    write: compileJsonLine(format.json_format, options, refuse),
    contentType: format.content_type || 'application/json',
  };
}
