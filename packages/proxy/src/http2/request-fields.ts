/** The head of a request in HTTP/2 (RFC 9113, 8.3.1; RFC 8441, 4). */
import { randomBytes } from 'node:crypto';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { isAuthority, isToken, TARGET } from '../http1/characters.ts';
import { VIOLATIONS, type Violation } from '../http1/violation.ts';
import { KIND, type Kind } from './field-kind.ts';
import { contentLength, Fields } from './fields.ts';

const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;
const SLASH = 47;

export class RequestFields extends Fields {
  readonly #allowsConnect: boolean;
  #method = '';
  #path: string | undefined;
  #scheme: string | undefined;
  #authority: string | undefined;
  #protocol: string | undefined;
  #host: string | undefined;
  #length = -1;
  #expectsContinue = false;
  /** What was looked at before and is well-formed: most requests of a connection say the same. */
  #goodAuthority = '';
  #goodPath = '';

  constructor(maxBytes: number, maxFields: number, allowsConnect: boolean) {
    super(maxBytes, maxFields);
    this.#allowsConnect = allowsConnect;
  }

  override reset(): void {
    super.reset();
    this.#method = '';
    this.#path = undefined;
    this.#scheme = undefined;
    this.#authority = undefined;
    this.#protocol = undefined;
    this.#host = undefined;
    this.#length = -1;
    this.#expectsContinue = false;
  }

  protected pseudo(kind: Kind, value: string): void {
    switch (kind) {
      case KIND.method:
        if (this.#method !== '' || value === '') this.problem = 'several methods, or none';
        this.#method = value;
        return;
      case KIND.path:
        if (this.#path !== undefined) this.problem = 'several paths';
        this.#path = value;
        return;
      case KIND.scheme:
        if (this.#scheme !== undefined) this.problem = 'several schemes';
        this.#scheme = value;
        return;
      case KIND.authority:
        if (this.#authority !== undefined) this.problem = 'several authorities';
        this.#authority = value;
        return;
      case KIND.protocol:
        if (this.#protocol !== undefined) this.problem = 'several protocols';
        this.#protocol = value;
        return;
      default:
        this.problem = 'undefined pseudo-header field';
    }
  }

  protected regular(kind: Kind, name: string, value: string): void {
    switch (kind) {
      case KIND.host:
        if (this.#host !== undefined) this.problem = 'several hosts';
        this.#host = value;
        return;
      case KIND.contentLength:
        if (this.#length !== -1) this.problem = 'several content lengths';
        this.#length = contentLength(value);
        if (this.#length === -1) this.problem = 'invalid content length';
        break;
      case KIND.expect:
        this.#expectsContinue = value.toLowerCase() === '100-continue';
        break;
    }
    this.flat.push(name, value);
  }

  /**
   * The head; undefined where the request is malformed, and {@link problem} says why; or what it is answered with.
   * `isEnd`: no body follows.
   */
  finish(isEnd: boolean): RequestHead | Violation | undefined {
    if (this.#length > 0 && isEnd) this.problem = 'content length without content';
    const isConnect = this.#method === 'CONNECT';
    if (this.problem === '') this.#check(isConnect);
    if (this.problem !== '') return undefined;
    const authority = this.#authority ?? this.#host;
    if (authority === undefined) return VIOLATIONS.missingHost;
    if (authority !== this.#goodAuthority || authority === '') {
      if (isAuthority(authority)) this.#goodAuthority = authority;
      else this.problem = 'invalid authority';
    }
    const path = this.#path ?? '';
    const wrongPath = this.#checkPath(path, isConnect);
    if (this.problem !== '') return undefined;
    if (wrongPath) return wrongPath;
    this.complete();
    return this.#head(path, authority, isEnd);
  }

  #check(isConnect: boolean): void {
    if (!isToken(this.#method)) this.problem = 'invalid method';
    else if (isConnect && this.#protocol === undefined) {
      if (this.#path !== undefined || this.#scheme !== undefined) this.problem = 'CONNECT with a path or a scheme';
      else if (this.#authority === undefined) this.problem = 'CONNECT without an authority';
    } else if (this.#path === undefined || this.#scheme === undefined) this.problem = 'no path or no scheme';
    else this.#checkScheme(this.#scheme);
    if (this.#protocol !== undefined && !(isConnect && this.#allowsConnect && isToken(this.#protocol))) {
      this.problem = 'a protocol that was not offered';
    }
  }

  /** Its case is of no account (RFC 3986, 3.1): whoever asks for it is told it in lower case. */
  #checkScheme(scheme: string): void {
    if (scheme === 'http' || scheme === 'https') return;
    if (SCHEME.test(scheme)) this.#scheme = scheme.toLowerCase();
    else this.problem = 'invalid scheme';
  }

  #checkPath(path: string, isConnect: boolean): Violation | undefined {
    if (isConnect && this.#protocol === undefined) {
      if (!/:\d+$/.test(this.#authority ?? '')) this.problem = 'CONNECT without a port';
      return undefined;
    }
    if (path === this.#goodPath && path !== '') return undefined;
    if (path === '*' && this.#method === 'OPTIONS') return undefined;
    if (path.charCodeAt(0) !== SLASH) this.problem = 'invalid path';
    for (let i = 1; i < path.length; i++) if (TARGET[path.charCodeAt(i)] !== 1) return VIOLATIONS.target;
    if (this.problem === '') this.#goodPath = path;
    return undefined;
  }

  #head(path: string, authority: string, isEnd: boolean): RequestHead {
    const headers = new HeaderList(this.flat);
    headers.secret = this.secret;
    const head = new RequestHead(this.#method, path, authority, this.#scheme ?? '', headers);
    head.protocol = 'HTTP/2';
    head.expectsContinue = this.#expectsContinue;
    if (isEnd) head.bodyLength = 0;
    else head.bodyLength = this.#length;
    // What follows is the bytes of a tunnel, and no content of which a length could speak (RFC 9110, 9.3.6).
    if (this.#method === 'CONNECT') headers.remove('content-length');
    if (this.#protocol !== undefined) this.#upgrade(head, this.#protocol.toLowerCase());
    else if (this.#method === 'CONNECT') head.bodyLength = 0;
    return head;
  }

  /** What HTTP/1.1 says with Upgrade; the key that HTTP/2 does without is made for a next hop that needs one. */
  #upgrade(head: RequestHead, protocol: string): void {
    head.method = 'GET';
    head.upgrade = protocol;
    head.bodyLength = 0;
    if (protocol === 'websocket' && !head.headers.has('sec-websocket-key')) {
      head.headers.add('sec-websocket-key', randomBytes(16).toString('base64'));
    }
  }
}
