/** What a service may change of a message that passes. */
import { isToken } from '../http1/characters.ts';

/** Fields that say how a message is framed, or end at one hop: no service decides them. */
const CODEC_FIELDS = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Whether a service may set, or take away, a field of that name, given in lower case. */
export function isChangeable(name: string): boolean {
  return isToken(name) && name !== 'host' && !CODEC_FIELDS.has(name);
}
