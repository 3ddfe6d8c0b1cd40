/** The head of a response in HTTP/2 (RFC 9113, 8.3.2). */
import { KIND, type Kind } from './field-kind.ts';
import { contentLength, Fields } from './fields.ts';

export class ResponseFields extends Fields {
  /** 0: none was said. */
  status = 0;
  /** -1: none was said. */
  length = -1;

  override reset(): void {
    super.reset();
    this.status = 0;
    this.length = -1;
  }

  protected pseudo(kind: Kind, value: string): void {
    if (kind !== KIND.status) this.problem = 'undefined pseudo-header field';
    else if (this.status !== 0) this.problem = 'several statuses';
    else if (value.length !== 3) this.problem = 'invalid status';
    else {
      this.status = contentLength(value);
      if (this.status < 100) this.problem = 'invalid status';
    }
  }

  protected regular(kind: Kind, name: string, value: string): void {
    if (kind === KIND.contentLength) {
      if (this.length !== -1) this.problem = 'several content lengths';
      this.length = contentLength(value);
      if (this.length === -1) this.problem = 'invalid content length';
    }
    this.flat.push(name, value);
  }

  /** The fields; whether they are a response's is told by {@link problem}. */
  finish(): string[] {
    if (this.status === 0 && this.problem === '') this.problem = 'no status';
    this.complete();
    return this.flat;
  }
}
