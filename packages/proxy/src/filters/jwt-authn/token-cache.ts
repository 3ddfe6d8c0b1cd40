/** Tokens whose signatures were checked, those used last. They are forgotten when the keys are others. */
import type { KeySet } from './jwks.ts';
import type { Jwt } from './jwt.ts';

const DEFAULT_SIZE = 100;
const DEFAULT_MAX_LENGTH = 4096;

export class TokenCache {
  readonly #tokens = new Map<string, { readonly jwt: Jwt; readonly keys: KeySet }>();
  readonly #size: number;
  readonly #maxLength: number;

  /** `maxLength`: of a token that is kept, in characters. */
  constructor(size: number = DEFAULT_SIZE, maxLength: number = DEFAULT_MAX_LENGTH) {
    this.#size = size;
    this.#maxLength = maxLength;
  }

  /** What a token says that one of these keys signed; undefined where that is not known. */
  get(token: string, keys: KeySet | undefined): Jwt | undefined {
    const found = this.#tokens.get(token);
    if (!found) return undefined;
    this.#tokens.delete(token);
    if (found.keys !== keys) return undefined;
    this.#tokens.set(token, found);
    return found.jwt;
  }

  set(token: string, jwt: Jwt, keys: KeySet): void {
    if (token.length > this.#maxLength) return;
    this.#tokens.delete(token);
    this.#tokens.set(token, { jwt, keys });
    if (this.#tokens.size <= this.#size) return;
    const [oldest] = this.#tokens.keys();
    this.#tokens.delete(oldest as string);
  }

  delete(token: string): void {
    this.#tokens.delete(token);
  }

  get size(): number {
    return this.#tokens.size;
  }
}
