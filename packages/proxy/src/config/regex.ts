/**
 * Regular expressions of the configuration are RE2's (https://github.com/google/re2/wiki/Syntax), whose time grows with
 * the length of the text alone. Here they run on the machine that V8 falls back to when backtracking gets expensive,
 * which has the same bound; what only a backtracking engine can do is refused, as RE2 refuses it.
 */
import { setFlagsFromString } from 'node:v8';
import { linearSource, NotLinear } from './linear-regex.ts';

const REFUSED: readonly (readonly [RegExp, string])[] = [
  [/\(\?<?[=!]/, 'look-around'],
  [/\\[1-9]/, 'back-references'],
  [/\\k</, 'back-references'],
  [/\[\[:\^?[a-z]+:\]/, 'POSIX classes'],
  [/\\[CQE]/, String.raw`\C, \Q and \E`],
  [/\\[pP]/, String.raw`\p and \P`],
  [/\\x\{/, String.raw`\x{…}`],
  [/\(\?[a-zA-Z]*[sU][a-zA-Z]*[:)]/, 'the flags s and U inside the expression'],
];

const MAX_LENGTH = 4096;

/** The flags at the start, and the rest with the anchors of RE2 written JavaScript's way. */
function opened(regex: string): { readonly source: string; readonly flags: string } {
  const flags = /^\(\?([im]+)\)/.exec(regex);
  const source = regex.slice(flags?.[0].length ?? 0).replaceAll(/\\(.)/gs, (given, character: string) => {
    if (character === 'A') return '^';
    if (character === 'z') return '$';
    return character === 'a' ? '\\x07' : given;
  });
  return { source, flags: flags?.[1] ?? '' };
}

/** Whether the machine that does not backtrack can take over. */
function isLinear(source: string, flags: string): boolean {
  try {
    new RegExp(source, `${flags}l`);
    return true;
  } catch {
    return false; // says no more than that
  }
}

/** The expression, or a sentence about why it cannot be used. `isWhole`: it is to match all of a text, which it only tests. */
export function compileRegex(regex: string, { isWhole }: { readonly isWhole: boolean }): RegExp | string {
  if (regex.length > MAX_LENGTH) return `is longer than ${MAX_LENGTH} characters`;
  for (const [pattern, what] of REFUSED) {
    if (pattern.test(regex.replaceAll('\\\\', ''))) return `uses ${what}, which is not supported`;
  }
  setFlagsFromString('--enable-experimental-regexp-engine');
  setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks');
  const { source: given, flags: first } = opened(regex);
  try {
    // For what is wrong with the expression as it was written.
    new RegExp(given.replaceAll('(?P<', '(?<'));
    const source = linearSource(given, { dropsCaptures: isWhole, ignoresCase: first.includes('i') });
    const flags = `${first.includes('m') ? 'm' : ''}${isWhole ? 's' : 'gs'}`;
    const whole = isWhole ? `^(?:${source})$` : source;
    const expression = new RegExp(whole, flags);
    return isLinear(whole, flags) ? expression : 'cannot be matched in linear time here: it counts what it captures';
  } catch (error) {
    if (error instanceof NotLinear) return error.message;
    return `is not a valid regular expression: ${(error as Error).message}`;
  }
}

/** The replacement of RE2 (`\1`, `\\`) as JavaScript writes it (`$1`, `$$`), or what is wrong with it. */
export function compileSubstitution(substitution: string): string | { readonly problem: string } {
  let result = '';
  for (let at = 0; at < substitution.length; at++) {
    const character = substitution[at] as string;
    if (character === '$') result += '$$';
    else if (character !== '\\') result += character;
    else {
      const next = substitution[++at] ?? '';
      if (next === '\\') result += '\\';
      else if (next === '0') result += '$&';
      else if (/^[1-9]$/.test(next)) result += `$${next}`;
      else return { problem: 'has a backslash that is not followed by a digit or a backslash' };
    }
  }
  return result;
}
