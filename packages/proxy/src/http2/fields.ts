/** What the fields of a message are gathered in while they are decoded (RFC 9113, 8.2 and 8.3). */
import { isPseudo, KIND, type Kind } from './field-kind.ts';
import type { FieldSink } from './hpack/decoder.ts';

const MAX_LENGTH_DIGITS = 15;

/** The number that a Content-Length says; -1 where it says none. */
export function contentLength(value: string): number {
  const { length } = value;
  if (length === 0 || length > MAX_LENGTH_DIGITS) return -1;
  let number = 0;
  for (let i = 0; i < length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

/** Takes the fields of one message at a time. */
export abstract class Fields implements FieldSink {
  readonly #maxBytes: number;
  readonly #maxFields: number;
  flat: string[] = [];
  secret: string[] | undefined;
  /** Why the message is malformed, in a word or two; '' where it is not. */
  problem = '';
  /** Whether there was more than the limits allow; what is beyond them was left out. */
  isOverflow = false;
  #bytes = 0;
  #fields = 0;
  #hasRegular = false;
  #cookie: string | undefined;

  constructor(maxBytes: number, maxFields: number) {
    this.#maxBytes = maxBytes;
    this.#maxFields = maxFields;
  }

  /** Ready for the next message. */
  reset(): void {
    this.flat = [];
    this.secret = undefined;
    this.problem = '';
    this.isOverflow = false;
    this.#bytes = 0;
    this.#fields = 0;
    this.#hasRegular = false;
    this.#cookie = undefined;
  }

  onField(kind: Kind, name: string, value: string, isValid: boolean, isSecret: boolean): void {
    this.#bytes += name.length + value.length;
    if (++this.#fields > this.#maxFields || this.#bytes > this.#maxBytes) {
      this.isOverflow = true;
      return;
    }
    if (!isValid) this.problem = `invalid value of ${kind === KIND.invalid ? 'a field' : name}`;
    if (isSecret) this.#noteSecret(name);
    if (kind === KIND.regular) {
      this.#hasRegular = true;
      this.flat.push(name, value);
    } else if (isPseudo(kind)) {
      if (this.#hasRegular) this.problem = 'pseudo-header field after others';
      else this.pseudo(kind, value);
    } else this.#special(kind, name, value);
  }

  #noteSecret(name: string): void {
    this.secret ??= [];
    this.secret.push(name);
  }

  #special(kind: Kind, name: string, value: string): void {
    this.#hasRegular = true;
    switch (kind) {
      case KIND.invalid:
        this.problem = 'invalid field name';
        return;
      case KIND.ofConnection:
        this.problem = `${name} in HTTP/2`;
        return;
      case KIND.cookie:
        // Crumbs of one field (RFC 9113, 8.2.3).
        this.#cookie = this.#cookie === undefined ? value : `${this.#cookie}; ${value}`;
        return;
      case KIND.te:
        if (value.toLowerCase() !== 'trailers') this.problem = 'te other than trailers';
        this.flat.push(name, value);
        return;
      default:
        this.regular(kind, name, value);
    }
  }

  /** Adds what was put together of several fields. */
  protected complete(): void {
    if (this.#cookie !== undefined) this.flat.push('cookie', this.#cookie);
  }

  protected abstract pseudo(kind: Kind, value: string): void;
  /** A field that means something for this kind of message. */
  protected abstract regular(kind: Kind, name: string, value: string): void;
}

/** Fields after a body: they have no meaning for the message (RFC 9113, 8.1). */
export class TrailerFields extends Fields {
  protected pseudo(): void {
    this.problem = 'pseudo-header field in trailers';
  }

  protected regular(_kind: Kind, name: string, value: string): void {
    this.flat.push(name, value);
  }

  finish(): string[] {
    this.complete();
    return this.flat;
  }
}

/** Takes the fields of a message that nobody waits for any more: they are decoded so that the table stays in step. */
export const IGNORED: FieldSink = { onField: () => undefined };
