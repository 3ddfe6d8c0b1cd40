/**
 * Regular expressions of the configuration are RE2's (https://github.com/google/re2/wiki/Syntax), whose time grows with
 * the length of the text alone. Here they run on the machine that V8 falls back to when backtracking gets expensive,
 * which has the same bound; what only a backtracking engine can do is refused, as RE2 refuses it.
 */
import { setFlagsFromString } from 'node:v8';

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

/** What is written differently in RE2 and in JavaScript, brought to JavaScript's way. */
function translated(regex: string): { readonly source: string; readonly flags: string } {
  const flags = /^\(\?([im]+)\)/.exec(regex);
  const source = regex
    .slice(flags?.[0].length ?? 0)
    .replaceAll('(?P<', '(?<')
    .replaceAll('\\A', '^')
    .replaceAll('\\z', '$')
    .replaceAll('\\a', '\\x07');
  return { source, flags: flags?.[1] ?? '' };
}

/** The expression, or a sentence about why it cannot be used. */
export function compileRegex(regex: string, { isWhole }: { readonly isWhole: boolean }): RegExp | string {
  if (regex.length > MAX_LENGTH) return `is longer than ${MAX_LENGTH} characters`;
  for (const [pattern, what] of REFUSED) {
    if (pattern.test(regex.replaceAll('\\\\', ''))) return `uses ${what}, which is not supported`;
  }
  const { source, flags } = translated(regex);
  setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks');
  try {
    return new RegExp(isWhole ? `^(?:${source})$` : source, isWhole ? `${flags}s` : `${flags}gs`);
  } catch (error) {
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
