/** Heads of requests and responses, as every codec gives and takes them (RFC 9110, 6). */
import { HeaderList } from './header-list.ts';

export type Protocol = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';

/** The head of a request. Host stands in `authority`; fields that end at one hop are not in `headers`. */
export class RequestHead {
  method: string;
  /** What routes match on: path and query, `*`, or '' for CONNECT. */
  path: string;
  authority: string;
  /** Of the target in absolute form; '' where it was not said. */
  scheme: string;
  headers: HeaderList;
  protocol: Protocol = 'HTTP/1.1';
  /** Bytes of the body; -1 where only the end of the stream will tell; 0 where there is none. */
  bodyLength = 0;
  /** The protocol of an Upgrade that the client asks for, in lower case: `websocket`; CONNECT has none. */
  upgrade: string | undefined = undefined;
  /** `Expect: 100-continue` waits for an answer before the body is sent. */
  expectsContinue = false;

  constructor(method: string, path: string, authority: string, scheme: string, headers: HeaderList) {
    this.method = method;
    this.path = path;
    this.authority = authority;
    this.scheme = scheme;
    this.headers = headers;
  }

  clone(): RequestHead {
    const copy = new RequestHead(this.method, this.path, this.authority, this.scheme, this.headers.clone());
    copy.protocol = this.protocol;
    copy.bodyLength = this.bodyLength;
    copy.upgrade = this.upgrade;
    copy.expectsContinue = this.expectsContinue;
    return copy;
  }
}

/** The head of a response, informational ones among them. */
export class ResponseHead {
  status: number;
  headers: HeaderList;
  /** Bytes of the body; -1 where only the end of the stream will tell; 0 where there is none. */
  bodyLength = 0;
  /** The protocol that a 101 switches to, in lower case. */
  upgrade: string | undefined = undefined;

  constructor(status: number, headers: HeaderList = new HeaderList()) {
    this.status = status;
    this.headers = headers;
  }
}

/** Whether a response with that status to that method has no body, whatever its fields say (RFC 9110, 6.4.1). */
export function hasNoBody(method: string, status: number): boolean {
  return (
    method === 'HEAD' || status === 204 || status === 304 || status < 200 || (method === 'CONNECT' && status < 300)
  );
}
