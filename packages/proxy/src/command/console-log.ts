/** The log of a proxy that runs by itself: lines in the form of Envoy's. */
import type { Log } from '../log.ts';

/** `write` takes whole lines. */
export function consoleLog(write: (line: string) => void, nowMs: () => number): Log {
  const at = (level: string) => (fields: object, message: string) => {
    const time = new Date(nowMs()).toISOString().replace('T', ' ').replace('Z', '');
    const details = Object.entries(fields)
      .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
      .join(' ');
    write(`[${time}][${process.pid}][${level}] ${message}${details === '' ? '' : ` (${details})`}\n`);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warning'), error: at('error') };
}
