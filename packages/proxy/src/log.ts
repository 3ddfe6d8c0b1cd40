/** Where the proxy tells what it does; pino's loggers are of this form. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Envoy's words for how much is logged, from most to least. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Passes on what is at least as grave as the level, which can change while the proxy runs. */
export class LeveledLog implements Log {
  readonly #target: Log;
  level: LogLevel;

  constructor(target: Log, level: LogLevel) {
    this.#target = target;
    this.level = level;
  }

  #tells(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(this.level);
  }

  debug(fields: object, message: string): void {
    if (this.#tells('debug')) this.#target.debug(fields, message);
  }

  info(fields: object, message: string): void {
    if (this.#tells('info')) this.#target.info(fields, message);
  }

  warn(fields: object, message: string): void {
    if (this.#tells('warning')) this.#target.warn(fields, message);
  }

  error(fields: object, message: string): void {
    if (this.#tells('error')) this.#target.error(fields, message);
  }
}
