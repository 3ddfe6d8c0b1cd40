/** Fields of requests by name, whatever they are kept as. */
import type { RequestHead } from '../http/message.ts';

/** The value of a field of a request, pseudo-fields among them. */
export function requestField(head: RequestHead, name: string): string | undefined {
  switch (name) {
    case ':method':
      return head.method;
    case ':path':
      return head.path === '' ? undefined : head.path;
    case ':authority':
    case 'host':
      return head.authority;
    case ':scheme':
      if (head.scheme !== '') return head.scheme;
      return head.headers.joined('x-forwarded-proto')?.toLowerCase() === 'https' ? 'https' : 'http';
    case 'upgrade':
      return head.upgrade ?? head.headers.joined(name);
    case 'connection':
      return head.upgrade === undefined ? head.headers.joined(name) : 'upgrade';
    default:
      return head.headers.joined(name);
  }
}
