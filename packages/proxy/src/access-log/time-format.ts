/** Times as texts, after the specifiers of strftime that Envoy's START_TIME takes. */

type Part = (date: Date) => string;

const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0');
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const SPECIFIERS: Readonly<Record<string, Part>> = {
  Y: (date) => String(date.getUTCFullYear()),
  m: (date) => pad(date.getUTCMonth() + 1),
  d: (date) => pad(date.getUTCDate()),
  e: (date) => String(date.getUTCDate()).padStart(2),
  H: (date) => pad(date.getUTCHours()),
  M: (date) => pad(date.getUTCMinutes()),
  S: (date) => pad(date.getUTCSeconds()),
  F: (date) => date.toISOString().slice(0, 10),
  T: (date) => date.toISOString().slice(11, 19),
  a: (date) => DAYS[date.getUTCDay()] ?? '',
  b: (date) => MONTHS[date.getUTCMonth()] ?? '',
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  z: () => '+0000',
  Z: () => 'UTC',
  '%': () => '%',
};

/** `3f`: that many digits of the second's fraction. */
function fraction(digits: number): Part {
  return (date) => pad(date.getUTCMilliseconds(), 3).padEnd(9, '0').slice(0, digits);
}

/** Gives what writes a time, or a sentence about a specifier that is not known. */
export function compileTimeFormat(format: string): Part | string {
  if (format === '') return (date) => date.toISOString();
  const parts: Part[] = [];
  for (const match of format.matchAll(/%([1-9]f|f|[^%]|%)|([^%]+)/g)) {
    const [, specifier, literal = ''] = match;
    if (specifier === undefined) parts.push(() => literal);
    else {
      const part = specifier.endsWith('f') ? fraction(Number(specifier[0]) || 9) : SPECIFIERS[specifier];
      if (!part) return `the time format %${specifier} is not supported`;
      parts.push(part);
    }
  }
  return (date) => parts.map((part) => part(date)).join('');
}
