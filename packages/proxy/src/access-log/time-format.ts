/** Times as texts, after the specifiers of strftime that Envoy's START_TIME takes. */

/** A time taken apart, in UTC or where the machine is. */
class Moment {
  readonly date: Date;
  readonly year: number;
  /** From 0, as days of the week, which begin with Sunday. */
  readonly month: number;
  readonly day: number;
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly isLocal: boolean;

  constructor(date: Date, isLocal: boolean) {
    this.date = date;
    this.isLocal = isLocal;
    this.year = isLocal ? date.getFullYear() : date.getUTCFullYear();
    this.month = isLocal ? date.getMonth() : date.getUTCMonth();
    this.day = isLocal ? date.getDate() : date.getUTCDate();
    this.weekday = isLocal ? date.getDay() : date.getUTCDay();
    this.hour = isLocal ? date.getHours() : date.getUTCHours();
    this.minute = isLocal ? date.getMinutes() : date.getUTCMinutes();
    this.second = isLocal ? date.getSeconds() : date.getUTCSeconds();
  }

  /** `+0130` */
  get offset(): string {
    const minutes = this.isLocal ? -this.date.getTimezoneOffset() : 0;
    const whole = Math.abs(minutes);
    return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(whole / 60))}${pad(whole % 60)}`;
  }

  /** `CET`, or the offset where the zone has no letters. */
  get zone(): string {
    if (!this.isLocal) return 'UTC';
    const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(this.date);
    return parts.find(({ type }) => type === 'timeZoneName')?.value ?? this.offset;
  }

  /** Days since the year began. */
  get dayOfYear(): number {
    return Math.round((Date.UTC(this.year, this.month, this.day) - Date.UTC(this.year, 0, 1)) / 86_400_000);
  }
}

type Part = (moment: Moment) => string;

const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0');
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const twelve = (hour: number): number => hour % 12 || 12;

const isoDate: Part = ({ year, month, day }) => `${pad(year, 4)}-${pad(month + 1)}-${pad(day)}`;
const time: Part = ({ hour, minute, second }) => `${pad(hour)}:${pad(minute)}:${pad(second)}`;
const weekdayName: Part = ({ weekday }) => DAYS[weekday] ?? '';
const monthName: Part = ({ month }) => MONTHS[month] ?? '';

const SPECIFIERS: Readonly<Record<string, Part>> = {
  Y: ({ year }) => String(year),
  C: ({ year }) => pad(Math.floor(year / 100)),
  y: ({ year }) => pad(year % 100),
  m: ({ month }) => pad(month + 1),
  d: ({ day }) => pad(day),
  e: ({ day }) => String(day).padStart(2),
  j: ({ dayOfYear }) => pad(dayOfYear + 1, 3),
  H: ({ hour }) => pad(hour),
  I: ({ hour }) => pad(twelve(hour)),
  p: ({ hour }) => (hour < 12 ? 'AM' : 'PM'),
  M: ({ minute }) => pad(minute),
  S: ({ second }) => pad(second),
  F: isoDate,
  D: ({ year, month, day }) => `${pad(month + 1)}/${pad(day)}/${pad(year % 100)}`,
  T: time,
  R: ({ hour, minute }) => `${pad(hour)}:${pad(minute)}`,
  r: ({ hour, minute, second }) => `${pad(twelve(hour))}:${pad(minute)}:${pad(second)} ${hour < 12 ? 'AM' : 'PM'}`,
  a: (moment) => weekdayName(moment).slice(0, 3),
  A: weekdayName,
  b: (moment) => monthName(moment).slice(0, 3),
  h: (moment) => monthName(moment).slice(0, 3),
  B: monthName,
  c: (moment) =>
    `${weekdayName(moment).slice(0, 3)} ${monthName(moment).slice(0, 3)} ${String(moment.day).padStart(2)} ${time(moment)} ${moment.year}`,
  u: ({ weekday }) => String(weekday || 7),
  w: ({ weekday }) => String(weekday),
  s: ({ date }) => String(Math.floor(date.getTime() / 1000)),
  t: () => '\t',
  z: ({ offset }) => offset,
  Z: ({ zone }) => zone,
  '%': () => '%',
};

const milliseconds: Part = ({ date }) => pad(date.getUTCMilliseconds(), 3);

/** `3f`: that many digits of the second's fraction. */
function fraction(digits: number): Part {
  return (moment) => milliseconds(moment).padEnd(9, '0').slice(0, digits);
}

/** Gives what writes a time, or a sentence about a specifier that is not known. `isLocal`: as it is where the machine is. */
export function compileTimeFormat(format: string, isLocal = false): ((date: Date) => string) | string {
  if (format === '' && !isLocal) return (date) => date.toISOString();
  const parts: Part[] = [];
  for (const match of (format || '%FT%T.%3f%z').matchAll(/%([1-9]f|f|[^%]|%)|([^%]+)/g)) {
    const [, specifier, literal = ''] = match;
    if (specifier === undefined) parts.push(() => literal);
    else {
      const part = specifier.endsWith('f') ? fraction(Number(specifier[0]) || 9) : SPECIFIERS[specifier];
      if (!part) return `the time format %${specifier} is not supported`;
      parts.push(part);
    }
  }
  return (date) => {
    const moment = new Moment(date, isLocal);
    return parts.map((part) => part(moment)).join('');
  };
}
