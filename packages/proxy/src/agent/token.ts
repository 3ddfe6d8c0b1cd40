/** The join token of an agent: given, or read from a file each time that it is needed. */
import { readFileSync } from 'node:fs';
import { WeftError } from '@weft/contracts/error';

export interface TokenSource {
  readonly token?: string;
  readonly tokenFile?: string;
}

/** Throws `WeftError` FAILED_PRECONDITION that says how to get one. */
export function readToken({ token, tokenFile }: TokenSource, service: string): string {
  if (token !== undefined && token !== '') return token;
  const how = `make one with weft token create --service ${service} and give it with --token-file or WEFT_JOIN_TOKEN`;
  if (tokenFile === undefined) throw new WeftError('FAILED_PRECONDITION', `there is no join token: ${how}`);
  let content: string;
  try {
    content = readFileSync(tokenFile, 'utf8').trim();
  } catch (cause) {
    throw new WeftError('FAILED_PRECONDITION', `the join token cannot be read from ${tokenFile}: ${how}`, { cause });
  }
  if (content === '') throw new WeftError('FAILED_PRECONDITION', `${tokenFile} holds no join token: ${how}`);
  return content;
}
